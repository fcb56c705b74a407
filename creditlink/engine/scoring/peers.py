"""A firm among its peers: firms of its industry and size, as they were when the model was trained.

The tables are part of the model folder. Nothing in them is from fewer than 20 firms, and nothing is finer than
a tenth of them rounded to three digits: one firm's books cannot be read from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

ALL_PEERS = "*"

LEAST_FIRMS = 20
"""Fewest firms with a known value in a comparison. Source: domain rule on peer comparison."""

TENTHS = tuple(k / 10 for k in range(1, 10))
"""The quantiles stored of each indicator."""

SIZES = ("micro", "small", "medium", "large")
_SALES_BOUNDS_FEN = (3_000_000_00.0, 20_000_000_00.0, 400_000_000_00.0)
HEAD_BOUNDS = (20.0, 300.0, 1000.0)


def size_of(sales_12_fen: float | None, headcount: float | None) -> str | None:
    """Return the size of a firm from its sales of a year, else from its staff; None where neither is known.

    Source: 统计上大中小微型企业划分办法 (National Bureau of Statistics, 2017), bounds of industry for
    operating income and persons employed.
    """
    for value, bounds in ((sales_12_fen, _SALES_BOUNDS_FEN), (headcount, HEAD_BOUNDS)):
        if value is not None and np.isfinite(value):
            return SIZES[int(np.searchsorted(bounds, value, side="right"))]
    return None


def cells(industry: str | None, size: str | None) -> tuple[str, ...]:
    """Return the keys of a firm's peers, the nearest first: `C/small`, `C`, `*`.

    Parameters
    ----------
    industry : GB/T 4754 code that begins with the section letter (`C26`); None if unknown
    """
    section = industry[0] if industry else None
    keys = ((f"{section}/{size}",) if section and size else ()) + ((section,) if section else ())
    return (*keys, ALL_PEERS)


@dataclass(frozen=True)
class Comparison:
    """A value compared with its peers'.

    Attributes
    ----------
    peers
        `C/small` (industry section and size), `C`, or `*` for all firms.
    percentile
        Share of peers at or below the value, whole per cent, by straight lines between tenths; 5 and 95
        are the lowest and the highest tenth.
    firms
        How many peers are in the comparison, rounded down to tens; at least 20.
    """

    peers: str
    median: float
    relation: Literal["below", "equal", "above"]
    percentile: int
    firms: int


@dataclass(frozen=True)
class PeerTable:
    """Cell -> indicator -> (firms, the nine tenths)."""

    rows: Mapping[str, Mapping[str, tuple[int, tuple[float, ...]]]] = field(default_factory=dict)

    def compare(self, industry: str | None, size: str | None, name: str, value: float) -> Comparison | None:
        """Return how `value` of indicator `name` compares with the nearest peers of which there are enough."""
        for key in cells(industry, size):
            row = self.rows.get(key, {}).get(name)
            if row is not None:
                firms, tenths = row
                median = tenths[4]
                relation: Literal["below", "equal", "above"] = (
                    "below" if value < median else "above" if value > median else "equal"
                )
                return Comparison(key, median, relation, percentile_of(tenths, value), firms)
        return None

    def tenths(self, industry: str | None, size: str | None, name: str) -> tuple[float, ...] | None:
        """Return the nine tenths of the nearest peers of which there are enough; None without any."""
        rows = (self.rows.get(key, {}).get(name) for key in cells(industry, size))
        return next((row[1] for row in rows if row is not None), None)

    def medians(self) -> dict[str, float]:
        """Return the median of each indicator over all firms."""
        return {name: tenths[4] for name, (_, tenths) in self.rows.get(ALL_PEERS, {}).items()}

    def best(self, industry: str | None, size: str | None, name: str, direction: int) -> float | None:
        """Return where the best tenth of the peers begins, given which way is riskier (`direction` ±1)."""
        tenths = self.tenths(industry, size, name)
        return None if tenths is None else tenths[0 if direction > 0 else -1]

    def to_json(self) -> dict[str, object]:
        """Return the members of peers.json."""
        return {
            "least_firms": LEAST_FIRMS,
            "tenths": list(TENTHS),
            "rows": {
                cell: {name: [firms, *tenths] for name, (firms, tenths) in sorted(row.items())}
                for cell, row in sorted(self.rows.items())
            },
        }

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> PeerTable:
        """Read peers.json.

        Raises
        ------
        ValueError
            A row has not nine ascending tenths, or is from too few firms.
        """
        rows: dict[str, dict[str, tuple[int, tuple[float, ...]]]] = {}
        for cell, row in members["rows"].items():
            rows[cell] = {}
            for name, (firms, *tenths) in row.items():
                if len(tenths) != len(TENTHS) or list(tenths) != sorted(tenths):
                    raise ValueError(f"peers {cell} {name}: nine ascending tenths are expected, got {tenths!r}")
                if firms < LEAST_FIRMS:
                    raise ValueError(f"peers {cell} {name}: from {firms} firms, at least {LEAST_FIRMS} are needed")
                rows[cell][name] = (int(firms), tuple(map(float, tenths)))
        return cls(rows)


def percentile_of(tenths: Sequence[float], value: float) -> int:
    """Return the percentile of `value`, whole per cent; among equal tenths, the middle."""
    if value < tenths[0]:
        return 5
    if value > tenths[-1]:
        return 95
    below = float(np.interp(value, tenths, TENTHS))
    equal = [share for share, tenth in zip(TENTHS, tenths, strict=True) if tenth == value]
    return round(100 * (sum(equal) / len(equal) if equal else below))
