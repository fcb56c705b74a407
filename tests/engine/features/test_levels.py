"""By hand: levels and trends of three years, pools weighed by observations, and what an industry's division gives."""

from __future__ import annotations

import math
from datetime import date, timedelta

import polars as pl
import pytest

from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.compute import compute
from creditlink.engine.features.indicator import Pool
from creditlink.engine.features.reference import MIN_FIRMS, RATE_WEIGHT, Reference, fit_reference
from tests.engine.features.builders import AS_OF, declarations, meters, months_back, payroll, registration

pytestmark = pytest.mark.pure

NORMS = Reference(
    {"sales_per_head": {"*": (math.log(12_000_000), 1.0)}, "sales_per_kwh": {"*": (math.log(5000), 1.0)}}, {}
)
"""A head sells 120,000 yuan in twelve months, a kilowatt-hour 50 yuan."""


def of(*, reference: Reference | None = None, **frames: pl.DataFrame) -> dict[str, float | None]:
    frames.setdefault("registration", registration())
    return compute(RecordSet.of(**frames), AS_OF, reference).row(0, named=True)


def late(rows: pl.DataFrame, months: list[date], done: str = "paid_on") -> pl.DataFrame:
    """Pay or file ten days late in these months."""
    day = pl.when(pl.col("period").is_in(months)).then(pl.col("due_on") + timedelta(days=10)).otherwise(pl.col(done))
    return rows.with_columns(day.alias(done))


class TestLevels:
    def test_sales_of_two_years_are_those_and_no_more(self):
        assert of(vat_declarations=declarations([100] * 24 + [7000] * 6))["sales_24_fen"] == 2400
        assert of(vat_declarations=declarations([100] * 5))["sales_24_fen"] == 500

    def test_the_trend_of_three_years_sees_what_that_of_two_does_not(self):
        # Twelve flat months, and before them growth by a tenth a month: oldest last.
        sales = [1_000_000] * 24 + [round(1_000_000 * math.exp(-0.1 * k)) for k in range(1, 13)]
        firm = of(vat_declarations=declarations(sales))
        months = range(36)
        logs = [math.log(s) for s in sales]
        centre, mean = sum(months) / 36, sum(logs) / 36
        slope = sum((m - centre) * (v - mean) for m, v in zip(months, logs, strict=True)) / sum(
            (m - centre) ** 2 for m in months
        )
        rest = [v - mean - slope * (m - centre) for m, v in zip(months, logs, strict=True)]
        assert firm["sales_trend_24"] == pytest.approx(0, abs=1e-12)
        assert firm["sales_trend_36"] == pytest.approx(-12 * slope)
        spread = math.sqrt(sum(r * r for r in rest) / 36)
        assert firm["sales_noise_36"] == pytest.approx(spread, rel=0.06)  # whichever way the two degrees are counted

    def test_headcount_of_three_years(self):
        heads = [20] * 24 + [10] * 12
        firm = of(payroll_months=payroll(heads))
        assert firm["headcount_trend_24"] == pytest.approx(0, abs=1e-12)
        assert firm["headcount_trend_36"] > 0.2


class TestSize:
    def test_each_office_tells_it_as_yuan_a_month(self):
        firm = of(
            reference=NORMS,
            vat_declarations=declarations([30_000_000] * 36),
            payroll_months=payroll([10] * 36),
            meter_months=meters([4000.0] * 36),
        )
        assert firm["size_by_sales"] == pytest.approx(math.log(300_000))
        assert firm["size_by_staff"] == pytest.approx(math.log(100_000))  # ten heads, 10,000 yuan each
        assert firm["size_by_electricity"] == pytest.approx(math.log(200_000))
        mean = (4 * math.log(300_000) + 2 * math.log(100_000) + 2 * math.log(200_000)) / 8
        assert firm["size_across"] == pytest.approx(mean, rel=1e-6)

    def test_it_is_that_of_the_offices_known(self):
        firm = of(reference=NORMS, payroll_months=payroll([10] * 36))
        assert firm["size_across"] == pytest.approx(math.log(100_000), rel=1e-6)
        assert firm["size_by_sales"] is None

    def test_without_the_industry_only_sales_tell_it(self):
        firm = of(vat_declarations=declarations([30_000_000] * 36), payroll_months=payroll([10] * 36))
        assert firm["size_by_staff"] is None
        assert firm["size_across"] == pytest.approx(math.log(300_000), rel=1e-6)

    def test_no_trade_has_no_size(self):
        assert of(vat_declarations=declarations([0] * 36))["size_by_sales"] is None
        assert of(reference=NORMS, payroll_months=payroll([0] * 12))["size_by_staff"] is None


