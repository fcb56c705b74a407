"""The reference table: what is ordinary in an industry, frozen at training time.

Median and median absolute deviation of a few logarithms (sales per kWh, per head, …) and the
smoothed default rate, per GB/T 4754 division where it has firms enough, per section for the others. Training computes
it, the model folder keeps it, and
serving and screening read the same file: a z-score never depends on who else is in the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

DEFAULT_SECTION = "*"
"""The row for an industry that is not in the table."""

SECTION, DIVISION = 1, 3
"""Characters of a GB/T 4754 code that name its section (`C`) and its division (`C30`)."""

MIN_FIRMS = 20
"""Divisions with fewer firms take their section's row, and sections the default row; nothing is published from fewer.

Source: domain rule, peer comparison never from fewer than 20 firms.
"""

RATE_WEIGHT = 200.0
"""Firms' worth of the overall rate mixed into a section's default rate, and of the section's into a division's.

Source: Micci-Barreca (2001), smoothing of high-cardinality rates.
"""

MAD_FLOOR = 0.05
"""Smallest deviation used, in log units, so that a uniform industry does not turn 1 % into an alarm."""


@dataclass(frozen=True)
class Reference:
    """Per industry: (median, MAD) of each value, and the default rate.

    A firm reads the row of its division, without one that of its section, without both the default row: a table of
    sections alone reads as it always did.
    """

    spread: Mapping[str, Mapping[str, tuple[float, float]]]  # value -> division or section -> (median, MAD)
    default_rate: Mapping[str, float]  # division or section -> rate; empty when outcomes are not known

    def columns(self, industry: pl.Series) -> dict[str, NDArray[np.float64]]:
        """Return the reference columns for firms with these industries, each of shape (len(industry),)."""
        divisions = industry.str.slice(0, DIVISION).fill_null(DEFAULT_SECTION)
        codes = divisions.unique().to_list()
        places = list(range(len(codes)))
        which = divisions.replace_strict(codes, places, return_dtype=pl.Int64).cast(pl.Int64).to_numpy()
        out: dict[str, NDArray[np.float64]] = {}
        for name, table in self.spread.items():
            pairs = [_row(table, code) for code in codes]
            out[f"reference:{name}:median"] = np.array([p[0] for p in pairs])[which]
            out[f"reference:{name}:mad"] = np.maximum([p[1] for p in pairs], MAD_FLOOR)[which]
        if self.default_rate:
            rates = [_row(self.default_rate, code) for code in codes]
            out["reference:default_rate"] = np.array(rates)[which]
        return out

    def to_json(self) -> dict[str, object]:
        """Return the members of reference.json."""
        return {
            "spread": {n: {s: list(p) for s, p in sorted(t.items())} for n, t in self.spread.items()},
            "default_rate": dict(sorted(self.default_rate.items())),
        }

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Reference:
        """Read reference.json.

        Raises
        ------
        ValueError
            A member is missing, not a number, or lacks the default row.
        """
        try:
            spread = {
                str(n): {str(s): (float(p[0]), float(p[1])) for s, p in t.items()} for n, t in members["spread"].items()
            }
            rates = {str(s): float(r) for s, r in members["default_rate"].items()}
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"reference.json: {error!r}") from error
        without = [name for name, table in spread.items() if DEFAULT_SECTION not in table]
        if rates and DEFAULT_SECTION not in rates:
            without.append("default_rate")
        if without:
            raise ValueError(f"reference.json: {without[0]} has no default row {DEFAULT_SECTION!r}")
        return cls(spread, rates)


def fit_reference(industry: pl.Series, values: pl.DataFrame, is_bad: pl.Series | None = None) -> Reference:
    """Measure a reference table on training firms.

    Parameters
    ----------
    industry : String of shape (n,), GB/T 4754 codes
    values : Float64 columns of shape (n,), the logarithms of `catalogue.REFERENCE_VALUES`, null where missing
    is_bad : 0 or 1 of shape (n,); without it the table has no default rates
    """
    frame = values.with_columns(
        industry.str.slice(0, SECTION).fill_null(DEFAULT_SECTION).alias("section"),
        industry.str.slice(0, DIVISION).fill_null(DEFAULT_SECTION).alias("division"),
    )
    spread: dict[str, dict[str, tuple[float, float]]] = {}
    for name in values.columns:
        known = frame.select("section", "division", pl.col(name).alias("x")).drop_nulls()
        table = {DEFAULT_SECTION: _median_and_mad(known["x"])} if known.height else {DEFAULT_SECTION: (0.0, 1.0)}
        for level in ("section", "division"):
            for (code,), rows in known.group_by(level, maintain_order=True):
                if rows.height >= MIN_FIRMS:
                    table[str(code)] = _median_and_mad(rows["x"])
        spread[name] = table
    rates: dict[str, float] = {}
    if is_bad is not None and len(is_bad):
        overall = float(is_bad.cast(pl.Float64).sum()) / len(is_bad)
        rates[DEFAULT_SECTION] = overall
        outcomes = frame.with_columns(is_bad.alias("is_bad"))
        for level in ("section", "division"):
            for (code,), rows in outcomes.group_by(level, maintain_order=True):
                if rows.height >= MIN_FIRMS and str(code) not in rates:
                    wider = rates.get(str(code)[:SECTION], overall)
                    rates[str(code)] = (float(rows["is_bad"].sum()) + RATE_WEIGHT * wider) / (rows.height + RATE_WEIGHT)
    return Reference(spread, rates)


Row = TypeVar("Row")


def _row(table: Mapping[str, Row], code: str) -> Row:
    """Return the row of a division, else of its section, else the default row."""
    return table.get(code, table.get(code[:SECTION], table[DEFAULT_SECTION]))


def _median_and_mad(x: pl.Series) -> tuple[float, float]:
    values = x.to_numpy()
    median = float(np.median(values))
    return median, float(np.median(np.abs(values - median)))
