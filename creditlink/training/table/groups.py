"""Which rows of a table belong together: those of one id, and copies of one row. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from creditlink.training.table.file import TableFinding

Bad = NDArray[np.int8]
Ints = NDArray[np.int64]

COPIES_SHARE = 0.01
"""Equal rows beyond this share of a table are no copies: so many cases have the same few values."""

FEW_COPIES = 5
"""So many equal rows can be copies in a table of any size."""

BY_CHANCE = 0.1
"""Equal rows are no copies where columns that know nothing of each other would give at least so many others."""


def groups_of(
    file: str, columns: pl.DataFrame, is_bad: Bad, ids: Sequence[pl.Series], numbers: Ints, *, named: bool
) -> tuple[Ints, list[TableFinding]]:
    """Return the group of each row, shape (n,), and what was found of rows that stand twice.

    Parameters
    ----------
    columns : what is learned from, n rows
    ids : columns that identify, n rows each; rows that share a value of any belong together
    numbers : the rows' numbers in the file, shape (n,)
    named : whether the caller named an id; then nothing else says which rows belong together
    """
    findings = [finding for series in ids for finding in _of_id(file, series, numbers)]
    by_id = _joined(ids, columns.height) if findings else np.arange(columns.height)
    pattern, size = _patterns(columns)
    if size.max(initial=1) == 1:
        return by_id, findings
    copies = (size > 1) & (size <= max(FEW_COPIES, COPIES_SHARE * columns.height))
    copies &= _expected(columns, size) < BY_CHANCE
    if named or findings:
        what = "equal rows under different ids, taken as different cases"
        return by_id, [*findings, *_told(file, what, pattern, _across(by_id, pattern), is_bad, numbers)]
    findings += _told(file, "copies of rows, which share a fold", pattern, copies, is_bad, numbers)
    what = "equal rows, taken as different cases (--id says which belong together)"
    findings += _told(file, what, pattern, (size > 1) & ~copies, is_bad, numbers)
    return np.where(copies, pattern, columns.height + by_id), findings


def _of_id(file: str, series: pl.Series, numbers: Ints) -> list[TableFinding]:
    again = (series.is_duplicated() & series.is_not_null()).to_numpy()
    if not again.any():
        return []
    first = int(np.argmax(again))
    message = f"duplicate ids: {_shown(series[first])} stands in more than one row; such rows share a fold"
    return [TableFinding(file, series.name, int(numbers[first]), int(again.sum()), message)]


def _shown(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _joined(ids: Sequence[pl.Series], height: int) -> Ints:
    """Return which rows are connected by a value of some id, shape (n,)."""
    rows, values, above = [], [], height
    for series in ids:
        known = np.flatnonzero(series.is_not_null().to_numpy())
        code = series.rank("dense").gather(known).to_numpy().astype(np.int64)
        rows.append(known)
        values.append(above + code - 1)
        above += int(code.max(initial=0))
    ends = (np.concatenate(rows), np.concatenate(values))
    links = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(above, above))
    return np.asarray(connected_components(links, directed=False)[1][:height], dtype=np.int64)


def _patterns(columns: pl.DataFrame) -> tuple[Ints, Ints]:
    """Return the first row with the same values, and how many rows have them, each of shape (n,)."""
    row = columns.with_row_index("\x00row")
    found = row.select(first=pl.col("\x00row").min().over(columns.columns), size=pl.len().over(columns.columns))
    return found["first"].to_numpy().astype(np.int64), found["size"].to_numpy().astype(np.int64)


def _expected(columns: pl.DataFrame, size: Ints) -> NDArray[np.float64]:
    """Return how many other rows would have a row's values if columns knew nothing of each other, shape (n,).

    The rows that are equal count once: whether they are copies is the question.
    """
    n = columns.height
    log_share = np.zeros(n)
    for name in columns.columns:
        alike = columns.select(pl.len().over(name)).to_series().to_numpy()
        log_share += np.log((alike - size + 1) / n)
    return np.asarray(n * np.exp(log_share), dtype=np.float64)


def _across(group: Ints, pattern: Ints) -> NDArray[np.bool_]:
    """Return which rows are equal to one of another group, shape (n,)."""
    return np.isin(pattern, pattern[group != group[pattern]])


def _told(
    file: str, what: str, pattern: Ints, which: NDArray[np.bool_], is_bad: Bad, numbers: Ints
) -> list[TableFinding]:
    if not which.any():
        return []
    _, member, size = np.unique(pattern[which], return_inverse=True, return_counts=True)
    events = np.bincount(member, weights=is_bad[which])
    mixed = (events > 0) & (events < size)
    differ = f"{int(mixed.sum())} with both outcomes" if mixed.any() else "none with both outcomes"
    message = f"{what}: {len(size)} pattern{'s' * (len(size) > 1)} of up to {int(size.max())} rows, {differ}"
    return [TableFinding(file, None, int(numbers[int(np.argmax(which))]), int(which.sum()), message)]
