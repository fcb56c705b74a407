"""The statistics of a window of months, compiled: many firms at a time, each by itself.

`months` has shape (MONTHS, firms), newest month first, NaN where nothing is known. The inner loop of
every statistic runs over firms, so that the compiler takes several firms at once, and each firm's numbers
are added in the order of months: a firm alone has the same bits as the same firm among millions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.compiled import compiled

Floats = NDArray[np.float64]

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


@compiled
def _known(months: Floats, first: int, last: int, out: Floats) -> None:
    out[:] = 0.0
    for m in range(first, last):
        for f in range(out.shape[0]):
            out[f] += 1.0 if months[m, f] == months[m, f] else 0.0


@compiled
def _total(months: Floats, first: int, last: int, out: Floats) -> None:
    for f in range(out.shape[0]):
        out[f] = months[first, f] if months[first, f] == months[first, f] else 0.0
    for m in range(first + 1, last):
        for f in range(out.shape[0]):
            out[f] += months[m, f] if months[m, f] == months[m, f] else 0.0


@compiled
def _faded(months: Floats, weights: Floats, first: int, last: int, out: Floats) -> None:
    for f in range(out.shape[0]):
        out[f] = (months[first, f] if months[first, f] == months[first, f] else 0.0) * weights[first]
    for m in range(first + 1, last):
        for f in range(out.shape[0]):
            out[f] += (months[m, f] if months[m, f] == months[m, f] else 0.0) * weights[m]


@compiled
def _faded_known(months: Floats, weights: Floats, first: int, last: int, out: Floats) -> None:
    for f in range(out.shape[0]):
        out[f] = weights[first] if months[first, f] == months[first, f] else 0.0
    for m in range(first + 1, last):
        for f in range(out.shape[0]):
            out[f] += weights[m] if months[m, f] == months[m, f] else 0.0


@compiled
def _positive(months: Floats, first: int, last: int, out: Floats) -> None:
    out[:] = 0.0
    for m in range(first, last):
        for f in range(out.shape[0]):
            out[f] += 1.0 if months[m, f] > 0.0 else 0.0


@compiled
def _peak(months: Floats, first: int, last: int, out: Floats) -> None:
    out[:] = months[first]
    for m in range(first + 1, last):
        for f in range(out.shape[0]):
            # A value that is not known compares false on both sides.
            x = months[m, f]
            out[f] = out[f] if out[f] >= x else (x if x == x else out[f])


@compiled
def _trough(months: Floats, first: int, last: int, out: Floats) -> None:
    out[:] = months[first]
    for m in range(first + 1, last):
        for f in range(out.shape[0]):
            x = months[m, f]
            out[f] = out[f] if out[f] <= x else (x if x == x else out[f])


@compiled
def _latest(months: Floats, first: int, last: int, out: Floats) -> None:
    out[:] = months[last - 1]
    for m in range(last - 2, first - 1, -1):
        for f in range(out.shape[0]):
            out[f] = months[m, f] if months[m, f] == months[m, f] else out[f]


@compiled
def _newest_positive(months: Floats, first: int, last: int, out: Floats) -> None:
    out[:] = last - first + 1.0
    for m in range(last - 1, first - 1, -1):
        for f in range(out.shape[0]):
            out[f] = m - first + 1.0 if months[m, f] > 0.0 else out[f]


@compiled
def _longest_gap(months: Floats, first: int, last: int, room: Floats, out: Floats) -> None:
    run, seen = room[0], room[1]
    run[:], seen[:], out[:] = 0.0, 0.0, 0.0
    for m in range(last - 1, first - 1, -1):
        for f in range(out.shape[0]):
            x = months[m, f]
            seen[f] = 1.0 if x == x else seen[f]
            # A month that is not known neither ends a gap nor makes it longer.
            run[f] = 0.0 if x > 0.0 else (run[f] + 1.0 if x == x else run[f])
            out[f] = max(out[f], run[f])
    for f in range(out.shape[0]):
        out[f] = out[f] if seen[f] > 0.0 else np.nan


@compiled
def _idle(months: Floats, first: int, last: int, room: Floats, out: Floats) -> None:
    limit = room[0]
    _peak(months, first, last, limit)
    out[:] = 0.0
    for m in range(first, last):
        for f in range(out.shape[0]):
            x = months[m, f]
            # A month of nothing is idle also where the whole window is nothing.
            out[f] += 1.0 if (x < limit[f] * IDLE_SHARE_OF_PEAK) or (x == 0.0) else 0.0


@compiled
def _volatility(months: Floats, first: int, last: int, room: Floats, out: Floats) -> None:
    count, mean_x, mean_t, s_tt, slope = room[0], room[1], room[2], room[3], room[4]
    _known(months, first, last, count)
    _total(months, first, last, mean_x)
    mean_t[:], s_tt[:], slope[:], out[:] = 0.0, 0.0, 0.0, 0.0
    for m in range(first, last):
        for f in range(out.shape[0]):
            mean_t[f] += float(m - first) if months[m, f] == months[m, f] else 0.0
    for f in range(out.shape[0]):
        points = max(count[f], 1.0)
        mean_x[f] /= points
        mean_t[f] /= points
    for m in range(first, last):
        for f in range(out.shape[0]):
            x = months[m, f]
            away_t = float(m - first) - mean_t[f] if x == x else 0.0
            away_x = x - mean_x[f] if x == x else 0.0
            s_tt[f] += away_t * away_t
            slope[f] += away_t * away_x
    for f in range(out.shape[0]):
        slope[f] /= s_tt[f] if s_tt[f] > 0.0 else 1.0
    for m in range(first, last):
        for f in range(out.shape[0]):
            x = months[m, f]
            away_t = float(m - first) - mean_t[f] if x == x else 0.0
            away_x = x - mean_x[f] if x == x else 0.0
            residual = away_x - slope[f] * away_t
            out[f] += residual * residual
    for f in range(out.shape[0]):
        variance = out[f] / max(count[f] - 2.0, 1.0)
        spread = np.sqrt(variance) / (mean_x[f] if mean_x[f] > 0.0 else 1.0)
        out[f] = spread if count[f] >= MIN_POINTS_FOR_SPREAD and mean_x[f] > 0.0 else np.nan


@compiled
def _course(months: Floats, first: int, last: int, noise: bool, room: Floats, out: Floats) -> None:
    """Fit a straight line to the logarithms of the months above zero: its slope a year, or the deviation around it."""
    count, mean_x, mean_t, s_tt, slope = room[0], room[1], room[2], room[3], room[4]
    for k in range(5):
        room[k, :] = 0.0
    out[:] = 0.0
    for m in range(first, last):
        for f in range(out.shape[0]):
            x = months[m, f]
            count[f] += 1.0 if x > 0.0 else 0.0
            mean_x[f] += np.log(x) if x > 0.0 else 0.0
            mean_t[f] += float(m - first) if x > 0.0 else 0.0
    for f in range(out.shape[0]):
        points = max(count[f], 1.0)
        mean_x[f] /= points
        mean_t[f] /= points
    for m in range(first, last):
        for f in range(out.shape[0]):
            x = months[m, f]
            away_t = float(m - first) - mean_t[f] if x > 0.0 else 0.0
            away_x = np.log(x) - mean_x[f] if x > 0.0 else 0.0
            s_tt[f] += away_t * away_t
            slope[f] += away_t * away_x
            out[f] += away_x * away_x
    for f in range(out.shape[0]):
        explained = slope[f] * slope[f] / (s_tt[f] if s_tt[f] > 0.0 else 1.0)
        # Months count backwards: what grows falls with them.
        steep = -12.0 * slope[f] / (s_tt[f] if s_tt[f] > 0.0 else 1.0)
        spread = np.sqrt(max(out[f] - explained, 0.0) / max(count[f] - 2.0, 1.0))
        enough = count[f] >= MIN_POINTS_FOR_SPREAD and s_tt[f] > 0.0
        out[f] = (spread if noise else steep) if enough else np.nan


@compiled
def _season(months: Floats, first: int, last: int, room: Floats, out: Floats) -> None:
    half = (last - first) // 2
    count, left, right, s_ll, s_rr = room[0], room[1], room[2], room[3], room[4]
    count[:], left[:], right[:], s_ll[:], s_rr[:], out[:] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for m in range(first, first + half):
        for f in range(out.shape[0]):
            a, b = months[m, f], months[m + half, f]
            both = (a == a) and (b == b)
            count[f] += 1.0 if both else 0.0
            left[f] += a if both else 0.0
            right[f] += b if both else 0.0
    for f in range(out.shape[0]):
        points = max(count[f], 1.0)
        left[f] /= points
        right[f] /= points
    for m in range(first, first + half):
        for f in range(out.shape[0]):
            a, b = months[m, f], months[m + half, f]
            both = (a == a) and (b == b)
            x = a - left[f] if both else 0.0
            y = b - right[f] if both else 0.0
            s_ll[f] += x * x
            s_rr[f] += y * y
            out[f] += x * y
    for f in range(out.shape[0]):
        scale = np.sqrt(s_ll[f] * s_rr[f])
        enough = count[f] >= MIN_POINTS_FOR_SPREAD and scale > 0.0
        out[f] = out[f] / (scale if scale > 0.0 else 1.0) if enough else np.nan


@compiled
def _blank(known: Floats, out: Floats) -> None:
    """Make missing what rests on no known month."""
    for f in range(out.shape[0]):
        out[f] = out[f] if known[f] > 0.0 else np.nan


STATISTICS = (
    "total",
    "mean",
    "faded",
    "faded_mean",
    "known",
    "positive",
    "peak",
    "trough",
    "latest",
    "volatility",
    "newest_positive",
    "longest_gap",
    "idle",
    "season",
    "trend",
    "noise",
)
"""Every statistic; `fill_windows` knows it by its position."""

(
    _TOTAL,
    _MEAN,
    _FADED,
    _FADED_MEAN,
    _KNOWN,
    _POSITIVE,
    _PEAK,
    _TROUGH,
    _LATEST,
    _VOLATILITY,
    _NEWEST_POSITIVE,
    _LONGEST_GAP,
    _IDLE,
    _SEASON,
    _TREND,
    _NOISE,
) = range(len(STATISTICS))


def fading(months: int) -> Floats:
    """Return the weight of each month back, shape (months,)."""
    weights: Floats = 0.5 ** (np.arange(months) / HALF_LIFE_MONTHS)
    return weights


@compiled
def fill_windows(months: Floats, weights: Floats, windows: NDArray[np.int64], begin: int, out: Floats) -> None:
    """Write the windows of one item.

    Parameters
    ----------
    months : float64 of shape (months, n), newest first, NaN where nothing is known
    weights : what `fading` gives for as many months
    windows : int64 of shape (windows, 4): statistic, first month back, last month back, row of `out`
    begin : the first column of `out` to write
    out : float64 of shape (rows, at least begin + n); NaN is written where a window knows nothing
    """
    room = np.empty((5, months.shape[1]))
    count = np.empty(months.shape[1])
    for k in range(windows.shape[0]):
        statistic, first, last = windows[k, 0], windows[k, 1] - 1, windows[k, 2]
        row = out[windows[k, 3], begin : begin + months.shape[1]]
        if statistic == _PEAK:
            _peak(months, first, last, row)
            continue
        if statistic == _TROUGH:
            _trough(months, first, last, row)
            continue
        if statistic == _LATEST:
            _latest(months, first, last, row)
            continue
        if statistic == _VOLATILITY:
            _volatility(months, first, last, room, row)
            continue
        if statistic == _LONGEST_GAP:
            _longest_gap(months, first, last, room, row)
            continue
        if statistic == _SEASON:
            _season(months, first, last, room, row)
            continue
        if statistic in (_TREND, _NOISE):
            _course(months, first, last, statistic == _NOISE, room, row)
            continue
        _known(months, first, last, count)
        if statistic == _KNOWN:
            row[:] = count
        elif statistic == _TOTAL:
            _total(months, first, last, row)
        elif statistic == _MEAN:
            _total(months, first, last, row)
            row /= count
        elif statistic == _FADED:
            _faded(months, weights, first, last, row)
        elif statistic == _FADED_MEAN:
            _faded(months, weights, first, last, row)
            _faded_known(months, weights, first, last, room[0])
            row /= room[0]
        elif statistic == _POSITIVE:
            _positive(months, first, last, row)
        elif statistic == _NEWEST_POSITIVE:
            _newest_positive(months, first, last, row)
        elif statistic == _IDLE:
            _idle(months, first, last, room, row)
        _blank(count, row)
