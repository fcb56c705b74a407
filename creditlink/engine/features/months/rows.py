"""From rows to months, compiled: which row speaks for a month, and what an item reads from it.

A column arrives as int32, int64 or float64 without a mask: the least number of an integer type means
null, as NaN does in a float one. `number` turns both into a float64 with NaN, which is all that formulas see.
Where no row speaks they read the first one and drop the result: a choice between two numbers is
faster than an unpredictable branch.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload
from numba.np.numpy_support import as_dtype
from numpy.typing import NDArray

from creditlink.engine.compiled import compiled

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Column = Ints | Longs | Floats
Numbers = NDArray[np.number]


def number(values: Column, row: int) -> float:
    """Return one number of a column, NaN for null."""
    if values.dtype.kind == "f":
        return float(values[row])
    null = np.iinfo(np.int32 if values.dtype == np.int32 else np.int64).min
    return np.nan if values[row] == null else float(values[row])


def _typed_number(values, row):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 (numba compares signatures)
    if isinstance(values.dtype, types.Float):
        return lambda values, row: values[row]
    null = int(np.iinfo(as_dtype(values.dtype)).min)
    return lambda values, row: np.nan if values[row] == null else float(values[row])


overload(number)(_typed_number)


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
    latest: Ints,
    out: Ints,
) -> None:
    """Write which row speaks for each kind, month and firm: the one known last, of equals the last one.

    Parameters
    ----------
    firm, period, known : int32 of shape (rows,), ascending by `firm`; all rows are of `firms`
    kind : int32 of shape (rows,), or (0,) where there is only one kind
    span : int32 of shape (rows,): months from `period` that a row speaks for, or (0,) where it is one
    firms : int64 of shape (n,), ascending
    back : int64 of shape (days,): for each day from `start`, the 0-based month back; it may be beyond the months of
        `out`, for rows whose later months are within
    start, today : days since 1970: the first day that counts, and `as_of`
    latest : int32 room of the shape of `out`
    out : int32 of shape (kinds, months, n); -1 where no row was known
    """
    out[:] = -1
    place = 0
    for row in range(firm.shape[0]):
        day = period[row] - start
        if known[row] > today or day < 0 or day >= back.shape[0]:
            continue
        while firms[place] != firm[row]:
            place += 1
        group = kind[row] if kind.shape[0] else 0
        for k in range(span[row] if span.shape[0] else 1):
            month = back[day] - k
            if 0 <= month < out.shape[1] and (
                out[group, month, place] < 0 or known[row] >= latest[group, month, place]
            ):
                out[group, month, place] = row
                latest[group, month, place] = known[row]


@compiled
def last_months(row: Ints, out: Ints) -> None:
    """Keep of each row that speaks for several months only the newest of them; both of shape (months, n)."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            out[m, f] = -1 if r >= 0 and m > 0 and row[m - 1, f] == r else r


@compiled
def by_the_month(row: Ints, months: Floats, guide: Floats, out: Floats) -> None:
    """Spread what a row says of a whole period over its months, as `guide` moved in them.

    Parameters
    ----------
    row : int32 (months, n): which row speaks for a month
    months : float64 (months, n): the period's amount in equal shares
    guide : float64 (months, n): the invoices of the month; a period without any keeps equal shares
    out : float64 (months, n), written; may be `months` itself
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
def fill_silence(months: Floats, newest: int, out: Floats) -> None:
    """Write 0 for unknown months since the oldest known one, up to month `newest` back; shape (months, n)."""
    for f in range(months.shape[1]):
        seen = False
        for m in range(months.shape[0] - 1, -1, -1):
            x = months[m, f]
            seen = seen or x == x
            out[m, f] = 0.0 if seen and x != x and m >= newest else x


@compiled
def trade(declared: Floats, invoiced: Floats, newest: int, out: Floats) -> None:
    """Write a month's sales: as declared, else as invoiced, else 0 where silence says that there were none.

    A firm that writes invoices sold nothing in a month without: from its first month on, up to month `newest` back. Of
    one that only declares, the months after its newest declaration are not known.
    """
    for f in range(out.shape[1]):
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
def plain(row: Ints, today: float, add: float, a: Column, out: Floats) -> None:
    """Read a column as it is, plus a constant."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = number(a, max(r, 0)) + add
            out[m, f] = x if r >= 0 else np.nan


@compiled
def sum_of_two(row: Ints, today: float, add: float, a: Column, b: Column, out: Floats) -> None:
    """Add two columns."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = number(a, max(r, 0)) + number(b, max(r, 0))
            out[m, f] = x if r >= 0 else np.nan


@compiled
def sum_of_three(row: Ints, today: float, add: float, a: Column, b: Column, c: Column, out: Floats) -> None:
    """Add three columns, in their order."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = number(a, max(r, 0)) + number(b, max(r, 0)) + number(c, max(r, 0))
            out[m, f] = x if r >= 0 else np.nan


@compiled
def share(row: Ints, today: float, add: float, a: Column, months: Column, out: Floats) -> None:
    """Divide a period's amount by its months."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = number(a, max(r, 0)) / number(months, max(r, 0))
            out[m, f] = x if r >= 0 else np.nan


@compiled
def share_of_two(row: Ints, today: float, add: float, a: Column, b: Column, months: Column, out: Floats) -> None:
    """Divide the sum of two amounts of a period by its months."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = (number(a, max(r, 0)) + number(b, max(r, 0))) / number(months, max(r, 0))
            out[m, f] = x if r >= 0 else np.nan


