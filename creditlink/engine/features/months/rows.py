"""What an item reads from the row that speaks for a month, compiled: a loop over such rows per formula.

A column arrives as int32, int64 or float64 without a mask: the least number of an integer type means
null, as NaN does in a float one. `number` turns both into a float64 with NaN, which is all that formulas see. `row`
says which rows of the columns are read, of shape (n,), and `out` takes what was read, of the same shape.
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
Rows = NDArray[np.uint32]
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
def plain(row: Rows, today: float, add: float, a: Column, out: Floats) -> None:
    """Read a column as it is, plus a constant."""
    for e in range(row.shape[0]):
        r = row[e]
        out[e] = number(a, r) + add


@compiled
def sum_of_two(row: Rows, today: float, add: float, a: Column, b: Column, out: Floats) -> None:
    """Add two columns."""
    for e in range(row.shape[0]):
        r = row[e]
        out[e] = number(a, r) + number(b, r)


@compiled
def sum_of_three(row: Rows, today: float, add: float, a: Column, b: Column, c: Column, out: Floats) -> None:
    """Add three columns, in their order."""
    for e in range(row.shape[0]):
        r = row[e]
        out[e] = number(a, r) + number(b, r) + number(c, r)


@compiled
def share(row: Rows, today: float, add: float, a: Column, months: Column, out: Floats) -> None:
    """Divide a period's amount by its months."""
    for e in range(row.shape[0]):
        r = row[e]
        out[e] = number(a, r) / number(months, r)


@compiled
def share_of_two(row: Rows, today: float, add: float, a: Column, b: Column, months: Column, out: Floats) -> None:
    """Divide the sum of two amounts of a period by its months."""
    for e in range(row.shape[0]):
        r = row[e]
        out[e] = (number(a, r) + number(b, r)) / number(months, r)


@compiled
def quotient(row: Rows, today: float, add: float, a: Column, b: Column, out: Floats) -> None:
    """Divide; missing unless the divisor is above zero."""
    for e in range(row.shape[0]):
        r = row[e]
        over = number(b, r)
        x = number(a, r) / (over if over > 0.0 else 1.0)
        out[e] = x if over > 0.0 else np.nan


@compiled
def negative(row: Rows, today: float, add: float, a: Column, out: Floats) -> None:
    """1 where a column is below zero, 0 where it is not, missing where it is null."""
    for e in range(row.shape[0]):
        r = row[e]
        x = number(a, r)
        out[e] = (1.0 if x < 0.0 else 0.0) if x == x else np.nan


@compiled
def beside(row: Rows, today: float, add: float, a: Column, b: Column, out: Floats) -> None:
    """Read a column where another one is known too."""
    for e in range(row.shape[0]):
        r = row[e]
        x, other = number(a, r), number(b, r)
        out[e] = x if other == other else np.nan


@compiled
def days_late(row: Rows, today: float, add: float, due: Column, done: Column, out: Floats) -> None:
    """Days between due and done, counted to `today` while it is not done; missing before it is due."""
    for e in range(row.shape[0]):
        r = row[e]
        expected, ended = number(due, r), number(done, r)
        days = (ended if ended <= today else today) - expected
        out[e] = (days if days > 0.0 else 0.0) if expected <= today else np.nan


@compiled
def late(row: Rows, today: float, add: float, due: Column, done: Column, out: Floats) -> None:
    """1 when done after the due day or not yet though due, else 0; missing before it is due."""
    for e in range(row.shape[0]):
        r = row[e]
        expected, ended = number(due, r), number(done, r)
        days = (ended if ended <= today else today) - expected
        out[e] = (1.0 if days > 0.0 else 0.0) if expected <= today else np.nan


@compiled
def days_ahead(row: Rows, today: float, add: float, due: Column, done: Column, out: Floats) -> None:
    """Days between done and due where it was done by then, 0 where it was not; missing before it is due."""
    for e in range(row.shape[0]):
        r = row[e]
        expected, ended = number(due, r), number(done, r)
        days = expected - ended if ended <= today else 0.0
        out[e] = (days if days > 0.0 else 0.0) if expected <= today else np.nan


@compiled
def undone(row: Rows, today: float, add: float, due: Column, done: Column, out: Floats) -> None:
    """1 when due and not done by `today`, else 0; missing before it is due."""
    for e in range(row.shape[0]):
        r = row[e]
        expected, ended = number(due, r), number(done, r)
        out[e] = (0.0 if ended <= today else 1.0) if expected <= today else np.nan


@compiled
def done_by_today(row: Rows, today: float, add: float, done: Column, out: Floats) -> None:
    """1 when done by `today`, else 0."""
    for e in range(row.shape[0]):
        r = row[e]
        out[e] = 1.0 if number(done, r) <= today else 0.0


@compiled
def unpaid_rest(
    row: Rows, today: float, add: float, due: Column, done: Column, owed: Column, paid: Column, out: Floats
) -> None:
    """Read what was owed less what was paid by `today`, at least 0; missing before it is due."""
    for e in range(row.shape[0]):
        r = row[e]
        expected, ended = number(due, r), number(done, r)
        settled = number(paid, r)
        rest = number(owed, r) - (settled if ended <= today else 0.0)
        out[e] = (0.0 if rest <= 0.0 else rest) if expected <= today else np.nan


@compiled
def unpaid_whole(row: Rows, today: float, add: float, due: Column, done: Column, owed: Column, out: Floats) -> None:
    """Read what was owed while it is not paid by `today`, else 0; missing before it is due."""
    for e in range(row.shape[0]):
        r = row[e]
        expected, ended = number(due, r), number(done, r)
        x = (0.0 if ended <= today else 1.0) * number(owed, r)
        out[e] = x if expected <= today else np.nan


@compiled
def equals(row: Rows, today: float, code: float, a: Column, out: Floats) -> None:
    """1 where a column is `code`, 0 where it is another, missing where it is null."""
    for e in range(row.shape[0]):
        r = row[e]
        x = number(a, r)
        out[e] = (1.0 if x == code else 0.0) if x == x else np.nan


@compiled
def differs(row: Rows, today: float, code: float, a: Column, out: Floats) -> None:
    """1 where a column is another code or null, else 0."""
    for e in range(row.shape[0]):
        r = row[e]
        out[e] = 0.0 if number(a, r) == code else 1.0