class TestLate:
    def test_three_months_against_the_usual(self):
        february, january, december = months_back(3)
        firm = of(
            payroll_months=late(payroll([10] * 12), [january]),
            meter_months=late(meters([500.0] * 12), [january, december]),
        )
        assert february < AS_OF  # February's are due by now and paid in time
        assert firm["contributions_late_share_3"] == pytest.approx(1 / 3)
        assert firm["bills_late_share_3"] == pytest.approx(2 / 3)
        expected = (3 * 1 / 3 + 5 * 2 / 3) / (3 * 0.075 + 5 * 0.13)
        assert firm["late_against_usual_3"] == pytest.approx(expected, rel=1e-6)

    def test_habits_weigh_by_how_often_an_office_sees_the_firm(self):
        always = months_back(40)
        filed = of(vat_declarations=late(declarations([100] * 36), always, "filed_on"))
        assert filed["late_against_usual_36"] == pytest.approx(1 / 0.05, rel=1e-6)
        both = of(
            vat_declarations=late(declarations([100] * 36), always, "filed_on"), meter_months=meters([500.0] * 36)
        )
        assert both["late_against_usual_36"] == pytest.approx(1 / (0.05 + 5 * 0.13), rel=1e-6)
        assert both["late_habit_across"] == pytest.approx(0.5)

    def test_days_ahead_against_the_usual(self):
        firm = of(vat_declarations=declarations([100] * 24), payroll_months=payroll([10] * 24))
        # Filed three days ahead and contributed four: 3.5 and 4 are usual.
        assert firm["ahead_against_usual_24"] == pytest.approx((1 * 3 + 3 * 4) / (1 * 3.5 + 3 * 4), rel=1e-6)

    def test_nothing_known_is_missing(self):
        firm = of()
        pools = [i.name for i in BY_NAME.values() if i.pool is not None]
        assert len(pools) == 7
        assert [firm[name] for name in pools] == [None] * 7


def test_a_pool_of_equal_parts_is_their_mean():
    assert Pool(("a", "b")).shares() == ((1, 1), (1, 1))
    with pytest.raises(ValueError, match="zip"):
        Pool(("a", "b"), weights=(1.0,)).shares()


class TestDivisions:
    INDUSTRY = pl.Series(["C30"] * 40 + ["C34"] * 40 + ["C99"] * 5 + ["F51"] * 30)
    VALUES = pl.DataFrame({"sales_per_head": [1.0] * 40 + [3.0] * 40 + [9.0] * 5 + [5.0] * 30})
    BAD = pl.Series([1] * 20 + [0] * 60 + [0] * 5 + [0] * 30)

    def table(self) -> Reference:
        return fit_reference(self.INDUSTRY, self.VALUES, self.BAD)

    def test_a_firm_reads_its_division_else_its_section_else_all(self):
        medians = self.table().columns(pl.Series(["C30", "C3071", "C34", "C99", "F51", "F52", "Z", None]))
        expected = [1.0, 1.0, 3.0, 3.0, 5.0, 5.0, 3.0, 3.0]
        assert medians["reference:sales_per_head:median"].tolist() == expected

    def test_a_division_with_few_firms_is_not_told(self):
        table = self.table()
        assert "C99" not in table.default_rate
        assert "C99" not in table.spread["sales_per_head"]
        assert {"C", "C30", "C34", "F", "F51", "*"} == set(table.default_rate)
        assert MIN_FIRMS > 5

    def test_rates_lean_on_the_next_wider_group(self):
        rates = self.table().default_rate
        overall = 20 / 115
        section = (20 + RATE_WEIGHT * overall) / (85 + RATE_WEIGHT)
        assert rates["C"] == pytest.approx(section)
        assert rates["C30"] == pytest.approx((20 + RATE_WEIGHT * section) / (40 + RATE_WEIGHT))
        assert rates["C34"] == pytest.approx(RATE_WEIGHT * section / (40 + RATE_WEIGHT))

    def test_a_table_of_sections_reads_as_it_always_did(self):
        old = Reference({"sales_per_head": {"*": (2.0, 1.0), "C": (1.0, 1.0)}}, {"*": 0.02, "C": 0.03})
        columns = old.columns(pl.Series(["C30", "C34", "F51", None]))
        assert columns["reference:sales_per_head:median"].tolist() == [1.0, 1.0, 2.0, 2.0]
        assert columns["reference:default_rate"].tolist() == [0.03, 0.03, 0.02, 0.02]