@compiled
def quotient(row: Ints, today: float, add: float, a: Column, b: Column, out: Floats) -> None:
    """Divide; missing unless the divisor is above zero."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            over = number(b, max(r, 0))
            x = number(a, max(r, 0)) / (over if over > 0.0 else 1.0)
            out[m, f] = x if r >= 0 and over > 0.0 else np.nan


@compiled
def negative(row: Ints, today: float, add: float, a: Column, out: Floats) -> None:
    """1 where a column is below zero, 0 where it is not, missing where it is null."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = number(a, max(r, 0))
            out[m, f] = (1.0 if x < 0.0 else 0.0) if r >= 0 and x == x else np.nan


@compiled
def beside(row: Ints, today: float, add: float, a: Column, b: Column, out: Floats) -> None:
    """Read a column where another one is known too."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x, other = number(a, max(r, 0)), number(b, max(r, 0))
            out[m, f] = x if r >= 0 and other == other else np.nan


@compiled
def days_late(row: Ints, today: float, add: float, due: Column, done: Column, out: Floats) -> None:
    """Days between due and done, counted to `today` while it is not done; missing before it is due."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            expected, ended = number(due, max(r, 0)), number(done, max(r, 0))
            days = (ended if ended <= today else today) - expected
            out[m, f] = (days if days > 0.0 else 0.0) if r >= 0 and expected <= today else np.nan


@compiled
def late(row: Ints, today: float, add: float, due: Column, done: Column, out: Floats) -> None:
    """1 when done after the due day or not yet though due, else 0; missing before it is due."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            expected, ended = number(due, max(r, 0)), number(done, max(r, 0))
            days = (ended if ended <= today else today) - expected
            out[m, f] = (1.0 if days > 0.0 else 0.0) if r >= 0 and expected <= today else np.nan


@compiled
def days_ahead(row: Ints, today: float, add: float, due: Column, done: Column, out: Floats) -> None:
    """Days between done and due where it was done by then, 0 where it was not; missing before it is due."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            expected, ended = number(due, max(r, 0)), number(done, max(r, 0))
            days = expected - ended if ended <= today else 0.0
            out[m, f] = (days if days > 0.0 else 0.0) if r >= 0 and expected <= today else np.nan


@compiled
def undone(row: Ints, today: float, add: float, due: Column, done: Column, out: Floats) -> None:
    """1 when due and not done by `today`, else 0; missing before it is due."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            expected, ended = number(due, max(r, 0)), number(done, max(r, 0))
            out[m, f] = (0.0 if ended <= today else 1.0) if r >= 0 and expected <= today else np.nan


@compiled
def done_by_today(row: Ints, today: float, add: float, done: Column, out: Floats) -> None:
    """1 when done by `today`, else 0."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = 1.0 if number(done, max(r, 0)) <= today else 0.0
            out[m, f] = x if r >= 0 else np.nan


@compiled
def unpaid_rest(
    row: Ints, today: float, add: float, due: Column, done: Column, owed: Column, paid: Column, out: Floats
) -> None:
    """Read what was owed less what was paid by `today`, at least 0; missing before it is due."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            expected, ended = number(due, max(r, 0)), number(done, max(r, 0))
            settled = number(paid, max(r, 0))
            rest = number(owed, max(r, 0)) - (settled if ended <= today else 0.0)
            out[m, f] = (0.0 if rest <= 0.0 else rest) if r >= 0 and expected <= today else np.nan


@compiled
def unpaid_whole(row: Ints, today: float, add: float, due: Column, done: Column, owed: Column, out: Floats) -> None:
    """Read what was owed while it is not paid by `today`, else 0; missing before it is due."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            expected, ended = number(due, max(r, 0)), number(done, max(r, 0))
            x = (0.0 if ended <= today else 1.0) * number(owed, max(r, 0))
            out[m, f] = x if r >= 0 and expected <= today else np.nan


@compiled
def equals(row: Ints, today: float, code: float, a: Column, out: Floats) -> None:
    """1 where a column is `code`, 0 where it is another, missing where it is null."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = number(a, max(r, 0))
            out[m, f] = (1.0 if x == code else 0.0) if r >= 0 and x == x else np.nan


@compiled
def differs(row: Ints, today: float, code: float, a: Column, out: Floats) -> None:
    """1 where a column is another code or null, else 0."""
    for m in range(row.shape[0]):
        for f in range(row.shape[1]):
            r = row[m, f]
            x = 0.0 if number(a, max(r, 0)) == code else 1.0
            out[m, f] = x if r >= 0 else np.nan


@compiled
def pool(kinds: Floats, sums: Floats, count: Floats) -> None:
    """Add all kinds in their order, and count those known; both NaN where none is.

    Parameters
    ----------
    kinds : float64 of shape (kinds, months, n)
    sums, count : float64 of shape (months, n), written
    """
    for m in range(sums.shape[0]):
        for f in range(sums.shape[1]):
            added, seen = 0.0, 0.0
            for k in range(kinds.shape[0]):
                x = kinds[k, m, f]
                added += x if x == x else 0.0
                seen += 1.0 if x == x else 0.0
            sums[m, f] = added if seen > 0.0 else np.nan
            count[m, f] = seen if seen > 0.0 else np.nan
