"""How firms respond to a price: the share that goes elsewhere at a yearly rate, and the rate that brings a lender most.

A lender measures such a curve; the file has the layout `annual_rate, churn_A, churn_B, churn_C`, the groups being those
of the best, the middle and the other grades. Pure but for reading the file.

Source: Phillips (2018), Pricing Credit Products, chapter 4: expected profit = take-up × (rate − break-even rate).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from creditlink import csvfile
from creditlink.textfile import TextFile

Floats = NDArray[np.float64]

GROUPS = ("A", "B", "C")
GROUP_OF = {"A+": "A", "A": "A", "B": "B", "C": "C", "D": "C", "E": "C"}
"""Grade -> group of the curve."""

_COLUMNS = ("annual_rate", *(f"churn_{group}" for group in GROUPS))
_LEAST_POINTS = 3
_FLAT = 1e-12  # churn a basis point: less is none


class PriceResponseInvalid(ValueError):
    """A curve's file is wrong; the message names line, column and value."""


@dataclass(frozen=True)
class Response:
    """One group's curve: at each yearly rate, in basis points, the share of firms that goes elsewhere."""

    rates_bps: tuple[float, ...]  # ascending
    churn: tuple[float, ...]  # never falling

    def churn_at(self, rate_bps: Floats | float) -> Floats:
        """Return the share that goes elsewhere, straight between the points and flat beyond them."""
        return np.asarray(np.interp(rate_bps, self.rates_bps, self.churn), dtype=np.float64)

    def best_rate_bps(self, break_even_bps: Floats, low_bps: Floats, high_bps: Floats) -> Floats:
        """Return the rate within each range that maximises (1 − churn) × (rate − break-even); arrays of one shape.

        Between two points of the curve that is a parabola, so its top is exact. Beyond the last point nothing was
        measured, so nothing beyond it is suggested, unless the whole range lies there: then its lowest.
        """
        high_bps = np.maximum(low_bps, np.minimum(high_bps, self.rates_bps[-1]))
        best = low_bps.copy()
        most = np.full(best.shape, -np.inf)
        ends = ((-np.inf, self.rates_bps[0]), *pairwise(self.rates_bps), (self.rates_bps[-1], np.inf))
        for left, right in ends:
            low, high = np.maximum(low_bps, left), np.minimum(high_bps, right)
            flat = not np.isfinite(right - left)
            start, end = np.interp([left, right], self.rates_bps, self.churn)
            slope = 0.0 if flat else (end - start) / (right - left)
            inside = high if slope < _FLAT else ((1 - start) / slope + left + break_even_bps) / 2
            for rate in (np.clip(inside, low, np.maximum(low, high)), high):
                gain = (1 - self.churn_at(rate)) * (rate - break_even_bps)
                better = (low <= high) & (gain > most)
                best, most = np.where(better, rate, best), np.where(better, gain, most)
        return best


def parse(file: TextFile, *, source: str) -> Mapping[str, Response]:
    """Return each group's curve from a CSV file; `source` names it in messages.

    Shares that were measured a little lower at a higher rate are levelled: nobody comes back for a higher price.

    Raises
    ------
    PriceResponseInvalid
        A column is missing, a line cannot be read, a value is no number or out of range, rates do not ascend, or
        there are too few lines.
    """
    points: list[tuple[float, ...]] = []
    try:
        for row in csvfile.rows(file, known=None, needed=_COLUMNS):
            if isinstance(row, csvfile.WrongRow):
                raise PriceResponseInvalid(f"{source}, line {row.line}: {row.field} {row.value!r}: {row.problem}")
            point = tuple(_share(source, row.line, name, row.values[name]) for name in _COLUMNS)
            if points and point[0] <= points[-1][0]:
                rate = row.values["annual_rate"]
                raise PriceResponseInvalid(f"{source}, line {row.line}: annual_rate {rate!r}: rates must ascend")
            points.append(point)
    except csvfile.HeaderInvalid as error:
        said = f"column {error.lacks} is missing" if error.lacks else str(error)
        raise PriceResponseInvalid(f"{source}: {said}; wanted {', '.join(_COLUMNS)}") from None
    if len(points) < _LEAST_POINTS:
        raise PriceResponseInvalid(f"{source}: {len(points)} rates, at least {_LEAST_POINTS} are needed")
    table = np.array(points)
    rates = tuple((table[:, 0] * 10_000).round(6).tolist())
    return {
        group: Response(rates, tuple(np.maximum.accumulate(table[:, k]).tolist()))
        for k, group in enumerate(GROUPS, start=1)
    }


def _share(source: str, line: int, name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise PriceResponseInvalid(f"{source}, line {line}: {name} {value!r}: must be a number") from None
    if not 0 <= number <= 1:
        raise PriceResponseInvalid(f"{source}, line {line}: {name} {value!r}: must lie between 0 and 1")
    return number
