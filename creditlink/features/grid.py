"""From long record frames to months counted back from `as_of`, and from those to window columns.

Each item of a frame is scattered into an array of shape (months, firms), newest month first, NaN
where nothing is known; the windows that the indicators ask for are computed from it and become the
columns of one polars frame, a row per firm. Scattering costs nanoseconds per fact and no value
depends on which other firms are present.

Two rules keep the future out. A row counts only if it was known on `as_of`, and among the rows of
one key the one known last holds (as `records.frames.as_known` says). A month counts only if it
ended before the month of `as_of` began. Dates inside a row (filed, paid) are read as of `as_of` too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.features.items import SOURCES, Source
from creditlink.features.window import KERNELS, Months, Window
from creditlink.records.frames import RecordSet

MONTHS = 36
"""How far back any window may reach; the longest look-back a consent may grant."""

BLOCK_FIRMS = 4096
"""Firms computed at once: the arrays of a block stay in the processor's cache."""

Values = NDArray[Any]

_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01: how dates are stored in a frame."""
    return (day - _EPOCH).days


@lru_cache(maxsize=256)
def _month_of_day(as_of: date) -> tuple[int, NDArray[np.int64]]:
    """Return the first day of the oldest month and, for each day from there, the 0-based month back."""
    this = np.datetime64(as_of, "M")
    start = (this - MONTHS).astype("datetime64[D]")
    days = np.arange(start, this.astype("datetime64[D]"))
    back = (this - days.astype("datetime64[M]")).astype(np.int64) - 1
    return int(start.astype(np.int64)), back


def numbers(series: pl.Series) -> Values:
    """Return a column as numbers: days for dates, codes for categories, NaN for null."""
    if series.dtype == pl.Enum:
        series = series.to_physical()
    elif series.dtype == pl.Date:
        series = series.cast(pl.Int32)  # a tenth of the cost of to_physical, which plans a query
    elif series.dtype == pl.Boolean:
        series = series.cast(pl.UInt8)
    return series.to_numpy()


class FrameReader:
    """One frame, sorted by firm, cut into blocks of firms and scattered into months."""

    def __init__(self, records: RecordSet, source: Source, items: Set[str], as_of: date) -> None:
        frame = records.frame(source.frame)
        if not frame["firm"].is_sorted():
            frame = frame.sort("firm", maintain_order=True)
        self.source, self.as_of = source, as_of
        self.suffixes = [s for s in source.items if any(name in items for name in source.names(s))]
        needed = {c for s in self.suffixes for c in source.items[s][0]}
        self.wanted = items
        self.columns = {c: numbers(frame[c]) for c in sorted(needed)}
        self.firm, self.period, self.known = (numbers(frame[c]) for c in ("firm", "period", "known_on"))
        self.kind = numbers(frame[source.kind_column]) if source.kind_column else None

    def scatter(self, firms: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return item -> array (MONTHS, len(firms)) of what was known; no entry when there is no row.

        `firms` is sorted.
        """
        begin, end = np.searchsorted(self.firm, [firms[0], firms[-1] + 1])
        if begin == end:
            return {}
        cut = slice(int(begin), int(end))
        start, back = _month_of_day(self.as_of)
        today = day_number(self.as_of)
        day = self.period[cut].astype(np.int64) - start
        ok = (self.known[cut] <= today) & (day >= 0) & (day < len(back))
        keep = np.flatnonzero(ok)
        place = np.searchsorted(firms, self.firm[cut][keep])
        size = MONTHS * len(firms)
        cell = back[day[keep]] * len(firms) + place
        if self.kind is not None:
            cell += self.kind[cut][keep].astype(np.int64) * size
        # The latest known row of a cell must be written last. Corrections are rare: only they are sorted.
        total = size * len(self.source.prefixes)
        again = np.bincount(cell, minlength=total)[cell] > 1
        if again.any():
            by_known = np.flatnonzero(again)
            by_known = by_known[np.argsort(self.known[cut][keep[by_known]], kind="stable")]
            order = np.concatenate([np.flatnonzero(~again), by_known])
            keep, cell = keep[order], cell[order]
        rows = {name: column[cut][keep].astype(np.float64) for name, column in self.columns.items()}
        out: dict[str, NDArray[np.float64]] = {}
        for suffix in self.suffixes:
            grid = np.full(total, np.nan)
            grid[cell] = self.source.items[suffix][1](rows, today)
            names, kinds = self.source.names(suffix), grid.reshape(-1, MONTHS, len(firms))
            out.update(zip(names, kinds, strict=False))
            if self.source.pooled is not None and self.wanted & {*names[-2:]}:
                out[names[-2]], out[names[-1]] = _pool(kinds)
        return out


