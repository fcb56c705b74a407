"""The statistics of windows written plainly in numpy: what the compiled ones must equal to the last bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.features.months.statistics import HALF_LIFE_MONTHS, IDLE_SHARE_OF_PEAK, MIN_POINTS_FOR_SPREAD

Array = NDArray[np.float64]
_log = np.vectorize(math.log, otypes=[np.float64])


class Months:
    """One item's months: array of shape (months, firms), newest first, with what its windows share."""

    def __init__(self, x: Array) -> None:
        self.x = x

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Where a value is known."""
        return ~np.isnan(self.x)

    @cached_property
    def filled(self) -> Array:
        """The values, 0 where nothing is known."""
        return np.where(self.seen, self.x, 0.0)

    @cached_property
    def running(self) -> Array:
        """Sums over months 1 to k, added in the order of months."""
        sums: Array = np.add.accumulate(self.filled, axis=0)
        return sums

    @cached_property
    def running_known(self) -> Array:
        """Counts of known months over months 1 to k."""
        counts: Array = np.add.accumulate(self.seen, axis=0, dtype=np.float64)
        return counts

    def known(self, first: int, last: int) -> Array:
        """Return the number of known months, 0 when none."""
        count: Array = self.running_known[last - 1]
        return count if first == 1 else count - self.running_known[first - 2]


def _sum(x: Array) -> Array:
    """Sum over months in their order: `accumulate` is sequential for every shape, `sum` is not."""
    total: Array = np.add.accumulate(x, axis=0)[-1]
    return total


def _faded(months: Months, first: int, last: int) -> Array:
    weighted = _sum(months.filled[first - 1 : last] * _fading(first, last))
    return np.where(months.known(first, last) > 0, weighted, np.nan)


def _faded_mean(months: Months, first: int, last: int) -> Array:
    weight = _sum(months.seen[first - 1 : last] * _fading(first, last))
    return _faded(months, first, last) / np.where(weight > 0, weight, np.nan)


def _fading(first: int, last: int) -> Array:
    weights: Array = 0.5 ** (np.arange(first - 1, last) / HALF_LIFE_MONTHS)
    return weights[:, None]


def _known(months: Months, first: int, last: int) -> Array:
    count = months.known(first, last)
    return np.where(count > 0, count, np.nan)


def _total(months: Months, first: int, last: int) -> Array:
    sums = months.running[last - 1] if first == 1 else _sum(months.filled[first - 1 : last])
    return np.where(months.known(first, last) > 0, sums, np.nan)


def _mean(months: Months, first: int, last: int) -> Array:
    return _total(months, first, last) / _known(months, first, last)


def _positive(months: Months, first: int, last: int) -> Array:
    count = np.add.reduce(months.x[first - 1 : last] > 0, axis=0, dtype=np.float64)
    return np.where(months.known(first, last) > 0, count, np.nan)


def _peak(months: Months, first: int, last: int) -> Array:
    best: Array = np.fmax.reduce(months.x[first - 1 : last], axis=0)
    return best


def _trough(months: Months, first: int, last: int) -> Array:
    least: Array = np.fmin.reduce(months.x[first - 1 : last], axis=0)
    return least


def _latest(months: Months, first: int, last: int) -> Array:
    value: Array = months.x[last - 1].copy()
    for k in range(last - 2, first - 2, -1):
        np.copyto(value, months.x[k], where=months.seen[k])
    return value


def _volatility(months: Months, first: int, last: int) -> Array:
    x, seen = months.filled[first - 1 : last], months.seen[first - 1 : last]
    count = months.known(first, last)
    points = np.maximum(count, 1.0)
    t = np.arange(len(x), dtype=np.float64)[:, None]
    mean_x = _sum(x) / points
    away_t = (t - _sum(t * seen) / points) * seen
    away_x = (x - mean_x) * seen
    s_tt = _sum(away_t * away_t)
    slope = _sum(away_t * away_x) / np.where(s_tt > 0, s_tt, 1.0)
    residual = away_x - slope * away_t
    variance = _sum(residual * residual) / np.maximum(count - 2.0, 1.0)
    enough = (count >= MIN_POINTS_FOR_SPREAD) & (mean_x > 0)
    return np.where(enough, np.sqrt(variance) / np.where(mean_x > 0, mean_x, 1.0), np.nan)


def _newest_positive(months: Months, first: int, last: int) -> Array:
    active = months.x[first - 1 : last] > 0
    back = np.where(active.any(axis=0), active.argmax(axis=0) + 1.0, len(active) + 1.0)
    return np.where(months.known(first, last) > 0, back, np.nan)


def _longest_gap(months: Months, first: int, last: int) -> Array:
    x, seen = months.x[first - 1 : last], months.seen[first - 1 : last]
    run, worst = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for active, ok in zip((x > 0)[::-1], seen[::-1], strict=True):
        run += ok
        run *= ~active
        np.maximum(worst, run, out=worst)
    return np.where(seen.any(axis=0), worst, np.nan)


def _course(months: Months, first: int, last: int) -> tuple[Array, Array]:
    x = months.x[first - 1 : last]
    seen = x > 0
    # One by one: numpy's logarithm of many at once differs in the last bit from that of one, which compiled loops call.
    logs = np.where(seen, _log(np.where(seen, x, 1.0)), 0.0)
    count = _sum(seen.astype(np.float64))
    points = np.maximum(count, 1.0)
    t = np.arange(len(x), dtype=np.float64)[:, None]
    away_t = (t - _sum(t * seen) / points) * seen
    away_x = (logs - _sum(logs) / points) * seen
    s_tt, s_tx = _sum(away_t * away_t), _sum(away_t * away_x)
    safe = np.where(s_tt > 0, s_tt, 1.0)
    rest = np.maximum(_sum(away_x * away_x) - s_tx * s_tx / safe, 0.0)
    enough = (count >= MIN_POINTS_FOR_SPREAD) & (s_tt > 0)
    noise = np.sqrt(rest / np.maximum(count - 2.0, 1.0))
    return np.where(enough, -12.0 * s_tx / safe, np.nan), np.where(enough, noise, np.nan)


def _trend(months: Months, first: int, last: int) -> Array:
    return _course(months, first, last)[0]


def _noise(months: Months, first: int, last: int) -> Array:
    return _course(months, first, last)[1]


def _idle(months: Months, first: int, last: int) -> Array:
    x = months.x[first - 1 : last]
    # A month of nothing is idle also where the whole window is nothing.
    count = np.add.reduce((x < _peak(months, first, last) * IDLE_SHARE_OF_PEAK) | (x == 0), axis=0, dtype=np.float64)
    return np.where(months.known(first, last) > 0, count, np.nan)


def _season(months: Months, first: int, last: int) -> Array:
    half = (last - first + 1) // 2
    now, before = slice(first - 1, first - 1 + half), slice(first - 1 + half, last)
    both = months.seen[now] & months.seen[before]
    left, right = months.filled[now] * both, months.filled[before] * both
    count = np.add.reduce(both, axis=0, dtype=np.float64)
    points = np.maximum(count, 1.0)
    left, right = (left - _sum(left) / points) * both, (right - _sum(right) / points) * both
    scale = np.sqrt(_sum(left * left) * _sum(right * right))
    enough = (count >= MIN_POINTS_FOR_SPREAD) & (scale > 0)
    return np.where(enough, _sum(left * right) / np.where(scale > 0, scale, 1.0), np.nan)


KERNELS: dict[str, Callable[[Months, int, int], Array]] = {
    "total": _total,
    "mean": _mean,
    "faded": _faded,
    "faded_mean": _faded_mean,
    "known": _known,
    "positive": _positive,
    "peak": _peak,
    "trough": _trough,
    "latest": _latest,
    "volatility": _volatility,
    "newest_positive": _newest_positive,
    "longest_gap": _longest_gap,
    "idle": _idle,
    "season": _season,
    "trend": _trend,
    "noise": _noise,
}
"""Statistic -> kernel: (months, first, last) -> array of shape (firms,)."""
