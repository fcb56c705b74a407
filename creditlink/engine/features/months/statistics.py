"""The statistics of a window of months, compiled: many firms at a time, each by itself.

`months` has shape (MONTHS, firms or more), newest month first, NaN where nothing is known; as many firms are read as
`out` has places. The inner loop of every statistic runs over firms, so that the compiler takes several firms at once,
and each firm's numbers are added in the order of months: a firm alone has the same bits as the same firm among
millions. What windows of an item share, the sums of months and the logarithms, is computed once.
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
def _sums(months: Floats, first: int, last: int, total: Floats, known: Floats) -> None:
    """Go on with the sum and the number of known months, from month `first` to `last`."""
    for m in range(first, last):
        for f in range(total.shape[0]):
            x = months[m, f]
            total[f] += x if x == x else 0.0
            known[f] += 1.0 if x == x else 0.0


@compiled
def _begin_sums(months: Floats, first: int, total: Floats, known: Floats) -> None:
    """Begin with one month."""
    for f in range(total.shape[0]):
        x = months[first, f]
        total[f] = x if x == x else 0.0
        known[f] = 1.0 if x == x else 0.0


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
    for f in range(out.shape[0]):
        out[f] = months[first, f]
    for m in range(first + 1, last):
        for f in range(out.shape[0]):
            # A value that is not known compares false on both sides.
            x = months[m, f]
            out[f] = out[f] if out[f] >= x else (x if x == x else out[f])


@compiled
def _trough(months: Floats, first: int, last: int, out: Floats) -> None:
    for f in range(out.shape[0]):
        out[f] = months[first, f]
    for m in range(first + 1, last):
        for f in range(out.shape[0]):
            x = months[m, f]
            out[f] = out[f] if out[f] <= x else (x if x == x else out[f])


@compiled
def _latest(months: Floats, first: int, last: int, out: Floats) -> None:
    for f in range(out.shape[0]):
        out[f] = months[last - 1, f]
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
    limit = room[0, : out.shape[0]]
    _peak(months, first, last, limit)
    out[:] = 0.0
    for m in range(first, last):
        for f in range(out.shape[0]):
            x = months[m, f]
            # A month of nothing is idle also where the whole window is nothing.
            out[f] += 1.0 if (x < limit[f] * IDLE_SHARE_OF_PEAK) or (x == 0.0) else 0.0


@compiled
def _volatility(months: Floats, first: int, last: int, total: Floats, known: Floats, room: Floats, out: Floats) -> None:
    mean_x, mean_t, s_tt, slope = room[0], room[1], room[2], room[3]
    mean_t[:], s_tt[:], slope[:], out[:] = 0.0, 0.0, 0.0, 0.0
    for m in range(first, last):
        for f in range(out.shape[0]):
            mean_t[f] += float(m - first) if months[m, f] == months[m, f] else 0.0
    for f in range(out.shape[0]):
        points = max(known[f], 1.0)
        mean_x[f] = total[f] / points
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
        variance = out[f] / max(known[f] - 2.0, 1.0)
        spread = np.sqrt(variance) / (mean_x[f] if mean_x[f] > 0.0 else 1.0)
        out[f] = spread if known[f] >= MIN_POINTS_FOR_SPREAD and mean_x[f] > 0.0 else np.nan


@compiled
def _logarithms(months: Floats, first: int, last: int, firms: int, out: Floats) -> None:
    """Write the logarithms of the months above zero, NaN for the others."""
    for m in range(first, last):
        for f in range(firms):
            x = months[m, f]
            out[m, f] = np.log(x) if x > 0.0 else np.nan


@compiled
def _fit(logs: Floats, first: int, last: int, firms: int, fit: Floats) -> None:
    """Fit a straight line to the logarithms: rows of `fit` are their number and the sums of squares that tell it."""
    for k in range(6):
        fit[k, :] = 0.0
    count, mean_x, mean_t, s_tt, slope, s_xx = fit[0], fit[1], fit[2], fit[3], fit[4], fit[5]
    for m in range(first, last):
        for f in range(firms):
            x = logs[m, f]
            count[f] += 1.0 if x == x else 0.0
            mean_x[f] += x if x == x else 0.0
            mean_t[f] += float(m - first) if x == x else 0.0
    for f in range(firms):
        points = max(count[f], 1.0)
        mean_x[f] /= points
        mean_t[f] /= points
    for m in range(first, last):
        for f in range(firms):
            x = logs[m, f]
            away_t = float(m - first) - mean_t[f] if x == x else 0.0
            away_x = x - mean_x[f] if x == x else 0.0
            s_tt[f] += away_t * away_t
            slope[f] += away_t * away_x
            s_xx[f] += away_x * away_x


@compiled
def _course(fit: Floats, noise: bool, out: Floats) -> None:
    """Read the slope a year of a fitted line, or the deviation around it."""
    count, s_tt, slope, s_xx = fit[0], fit[3], fit[4], fit[5]
    for f in range(out.shape[0]):
        explained = slope[f] * slope[f] / (s_tt[f] if s_tt[f] > 0.0 else 1.0)
        # Months count backwards: what grows falls with them.
        steep = -12.0 * slope[f] / (s_tt[f] if s_tt[f] > 0.0 else 1.0)
        spread = np.sqrt(max(s_xx[f] - explained, 0.0) / max(count[f] - 2.0, 1.0))
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
def fill_windows(
    months: Floats, weights: Floats, windows: NDArray[np.int64], columns: NDArray[np.int64], begin: int, out: Floats
) -> None:
    """Write the windows of one item.

    Parameters
    ----------
    months : float64 of shape (months, n or more), newest first, NaN where nothing is known
    weights : what `fading` gives for as many months
    windows : int64 of shape (windows, 4): statistic, first month back, last month back, row of `out`; those that
        begin together are fastest one after another, shortest first
    columns, begin : int64 of shape (n,): the column of `out` to write of each firm, counted from column `begin`
    out : float64; NaN is written where a window knows nothing
    """
    firms = columns.shape[0]
    room, value = np.empty((5, firms)), np.empty(firms)
    total, known, summed_from, summed_to = np.empty(firms), np.empty(firms), -1, -1
    logs, logs_from, logs_to = np.empty((0, 0)), -1, -1
    fit, fit_from, fit_to = np.empty((0, 0)), -1, -1
    for k in range(windows.shape[0]):
        statistic, first, last = windows[k, 0], windows[k, 1] - 1, windows[k, 2]
        if statistic == _PEAK:
            _peak(months, first, last, value)
        elif statistic == _TROUGH:
            _trough(months, first, last, value)
        elif statistic == _LATEST:
            _latest(months, first, last, value)
        elif statistic == _LONGEST_GAP:
            _longest_gap(months, first, last, room, value)
        elif statistic == _SEASON:
            _season(months, first, last, room, value)
        elif statistic in (_TREND, _NOISE):
            if first < logs_from or last > logs_to or logs_from < 0:
                if logs_from < 0:
                    logs, fit = np.empty((months.shape[0], firms)), np.empty((6, firms))
                # Of several windows the first months are the same ones, as a rule.
                onward = logs_to if first == logs_from and logs_to < last else first
                _logarithms(months, onward, last, firms, logs)
                logs_from, logs_to = first, last
            if first != fit_from or last != fit_to:
                _fit(logs, first, last, firms, fit)
                fit_from, fit_to = first, last
            _course(fit, statistic == _NOISE, value)
        else:
            if first != summed_from or last < summed_to:
                _begin_sums(months, first, total, known)
                summed_from, summed_to = first, first + 1
            _sums(months, summed_to, last, total, known)
            summed_to = last
            if statistic == _VOLATILITY:
                _volatility(months, first, last, total, known, room, value)
            elif statistic == _KNOWN:
                value[:] = known
            elif statistic == _TOTAL:
                value[:] = total
            elif statistic == _MEAN:
                for f in range(firms):
                    value[f] = total[f] / known[f]
            elif statistic == _FADED:
                _faded(months, weights, first, last, value)
            elif statistic == _FADED_MEAN:
                _faded(months, weights, first, last, value)
                _faded_known(months, weights, first, last, room[0])
                for f in range(firms):
                    value[f] /= room[0, f]
            elif statistic == _POSITIVE:
                _positive(months, first, last, value)
            elif statistic == _NEWEST_POSITIVE:
                _newest_positive(months, first, last, value)
            elif statistic == _IDLE:
                _idle(months, first, last, room, value)
            if statistic != _VOLATILITY:
                _blank(known, value)
        row = windows[k, 3]
        for f in range(firms):
            out[row, begin + columns[f]] = value[f]
