"""The best price of many products at once, against the pieces of the curve tried one after another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from creditlink.engine.matching.offers.price_response import Response

pytestmark = pytest.mark.pure


def piece_by_piece(curve: Response, break_even: float, low_bps: float, high_bps: float) -> float:
    high_bps = max(low_bps, min(high_bps, curve.rates_bps[-1]))
    best, most = low_bps, -np.inf
    for left, right in ((-np.inf, curve.rates_bps[0]), *pairwise(curve.rates_bps), (curve.rates_bps[-1], np.inf)):
        low, high = max(low_bps, left), min(high_bps, right)
        start, end = np.interp([left, right], curve.rates_bps, curve.churn)
        slope = (end - start) / (right - left) if np.isfinite(right - left) else 0.0
        top = high if slope < 1e-12 else ((1 - start) / slope + left + break_even) / 2
        for rate in (min(max(top, low), max(low, high)), high):
            gain = (1 - float(curve.churn_at(rate))) * (rate - break_even)
            if low <= high and gain > most:
                best, most = rate, gain
    return best


@pytest.mark.parametrize("points", [1, 2, 7, 19])
def test_all_pieces_at_once_give_the_same_bits(points):
    rng = np.random.default_rng(points)
    churn = np.minimum(np.cumsum(rng.choice([0.0, 0.0, 0.02, 0.07], points)), 1.0)
    curve = Response(tuple(200.0 + np.cumsum(rng.integers(1, 90, points))), tuple(churn))
    low = rng.integers(100, 2500, 300).astype(float)
    high, break_even = low + rng.integers(0, 900, 300), rng.random(300) * 1200
    break_even[::50] = np.nan  # of a firm without a PD: no rate brings anything, the lowest stays
    expected = [piece_by_piece(curve, *one) for one in zip(break_even, low, high, strict=True)]
    np.testing.assert_array_equal(curve.best_rate_bps(break_even, low, high), expected)
