"""From rows to the months of firms, compiled: which row speaks for a month, and the windows of what it says.

A frame is read firm by firm: `speakers` lists, per kind, the rows that speak, each with its month. A formula of `rows`
turns such a list into values, and `item_windows` puts these into a grid of months × firms, some hundred firms at a
time, whose arrays stay in the processor's cache, and takes the windows from it. Firms that a frame is silent
about have no place in its grids.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.compiled import compiled
from creditlink.engine.features.months.rows import Floats, Ints, Longs, Numbers, Rows
from creditlink.engine.features.months.statistics import fill_windows

MonthsBack = NDArray[np.uint8]

NO_ROW = -1
"""In a month for which no row speaks."""


@compiled
def first_stranger(firm: Numbers, firms: Longs) -> int:
    """Return the first row whose firm is not among `firms`, -1 if there is none; both ascending."""
    place = 0
    for row in range(firm.shape[0]):
        while place < firms.shape[0] and firms[place] < firm[row]:
            place += 1
        if place == firms.shape[0] or firms[place] != firm[row]:
            return row
    return -1


@compiled
def mark_found(firm: Numbers, kind: Numbers, wanted: int, firms: Numbers, gone: NDArray[np.bool_]) -> None:
    """Take away the mark `gone` of each of `firms` that has a row, of the kind `wanted`; all of one frame.

    Parameters
    ----------
    firm : shape (rows,), ascending
    kind : shape (rows,), or (0,) where rows of any kind count
    firms : shape (n,), ascending
    gone : shape (n,)
    """
    place, all_kinds = 0, kind.shape[0] == 0
    for row in range(firm.shape[0]):
        while place < firms.shape[0] and firms[place] < firm[row]:
            place += 1
        if place == firms.shape[0]:
            return
        if firms[place] == firm[row] and (all_kinds or kind[row] == wanted):
            gone[place] = False


@compiled
def speakers(
    firm: Ints,
    period: Ints,
    known: Ints,
    kind: Ints,
    span: Ints,
    firms: Longs,
    back: Longs,
    start: int,
    today: int,
    columns: Longs,
    begins: Ints,
    row: Rows,
    month: MonthsBack,
) -> int:
    """List which row speaks for each kind, firm and month: the one known last, of equals the last one.

    Parameters
    ----------
    firm, period, known : int32 of shape (rows,), ascending by `firm`; all rows are of `firms`
    kind : int32 of shape (rows,), or (0,) where there is only one kind
    span : int32 of shape (rows,): months from `period` that a row speaks for, or (0,) where it is one
    firms : int64 of shape (n,), ascending
    back : int64 of shape (days,): for each day from `start`, the 0-based month back; it may be beyond the last month,
        for rows whose later months are within
    start, today : days since 1970: the first day that counts, and `as_of`
    columns : int64 of shape (n,), written: which of `firms` each listed firm is
    begins : int32 of shape (lists, n + 1), written: where each listed firm's entries begin
    row : uint32 of shape (lists, entries), written: the rows, a list per kind, newest month first. With `span` there is
        a second list of the only kind, of each row only the newest month of those that it speaks for in a run
    month : uint8 of the same shape, written: the month back, from 0

    Returns
    -------
    the number of firms listed: those that some row speaks for
    """
    months, kinds = row.shape[1] // firms.shape[0], 1 if span.shape[0] else row.shape[0]
    chosen = np.empty((kinds, months), np.int32)
    ends = np.zeros(row.shape[0], np.int32)
    place, listed, at = 0, 0, 0
    begins[:, 0] = 0
    while at < firm.shape[0]:
        while firms[place] != firm[at]:
            place += 1
        chosen[:] = NO_ROW
        found = False
        while at < firm.shape[0] and firm[at] == firms[place]:
            day = period[at] - start
            if known[at] <= today and 0 <= day < back.shape[0]:
                group = kind[at] if kind.shape[0] else 0
                for k in range(span[at] if span.shape[0] else 1):
                    m = back[day] - k
                    if 0 <= m < months and (chosen[group, m] < 0 or known[at] >= known[chosen[group, m]]):
                        chosen[group, m] = at
                        found = True
            at += 1
        if not found:
            continue
        for group in range(kinds):
            for m in range(months):
                r = chosen[group, m]
                if r < 0:
                    continue
                row[group, ends[group]], month[group, ends[group]] = r, m
                ends[group] += 1
                if span.shape[0] and (m == 0 or chosen[group, m - 1] != r):
                    row[1, ends[1]], month[1, ends[1]] = r, m
                    ends[1] += 1
        columns[listed] = place
        listed += 1
        for number in range(row.shape[0]):
            begins[number, listed] = ends[number]
    return listed


@compiled
def who_speaks(columns: Longs, begins: Ints, row: Rows, month: MonthsBack, out: Ints) -> None:
    """Write the row that speaks for each month of one list, shape (months, n); months without one stay."""
    for place in range(columns.shape[0]):
        for e in range(begins[place], begins[place + 1]):
            out[month[e], columns[place]] = row[e]


@compiled
def item_windows(
    values: Floats,
    used: NDArray[np.bool_],
    begins: Ints,
    month: MonthsBack,
    columns: Longs,
    newest: int,
    pooled: bool,
    starts: Longs,
    windows: Longs,
    weights: Floats,
    grid: Floats,
    kept_kind: int,
    kept: Floats,
    begin: int,
    out: Floats,
) -> None:
    """Write the windows of one item of every kind, and of the sum and the number of kinds.

    Parameters
    ----------
    values, month : of shape (kinds, entries): what a formula read from the rows that `speakers` listed, and its months
    used : bool of shape (kinds,): kinds that some window needs
    begins : int32 of shape (kinds, listed + 1). columns : int64 of shape (listed,)
    newest : fill unknown months with 0 up to this one back, since the oldest known one; -1: do not
    pooled : whether windows need the sum of all kinds or their number
    starts : int64 of shape (kinds + 3,): which of `windows` are of each kind, of the sum and of the number
    windows : int64 of shape (windows, 4), as `fill_windows` takes them
    grid : room of shape (kinds + 2, months, firms and some more)
    kept_kind : the kind whose months are also written to `kept`, shape (months, n); -1: none
    begin : the column of `out`, float64 of shape (rows, at least begin + n), that belongs to the first of n firms
    """
    kinds = values.shape[0]
    width = max(grid.shape[2] - GRID_MARGIN, 1)
    for first in range(0, columns.shape[0], width):
        here = columns[first : first + width]
        firms = here.shape[0]
        for k in range(kinds):
            if not used[k]:
                continue
            for m in range(grid.shape[1]):
                for f in range(firms):
                    grid[k, m, f] = np.nan
            for f in range(firms):
                for e in range(begins[k, first + f], begins[k, first + f + 1]):
                    grid[k, month[k, e], f] = values[k, e]
            if newest >= 0:
                fill_silence(grid[k], firms, newest)
        if pooled:
            pool(grid, firms)
        for k in range(kinds + 2):
            if starts[k] < starts[k + 1]:
                fill_windows(grid[k], weights, windows[starts[k] : starts[k + 1]], here, begin, out)
        if kept_kind >= 0:
            for m in range(grid.shape[1]):
                for f in range(firms):
                    kept[m, here[f]] = grid[kept_kind, m, f]


GRID_MARGIN = 8
"""Places of a row of a grid beyond its firms: a power of two as a row's length would crowd a few sets of the cache."""


