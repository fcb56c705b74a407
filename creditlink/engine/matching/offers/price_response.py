"""How firms respond to a price: the share that goes elsewhere at a yearly rate, and the rate that brings a lender most.

A lender measures such a curve; the file has the layout `annual_rate, churn_A, churn_B, churn_C`, the groups being those
of the best, the middle and the other grades. Pure.

Source: Phillips (2018), Pricing Credit Products, chapter 4: expected profit = take-up × (rate − break-even rate).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
        return np.asarray(np.interp(rate_bps, *self._points), dtype=np.float64)

    @cached_property
    def _points(self) -> tuple[Floats, Floats]:
        return np.array(self.rates_bps, np.float64), np.array(self.churn, np.float64)

    @cached_property
    def _segments(self) -> tuple[tuple[float, float, float, float], ...]:
        """The pieces of the curve: each with its ends, the churn where it begins, and how fast that grows."""
        found = []
        for left, right in ((-np.inf, self.rates_bps[0]), *pairwise(self.rates_bps), (self.rates_bps[-1], np.inf)):
            start, end = np.interp([left, right], *self._points)
            slope = (end - start) / (right - left) if np.isfinite(right - left) else 0.0
            found.append((left, right, start, slope))
        return tuple(found)

    def best_rate_bps(self, break_even_bps: Floats, low_bps: Floats, high_bps: Floats) -> Floats:
        """Return the rate within each range that maximises (1 − churn) × (rate − break-even); arrays of one shape.

        Between two points of the curve that is a parabola, so its top is exact. Beyond the last point nothing was
        measured, so nothing beyond it is suggested, unless the whole range is there: then its lowest.
        """
        high_bps = np.maximum(low_bps, np.minimum(high_bps, self.rates_bps[-1]))
        rates = np.empty((2 * len(self._segments), *low_bps.shape))
        allowed = np.empty(rates.shape, bool)
        for place, (left, right, start, slope) in enumerate(self._segments):
            low, high = np.maximum(low_bps, left), np.minimum(high_bps, right)
            inside = high if slope < _FLAT else ((1 - start) / slope + left + break_even_bps) / 2
            rates[2 * place] = np.minimum(np.maximum(inside, low), np.maximum(low, high))
            rates[2 * place + 1] = high
            allowed[2 * place : 2 * place + 2] = low <= high
        gain = (1 - self.churn_at(rates)) * (rates - break_even_bps)
        gain = np.where(allowed & (gain > -np.inf), gain, -np.inf)  # NaN is no gain
        chosen = gain.argmax(axis=0)[None]  # of equal ones the first
        best = np.take_along_axis(rates, chosen, axis=0)[0]
        return np.where(np.take_along_axis(gain, chosen, axis=0)[0] > -np.inf, best, low_bps)
