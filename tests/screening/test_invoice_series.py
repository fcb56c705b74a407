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

from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.features.compute import compute
from creditlink.records.files.invoice_folder import FIRMS_FILE, INVOICE_FILES, read_invoice_folder
from creditlink.screening import invoices as screening

pytestmark = pytest.mark.pure

AS_OF = date(2020, 1, 15)


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
    logs = [(back, math.log(v)) for back, v in sales.items() if back <= 24 and v > 0]
    trend = noise = None
    if len(logs) >= 6:
        t, x = np.array([a for a, _ in logs], float), np.array([b for _, b in logs])
        slope, level = np.polyfit(t, x, 1)
        rest = x - slope * t - level
        trend, noise = -12 * slope, math.sqrt(float(rest @ rest) / (len(x) - 2))
    peak = max(v for back, v in sales.items() if back <= 24)
    return {
        "sales_3_fen": 3 * (mean(1, 3) or 0.0),
        "sales_6_fen": 6 * (mean(1, 6) or 0.0),
        "sales_12_fen": 12 * (mean(1, 12) or 0.0),
        "sales_36_fen": sum(sales.values()),
        "sales_growth_12": growth(12, 12),
        "sales_growth_3": growth(3, 12),
        "sales_momentum": over(mean(1, 3), mean(1, 12)),
        "sales_from_peak": over(mean(1, 3), peak),
        "sales_zero_months_12": float(sum(v <= 0 for v in last12.values())),
        "sales_longest_gap_24": float(worst),
        "sales_active_months_36": float(sum(v > 0 for v in sales.values())),
        "sales_silent_share_36": 1 - sum(v > 0 for v in sales.values()) / oldest,
        "sales_volatility_12": volatility,
        "sales_trend_24": trend,
        "sales_noise_24": noise,
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
    told = months_of(known.filter(pl.col("issued_on") < date(2020, 1, 1)), "output")
    compared = 0
    for place, firm in enumerate(read.firms["firm"]):
        if firm not in told:
            continue
        compared += 1
        found = features.row(place, named=True)
        for name, expected in by_hand(told[firm]).items():
            same = (
                found[name] is None if expected is None else found[name] == pytest.approx(expected, rel=1e-6, abs=1e-6)
            )
            assert same, (firm, name, found[name], expected)
    assert compared >= 50