@compiled
def fill_silence(months: Floats, firms: int, newest: int) -> None:
    """Write 0 for unknown months since the oldest known one, up to `newest` back; shape (months, firms or more)."""
    seen = np.zeros(firms, np.bool_)
    for m in range(months.shape[0] - 1, -1, -1):
        for f in range(firms):
            x = months[m, f]
            known = x == x
            months[m, f] = 0.0 if seen[f] and not known and m >= newest else x
            seen[f] = seen[f] or known


@compiled
def pool(grid: Floats, firms: int) -> None:
    """Add all kinds in their order, and count those known; both NaN where none is.

    Parameters
    ----------
    grid : float64 of shape (kinds + 2, months, firms or more): the kinds, then the sum and the number, written
    """
    kinds = grid.shape[0] - 2
    for m in range(grid.shape[1]):
        sums, count = grid[kinds, m, :firms], grid[kinds + 1, m, :firms]
        sums[:], count[:] = 0.0, 0.0
        for k in range(kinds):
            values = grid[k, m, :firms]
            for f in range(firms):
                x = values[f]
                sums[f] += x if x == x else 0.0
                count[f] += 1.0 if x == x else 0.0
        for f in range(firms):
            sums[f] = sums[f] if count[f] > 0.0 else np.nan
            count[f] = count[f] if count[f] > 0.0 else np.nan


