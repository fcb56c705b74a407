"""How firms respond to a price: the share that goes elsewhere at a yearly rate, and the rate that brings a lender most.

A lender measures such a curve; the file has the layout `annual_rate, churn_A, churn_B, churn_C`, the groups being those
of the best, the middle and the other grades. Pure.

Source: Phillips (2018), Pricing Credit Products, chapter 4: expected profit = take-up × (rate − break-even rate).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GROUPS = ("A", "B", "C")
GROUP_OF = {"A+": "A", "A": "A", "B": "B", "C": "C", "D": "C", "E": "C"}
"""Grade -> group of the curve."""

_FLAT = 1e-12  # churn a basis point: less is none


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
        measured, so nothing beyond it is suggested, unless the whole range is there: then its lowest.
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
