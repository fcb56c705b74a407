"""Statistics of an item over a window of months: their names in expressions, and their kernels.

An indicator's expression names what it needs: `total("sales", 12)` is the polars column that the
grid fills with the sum of item `sales` over months 1 to 12 before the month of `as_of`. The kernels
below fill those columns from arrays of shape (months, firms), newest month first, NaN where nothing
is known. Real numbers are added with `accumulate`, in the order of months, never with numpy's `sum`:
that one chooses the order of additions by the shape of the array, and a firm computed alone would
then differ in the last bit from the same firm among thousands. Counts and extremes do not care.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_POINTS_FOR_SPREAD = 6
"""Fewer observed months than this say nothing about volatility."""

HALF_LIFE_MONTHS = 12
"""How fast the past fades in recency-weighted habits of paying.

Source: RiskMetrics (1996), exponential weighting; the half-life is a design choice.
"""

IDLE_SHARE_OF_PEAK = 0.05
"""A month below this share of the window's peak is idle: standby load, not production.

Source: design choice after the idle criterion of Zhejiang's energy loans (电E贷).
"""


@dataclass(frozen=True)
class Window:
    """One statistic of one item over months `first` to `last` before the month of `as_of`."""

    item: str
    statistic: str
    first: int
    last: int

    @property
    def column(self) -> str:
        """Name the column that holds it in the frame the expressions see."""
        return f"{self.item}@{self.statistic}:{self.first:02d}-{self.last:02d}"

    @classmethod
    def parse(cls, column: str) -> Window | None:
        """Read a column name back; None when it is not a window's."""
        item, at, rest = column.partition("@")
        if not at:
            return None
        statistic, _, months = rest.partition(":")
        first, _, last = months.partition("-")
        return cls(item, statistic, int(first), int(last))


def _column(statistic: str, item: str, first: int, last: int | None) -> pl.Expr:
    begin, end = (1, first) if last is None else (first, last)
    return pl.col(Window(item, statistic, begin, end).column)


def total(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Sum of the known months; `total(item, 12)` means months 1 to 12."""
    return _column("total", item, first, last)


def mean(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Mean of the known months."""
    return _column("mean", item, first, last)


def monthly(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Mean over the months the record reaches; a silent month inside the record counts as zero."""
    return _column("monthly", item, first, last)


def faded(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Sum of the known months, each month weighing half as much as the one HALF_LIFE_MONTHS later."""
    return _column("faded", item, first, last)


def faded_mean(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Mean of the known months with the weights of `faded`."""
    return _column("faded_mean", item, first, last)


def known(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Count the known months; missing, not zero, when there is none."""
    return _column("known", item, first, last)


def positive(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Count the known months with a value above zero."""
    return _column("positive", item, first, last)


def peak(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Largest known month."""
    return _column("peak", item, first, last)


def trough(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Smallest known month."""
    return _column("trough", item, first, last)


def latest(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Value of the newest known month."""
    return _column("latest", item, first, last)


def volatility(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Coefficient of variation around a straight line: residual deviation over the mean."""
    return _column("volatility", item, first, last)


def newest_positive(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Months back to the newest month above zero; the window's length plus one when there is none."""
    return _column("newest_positive", item, first, last)


def oldest(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Months back to the oldest known month: how far the record reaches inside the window."""
    return _column("oldest", item, first, last)


def longest_gap(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Longest run of months without a value above zero, since the oldest known month."""
    return _column("longest_gap", item, first, last)


def idle(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Count the known months below IDLE_SHARE_OF_PEAK of the window's peak."""
    return _column("idle", item, first, last)


def season(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Correlation of the window's months with the same months a year earlier."""
    return _column("season", item, first, last)


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


def _oldest(months: Months, first: int, last: int) -> Array:
    seen = months.seen[first - 1 : last]
    back = len(seen) - seen[::-1].argmax(axis=0).astype(np.float64)
    return np.where(months.known(first, last) > 0, back, np.nan)


def _longest_gap(months: Months, first: int, last: int) -> Array:
    x, seen = months.x[first - 1 : last], months.seen[first - 1 : last]
    run, worst = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    started = np.zeros(x.shape[1], dtype=bool)
    for active, ok in zip((x > 0)[::-1], seen[::-1], strict=True):
        started |= ok
        run += started
        run *= ~active
        np.maximum(worst, run, out=worst)
    return np.where(started, worst, np.nan)


def _monthly(months: Months, first: int, last: int) -> Array:
    return _total(months, first, last) / _oldest(months, first, last)


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
    "monthly": _monthly,
    "faded": _faded,
    "faded_mean": _faded_mean,
    "known": _known,
    "positive": _positive,
    "peak": _peak,
    "trough": _trough,
    "latest": _latest,
    "volatility": _volatility,
    "newest_positive": _newest_positive,
    "oldest": _oldest,
    "longest_gap": _longest_gap,
    "idle": _idle,
    "season": _season,
}
"""Statistic -> kernel: (months, first, last) -> array of shape (firms,)."""