@compiled
def by_the_month(row: Ints, months: Floats, guide: Floats, out: Floats) -> None:
    """Spread what a row says of a whole period over its months, as `guide` moved in them.

    Parameters
    ----------
    row : int32 (months, n): which row speaks for a month
    months : float64 (months, n or more): the period's amount in equal shares
    guide : float64 (months, n or more): the invoices of the month; a period without any keeps equal shares
    out : float64 (months, n or more), written; may be `months` itself
    """
    n = row.shape[1]
    for f in range(n):
        m = 0
        while m < row.shape[0]:
            r = row[m, f]
            end = m + 1
            while end < row.shape[0] and r >= 0 and row[end, f] == r:
                end += 1
            if end - m > 1:
                total, moved = 0.0, 0.0
                for k in range(m, end):
                    total += months[k, f]
                    moved += guide[k, f] if guide[k, f] > 0.0 else 0.0
                for k in range(m, end):
                    share = (guide[k, f] if guide[k, f] > 0.0 else 0.0) / moved if moved > 0.0 else 1.0 / (end - m)
                    out[k, f] = total * share
            else:
                out[m, f] = months[m, f]
            m = end


@compiled
def trade(declared: Floats, invoiced: Floats, firms: int, newest: int, out: Floats) -> None:
    """Write a month's sales: as declared, else as invoiced, else 0 where silence says that there were none.

    A firm that writes invoices sold nothing in a month without: from its first month on, up to month `newest` back. Of
    one that only declares, the months after its newest declaration are not known.
    """
    for f in range(firms):
        writes, first, last = False, -1, out.shape[0]
        for m in range(out.shape[0]):
            a, b = declared[m, f], invoiced[m, f]
            writes = writes or b == b
            if a == a or b == b:
                first = m
                last = min(last, m)
            out[m, f] = a if a == a else b
        if writes:
            last = min(last, newest)
        for m in range(last, first):
            out[m, f] = 0.0 if out[m, f] != out[m, f] else out[m, f]


@compiled
def trade_windows(
    row: Ints,
    declared: Floats,
    invoiced: Floats,
    newest: int,
    starts: Longs,
    windows: Longs,
    weights: Floats,
    grid: Floats,
    begin: int,
    out: Floats,
) -> None:
    """Write the windows of sales: by month, as declared, and as declared and as invoiced in the months that have both.

    Parameters
    ----------
    row : int32 (months, n): the declaration that speaks for a month. declared, invoiced : float64 (months, n)
    newest : as for `trade`. starts : int64 of shape (5,): which of `windows` are of each of the four items
    grid : room of shape (at least 5, months, firms and some more). begin, out : as for `item_windows`
    """
    width = max(grid.shape[2] - GRID_MARGIN, 1)
    turnover, stated, both, other, billed = grid[0], grid[1], grid[2], grid[3], grid[4]
    for first in range(0, row.shape[1], width):
        firms = min(width, row.shape[1] - first)
        here = np.arange(first, first + firms)
        for m in range(row.shape[0]):
            for f in range(firms):
                stated[m, f] = declared[m, first + f]
                billed[m, f] = invoiced[m, first + f]
        by_the_month(row[:, first : first + firms], stated, billed, stated)
        trade(stated, billed, firms, newest, turnover)
        for m in range(row.shape[0]):
            for f in range(firms):
                a, b = stated[m, f], billed[m, f]
                both[m, f] = a if b == b else np.nan
                other[m, f] = b if a == a else np.nan
        for k in range(4):
            if starts[k] < starts[k + 1]:
                fill_windows(grid[k], weights, windows[starts[k] : starts[k + 1]], here, begin, out)
