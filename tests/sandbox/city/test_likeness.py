"""The statistics by which a city is compared with real firms, on numbers small enough to work out by hand."""

from __future__ import annotations

import math
from datetime import date

import polars as pl
import pytest

from creditlink.engine.facts.frames import FRAME_SCHEMAS, as_known
from creditlink.sandbox.city import likeness

pytestmark = pytest.mark.pure

FIRST = date(2025, 1, 1)


def _month(firm: int, month: int, yuan: float, invoices: int = 2, **more: object) -> dict[str, object]:
    fen = round(yuan * 100)
    return {
        "firm": firm,
        "period": date(2025, month, 1),
        "direction": "output",
        "invoices": invoices,
        "amount_fen": fen,
        "tax_fen": fen // 10,
        "void_invoices": 0,
        "red_invoices": 0,
        "red_amount_fen": 0,
        "counterparties": 1,
        "top1_amount_fen": fen,
        "top5_amount_fen": fen,
        "hhi": 1.0,
        "known_on": date(2026, 1, 2),
        **more,
    }


def _frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=FRAME_SCHEMAS["invoice_months"])


class TestInvoiceStatistics:
    def test_a_firm_with_a_gap_a_void_and_a_red_letter_invoice(self):
        # Twelve months of 100 yuan, without June and July; in August 50 of 150 yuan were taken back.
        rows = [_month(1, m, 100.0) for m in range(1, 13) if m not in (6, 7, 8)]
        rows.append(_month(1, 8, 100.0, void_invoices=1, red_invoices=1, red_amount_fen=5000, top1_amount_fen=15000))
        told = likeness.invoice_statistics(_frame(rows), "output", first=FIRST, count=12).to_dicts()[0]
        assert told["amount"] == pytest.approx(math.log10(1050 / 12))
        assert told["peak"] == pytest.approx(150 / (1050 / 12))
        assert told["gap_share"] == pytest.approx(2 / 12)
        assert told["longest_gap"] == 2
        assert told["invoices"] == 2
        assert told["ticket"] == pytest.approx(math.log10(1050 / 20))
        assert told["void_rate"] == pytest.approx(1 / 22)
        assert told["red_rate"] == pytest.approx(1 / 21)
        assert told["red_amount"] == pytest.approx(50 / 1050)
        assert told["per_counterparty"] == 2
        assert told["top1"] == told["hhi"] == 1
        assert told["tax_rate"] == pytest.approx(0.1)

    def test_a_short_or_hardly_active_firm_is_left_out_and_a_gap_before_the_first_month_is_none(self):
        short = [_month(1, m, 10.0) for m in range(4, 13)]
        rare = [_month(2, m, 10.0) for m in (1, 2, 12)]
        whole = [_month(3, m, 10.0 * m) for m in range(1, 13)]
        told = likeness.invoice_statistics(_frame(short + rare + whole), "output", first=FIRST, count=12)
        assert told["firm"].to_list() == [3]
        assert told["gap_share"].to_list() == [0]

    def test_purchases_over_sales(self):
        sales = [_month(1, m, 100.0 + m) for m in range(1, 13)]
        bought = [_month(1, m, 50.0 + m / 2, direction="input") for m in range(1, 13)]
        told = likeness.input_over_output(_frame(sales + bought), first=FIRST, count=12).to_dicts()
        assert told == [{"firm": 1, "input_over_output": pytest.approx(0.5), "correlation": pytest.approx(1.0)}]

    def test_the_season_is_against_the_firms_own_mean(self):
        rows = [
            _month(firm, m, size * (4.0 if m == 12 else 1.0))
            for firm, size in ((1, 1e3), (2, 1e6))
            for m in range(1, 13)
        ]
        told = likeness.invoice_season(_frame(rows), "output", first=FIRST, count=12)
        assert told["log_amount"][11] - told["log_amount"][0] == pytest.approx(math.log(4))
        assert told["silent_share"].sum() == 0


def test_a_meter_with_a_winter_a_zero_and_a_missing_reading():
    months = pl.date_range(date(2024, 1, 1), date(2026, 12, 1), "1mo", eager=True)
    usage = [None if i == 5 else 0.0 if i == 7 else 200.0 if i % 12 == 0 else 100.0 for i in range(36)]
    readings = pl.DataFrame({"unit": "a", "period": months, "usage": usage})
    told = likeness.meter_statistics(readings, first=date(2024, 1, 1), count=36).to_dicts()[0]
    assert told["amplitude"] == pytest.approx(math.log(2))
    assert told["zero_share"] == pytest.approx(1 / 35)
    assert told["unread_share"] == pytest.approx(1 / 36)
    assert told["trough"] == 0
    assert told["yearly"] == pytest.approx(1, abs=0.1)


class TestDistance:
    @pytest.mark.parametrize(
        ("one", "other", "far"),
        [([1, 2, 3, 4], [1, 2, 3, 4], 0.0), ([1, 2], [3, 4], 1.0), ([1, 2, 3, 4], [3, 4, 5, 6], 0.5)],
    )
    def test_it_is_the_largest_gap_between_the_distributions(self, one, other, far):
        assert likeness.distance(pl.Series(one), pl.Series(other)) == far

    def test_what_is_missing_is_left_out(self):
        assert likeness.distance(pl.Series([1.0, None, float("nan")]), pl.Series([1.0])) == 0
        assert math.isnan(likeness.distance(pl.Series([], dtype=pl.Float64), pl.Series([1.0])))


def test_the_city_stays_within_the_distributions_of_real_firms(frame, city):
    """Medians over the 302 firms of the contest data, 2017 to 2019, measured once; the firms are not in here."""
    months = as_known(frame("invoice_months"), "invoice_months", date.fromisoformat(city[1]["known_until"]))
    window = {"first": date(2023, 11, 1), "count": 36}
    sold = likeness.invoice_statistics(months, "output", **window)
    real = {"amount": 5.77, "volatility": 0.96, "gap_share": 0.08, "ticket": 4.75, "void_rate": 0.094, "hhi": 0.63}
    allowed = {"amount": 0.25, "volatility": 0.2, "gap_share": 0.06, "ticket": 0.25, "void_rate": 0.03, "hhi": 0.15}
    for name, median in real.items():
        assert sold[name].median() == pytest.approx(median, abs=allowed[name]), name
    both = likeness.input_over_output(months, **window)
    assert both["input_over_output"].median() == pytest.approx(0.55, abs=0.15)
    assert both["correlation"].median() == pytest.approx(0.36, abs=0.15)
    season = likeness.invoice_season(months, "output", **window)["log_amount"]
    assert season.arg_min() == 1
    assert season.arg_max() == 11
