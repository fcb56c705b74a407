"""Time-series indicators of firms with invoices only, recomputed plainly invoice by invoice.

Made-up firms always; with REAL_INVOICES=<folder of the same layout> those real firms too.
"""

from __future__ import annotations

import math
import os
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from creditlink.engine.explanation.sources import sources_of
from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.compute import compute
from creditlink.records.files.invoice_folder import FIRMS_FILE, INVOICE_FILES, read_invoice_folder
from creditlink.screening import invoices as screening

pytestmark = pytest.mark.pure

AS_OF = date(2020, 1, 15)
SERIES = {
    i.name
    for i in CATALOGUE
    if i.categories == ("tax",) and any("invoice_months" in source for source in sources_of(i.name))
    and all("invoice_months" in source for source in sources_of(i.name))
}  # fmt: skip
"""Every indicator that invoices alone give."""


def made_up(folder: Path) -> Path:
    """Write sixty firms: some silent for months, some with one sale, some that take nearly all back."""
    rng = np.random.default_rng(15)
    rows: dict[str, list[dict[str, object]]] = {direction: [] for direction in INVOICE_FILES}
    names = [f"E{number}" for number in range(60)]
    for number, name in enumerate(names):
        for direction, kept in rows.items():
            for k in range(int(rng.integers(1, 40))):
                if rng.random() < (0.7 if number % 3 == 0 else 0.1):
                    continue
                year, month = divmod(2019 * 12 + 11 - k, 12)
                for _ in range(int(rng.integers(1, 4))):
                    amount = float(np.round(rng.lognormal(9, 1) * (-0.5 if rng.random() < 0.08 else 1), 2))
                    kept.append(
                        {
                            "firm": name,
                            "invoice_no": f"{direction}{len(kept)}",
                            "date": datetime(year, month + 1, int(rng.integers(1, 28))),  # noqa: DTZ001
                            "counterparty": f"C{int(rng.integers(9))}",
                            "amount": amount,
                            "tax": 0.0,
                            "total": amount,
                            "status": "void" if rng.random() < 0.1 else "valid",
                        }
                    )
    folder.mkdir()
    (folder / FIRMS_FILE).write_text("firm,name\n" + "".join(f"{name},公司{name}\n" for name in names))
    for direction, file in INVOICE_FILES.items():
        pl.DataFrame(rows[direction]).write_parquet(folder / file)
    return folder


def months_of(invoices: pl.DataFrame, direction: str) -> dict[str, dict[int, int]]:
    """Return firm -> months back from AS_OF (1: December) -> fen; months with nothing but void invoices are known."""
    out: dict[str, dict[int, int]] = {}
    for row in invoices.filter(pl.col("direction") == direction).iter_rows(named=True):
        back = (AS_OF.year * 12 + AS_OF.month) - (row["issued_on"].year * 12 + row["issued_on"].month)
        if 1 <= back <= 36:
            months = out.setdefault(row["firm"], {})
            months[back] = months.get(back, 0) + (0 if row["is_void"] else row["amount_fen"])
    return out


Figures = dict[str, float]


def figures_of(invoices: pl.DataFrame, direction: str) -> dict[str, dict[int, Figures]]:
    """Return firm -> months back -> what its invoices say, added up one by one."""
    rows: dict[tuple[str, int], list[tuple[str, int, bool]]] = {}
    for row in invoices.filter(pl.col("direction") == direction).iter_rows(named=True):
        back = (AS_OF.year * 12 + AS_OF.month) - (row["issued_on"].year * 12 + row["issued_on"].month)
        if 1 <= back <= 36:
            of_month = rows.setdefault((row["firm"], back), [])
            of_month.append((row["counterparty"], row["amount_fen"], row["is_void"]))
    out: dict[str, dict[int, Figures]] = {}
    for (firm, back), month in rows.items():
        valid = [(who, fen) for who, fen, void in month if not void]
        by_party: dict[str, int] = {}
        for who, fen in valid:
            if fen > 0:
                by_party[who] = by_party.get(who, 0) + fen
        shares, gross = sorted(by_party.values(), reverse=True), sum(by_party.values())
        out.setdefault(firm, {})[back] = {
            "amount": sum(fen for _, fen in valid),
            "invoices": sum(fen > 0 for _, fen in valid),
            "void": sum(void for *_, void in month),
            "issued": sum(fen != 0 for _, fen in valid) + sum(void for *_, void in month),
            "red": -sum(fen for _, fen in valid if fen < 0),
            "gross": gross,
            "parties": len(by_party),
            "top1": sum(shares[:1]),
            "top5": sum(shares[:5]),
            **({"hhi": sum((share / gross) ** 2 for share in shares)} if shares else {}),
        }
    return out