def _pool(kinds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum over kinds, in their order, and the number known; both NaN where none is."""
    sums, count = np.zeros(kinds.shape[1:]), np.zeros(kinds.shape[1:])
    for kind in kinds:
        seen = ~np.isnan(kind)
        sums += np.where(seen, kind, 0.0)
        count += seen
    return np.where(count > 0, sums, np.nan), np.where(count > 0, count, np.nan)


def window_blocks(
    records: RecordSet, as_of: date, windows: Sequence[Window]
) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
    """Yield, block by block of firms, the firm numbers and a frame with one column per window.

    Parameters
    ----------
    windows : the windows to compute; all of them become columns, null where nothing is known.

    Raises
    ------
    ValueError
        A frame holds a firm that the registration does not.
    """
    firms = np.sort(records.registration["firm"].to_numpy()).astype(np.int64)
    items = {w.item for w in windows}
    if "turnover" in items:
        items |= {"sales", "sold_amount"}
    readers = []
    for source in SOURCES:
        if records.frame(source.frame).height and any(n in items for s in source.items for n in source.names(s)):
            reader = FrameReader(records, source, items, as_of)
            refuse_unknown(reader.firm, firms, source.frame)
            readers.append(reader)
    names = [w.column for w in windows]
    for begin in range(0, len(firms), BLOCK_FIRMS):
        block = firms[begin : begin + BLOCK_FIRMS]
        grids: dict[str, NDArray[np.float64]] = {}
        for reader in readers:
            grids |= reader.scatter(block)
        _add_turnover(grids)
        items_of_block = {name: Months(grid) for name, grid in grids.items()}
        values = np.full((len(windows), len(block)), np.nan)
        for row, window in zip(values, windows, strict=True):
            months = items_of_block.get(window.item)
            if months is not None:
                row[:] = KERNELS[window.statistic](months, window.first, window.last)
        flat = pl.Series(values.reshape(-1), nan_to_null=True)
        columns = [flat.slice(k * len(block), len(block)).alias(name) for k, name in enumerate(names)]
        yield block, pl.DataFrame(columns)


def _add_turnover(grids: dict[str, NDArray[np.float64]]) -> None:
    """Add sales as declared and, in months without a declaration, as invoiced."""
    declared, invoiced = grids.get("sales"), grids.get("sold_amount")
    if declared is not None and invoiced is not None:
        grids["turnover"] = np.where(np.isnan(declared), invoiced, declared)
    elif declared is not None:
        grids["turnover"] = declared
    elif invoiced is not None:
        grids["turnover"] = invoiced


def refuse_unknown(present: Values, firms: NDArray[np.int64], frame: str) -> None:
    """Raise ValueError when `frame` holds a firm that is not among the registered `firms` (sorted)."""
    at = np.minimum(np.searchsorted(firms, present), len(firms) - 1)
    strange = np.flatnonzero(firms[at] != present) if len(firms) else np.arange(len(present))
    if len(strange):
        raise ValueError(f"{frame}: firm {int(present[strange[0]])} is not in the registration")