def of_invoices(sold: dict[int, Figures], bought: dict[int, Figures]) -> dict[str, float | None]:
    """Return the indicators that read invoices alone; amounts are zero in months since the first, others unknown."""

    def known(months: dict[int, Figures], name: str, last: int = 12, *, silent: bool = False) -> dict[int, float]:
        out = {back: figures[name] for back, figures in months.items() if name in figures}
        if silent and out:
            out = {back: out.get(back, 0.0) for back in range(1, max(out) + 1)}
        return {back: value for back, value in out.items() if back <= last}

    def total(months: dict[int, Figures], name: str, last: int = 12, *, silent: bool = False) -> float | None:
        values = known(months, name, last, silent=silent)
        return sum(values.values()) if values else None

    def mean(values: dict[int, float]) -> float | None:
        return sum(values.values()) / len(values) if values else None

    def over(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None or b <= 0 else a / b

    def fading(name: str) -> float | None:
        values = known(sold, name, 36)
        return sum(v * 0.5 ** (back / 12) for back, v in values.items()) if values else None

    sales, costs = total(sold, "amount", silent=True), total(bought, "amount", silent=True)
    spent = known(bought, "amount", 36, silent=True)
    recent, before = ({b: v for b, v in spent.items() if b in months} for months in (range(1, 4), range(13, 16)))
    grown = over(mean(recent), mean(before))
    counted = known(sold, "invoices", 36)
    return {
        "invoiced_12_fen": sales,
        "invoice_active_months_12": None if not known(sold, "invoices") else sum(
            v > 0 for v in known(sold, "invoices").values()
        ),
        "months_since_invoice": None if not counted else min((b for b, v in counted.items() if v > 0), default=37),
        "input_output_ratio_12": over(costs, sales),
        "margin_proxy_12": None if costs is None or sales is None else over(sales - costs, sales),
        "purchases_growth_3": None if grown is None else grown - 1,
        **{f"buyers_{last}": mean(known(sold, "parties", last)) for last in (12, 24, 36)},
        **{f"suppliers_{last}": mean(known(bought, "parties", last)) for last in (12, 24, 36)},
        "buyer_top1_share_12": over(total(sold, "top1"), total(sold, "gross")),
        "buyer_top5_share_12": over(total(sold, "top5"), total(sold, "gross")),
        "supplier_top1_share_12": over(total(bought, "top1"), total(bought, "gross")),
        "buyer_herfindahl_12": mean(known(sold, "hhi")),
        "void_rate_12": over(total(sold, "void"), total(sold, "issued")),
        "red_letter_rate_12": over(total(sold, "red"), total(sold, "gross")),
        "void_habit_36": over(fading("void"), fading("issued")),
        "red_letter_habit_36": over(fading("red"), fading("gross")),
        **{f"invoices_{last}": total(sold, "invoices", last) for last in (24, 36)},
        **{f"purchases_{last}_fen": total(bought, "amount", last, silent=True) for last in (24, 36)},
    }  # fmt: skip


def by_hand(told: dict[int, int]) -> dict[str, float | None]:
    """Return the indicators of one firm's sales; AS_OF is the 15th, so that a silent December is zero."""
    oldest = max(told)
    sales = {back: float(told.get(back, 0)) for back in range(1, oldest + 1)}

    def mean(first: int, last: int) -> float | None:
        within = [v for back, v in sales.items() if first <= back <= last]
        return sum(within) / len(within) if within else None

    def over(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None or b <= 0 else a / b

    def growth(months: int, back: int) -> float | None:
        ratio = over(mean(1, months), mean(back + 1, back + months))
        return None if ratio is None else ratio - 1

    last12 = {back: v for back, v in sales.items() if back <= 12}
    run = worst = 0
    for back in range(min(oldest, 24), 0, -1):
        run = 0 if sales[back] > 0 else run + 1
        worst = max(worst, run)
    volatility = None
    if len(last12) >= 6 and sum(last12.values()) > 0:
        t, x = np.array(list(last12)), np.array(list(last12.values()))
        rest = x - np.polyval(np.polyfit(t, x, 1), t)
        volatility = math.sqrt(float(rest @ rest) / (len(x) - 2)) / x.mean()

    def line(last: int) -> tuple[float | None, float | None]:
        logs = [(back, math.log(v)) for back, v in sales.items() if back <= last and v > 0]
        if len(logs) < 6:
            return None, None
        t, x = np.array([a for a, _ in logs], float), np.array([b for _, b in logs])
        slope, level = np.polyfit(t, x, 1)
        rest = x - slope * t - level
        return -12 * slope, math.sqrt(float(rest @ rest) / (len(x) - 2))

    (trend, noise), (trend_36, noise_36) = line(24), line(36)
    usual = sum(sales.values()) / oldest / 100
    last24 = {back: v for back, v in sales.items() if back <= 24}
    longer = season = None
    if len(last24) >= 6 and sum(last24.values()) > 0:
        t, x = np.array(list(last24)), np.array(list(last24.values()))
        rest = x - np.polyval(np.polyfit(t, x, 1), t)
        longer = math.sqrt(float(rest @ rest) / (len(x) - 2)) / x.mean()
    pairs = [(v, sales[back + 12]) for back, v in last12.items() if back + 12 in sales]
    if len(pairs) >= 6 and all(len(set(side)) > 1 for side in zip(*pairs, strict=True)):
        season = float(np.corrcoef(np.array(pairs).T)[0, 1])
    peak = max(v for back, v in sales.items() if back <= 24)
    return {
        "sales_3_fen": 3 * (mean(1, 3) or 0.0),
        "sales_6_fen": 6 * (mean(1, 6) or 0.0),
        "sales_12_fen": 12 * (mean(1, 12) or 0.0),
        "sales_24_fen": sum(v for back, v in sales.items() if back <= 24),
        "sales_36_fen": sum(sales.values()),
        "sales_growth_12": growth(12, 12),
        "sales_growth_3": growth(3, 12),
        "sales_momentum": over(mean(1, 3), mean(1, 12)),
        "sales_from_peak": over(mean(1, 3), peak),
        "sales_zero_months_12": float(sum(v <= 0 for v in last12.values())),
        "sales_longest_gap_24": float(worst),
        "sales_active_months_24": float(sum(v > 0 for v in last24.values())),
        "sales_active_months_36": float(sum(v > 0 for v in sales.values())),
        "sales_silent_share_36": 1 - sum(v > 0 for v in sales.values()) / oldest,
        "sales_volatility_12": volatility,
        "sales_volatility_24": longer,
        "sales_seasonality_24": season,
        "sales_trough_share_12": over(min(last12.values()), mean(1, 12)),
        "sales_trend_24": trend,
        "sales_noise_24": noise,
        "sales_trend_36": trend_36,
        "sales_noise_36": noise_36,
        "size_by_sales": math.log(usual) if usual > 0 else None,
    }


@pytest.mark.parametrize("source", ["made up", "real"])
def test_every_series_is_what_the_invoices_say(tmp_path, source):
    real = os.environ.get("REAL_INVOICES")
    if source == "real" and not real:
        pytest.skip("REAL_INVOICES names no folder")
    read = read_invoice_folder(made_up(tmp_path / "firms") if source == "made up" else Path(str(real)))
    numbered = read.firms.with_row_index("number").with_columns(pl.col("number").cast(pl.Int32))
    known = read.invoices.filter(pl.col("issued_on") <= AS_OF)
    records = RecordSet.of(
        registration=screening._registration(numbered), invoice_months=screening._months(known, numbered)
    )
    features = compute(records, AS_OF)
    past = known.filter(pl.col("issued_on") < date(2020, 1, 1))
    told, sold, bought = months_of(past, "output"), figures_of(past, "output"), figures_of(past, "input")
    compared = 0
    for place, firm in enumerate(read.firms["firm"]):
        if firm not in told:
            continue
        compared += 1
        found = features.row(place, named=True)
        expectations = by_hand(told[firm]) | of_invoices(sold[firm], bought.get(firm, {}))
        assert expectations.keys() == SERIES
        for name, expected in expectations.items():
            same = (
                found[name] is None if expected is None else found[name] == pytest.approx(expected, rel=1e-6, abs=1e-6)
            )
            assert same, (firm, name, found[name], expected)
    assert compared >= 50
