"""From long record frames to months counted back from `as_of`, and from those to window columns.

Each item of a frame becomes an array of shape (months, firms), newest month first, NaN where nothing
is known; the windows that the indicators need are computed from it and become the columns of one
polars frame, a row per firm. The loops are compiled (`rows`, `statistics`), take some hundred firms
at a time, whose arrays stay in the processor's cache, and no value depends on which other firms are
present.

Two rules keep the future out. A row counts only if it was known on `as_of`, and among the rows of
one key the one known last counts (see `facts.frames.as_known`). A month counts only if it
ended before the month of `as_of` began. Dates inside a row (filed, paid) are read as of `as_of` too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.features.months.cells import (
    GRID_MARGIN,
    NO_ROW,
    first_stranger,
    item_windows,
    speakers,
    trade_windows,
    who_speaks,
)
from creditlink.engine.features.months.items import SOURCES, Formula, FrameItems
from creditlink.engine.features.months.rows import Column, Floats, Ints, Numbers
from creditlink.engine.features.months.statistics import STATISTICS, fading
from creditlink.engine.features.months.window import Window

MONTHS = 36
"""How far back a window can reach; the longest look-back a consent can grant."""

QUARTER_BEFORE = 2
"""Months before the oldest that a row may begin in and still speak for it."""

RELEASED_BY = 15
"""Day of a month by which offices have released the month before: until then, silence about it says nothing.

Source: declarations are due on the 15th, and the month's invoices are released in its first days.
"""

FRAME_FIRMS = 65_536
"""Firms whose windows become one polars frame: a partition, as a rule, so that no frames are joined."""

BLOCK_FIRMS = 2048
"""Firms whose rows are read by one call of each loop, of which there are a hundred."""

GRID_FIRMS = 256
"""Firms whose months are in a grid at once: those of an item stay in the second-level cache."""

WindowEntry = tuple[int, int, int, int]
"""Statistic, first and last month back, and row of the result: what `fill_windows` takes."""

_EPOCH = date(1970, 1, 1)
_WEIGHTS = fading(MONTHS)
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
_ONE_KIND = np.empty(0, np.int32)
_INT32, _INT64 = (int(np.iinfo(kind).min) for kind in (np.int32, np.int64))
_NEVER = int(np.iinfo(np.int32).max)


def day_number(day: date) -> int:
    """Days since 1970-01-01: how dates are stored in a frame."""
    return (day - _EPOCH).days


@lru_cache(maxsize=256)
def _month_of_day(as_of: date) -> tuple[int, NDArray[np.int64]]:
    """Return the first day that a row may begin on and, for each day from there, the 0-based month back."""
    this = np.datetime64(as_of, "M")
    start = (this - MONTHS - QUARTER_BEFORE).astype("datetime64[D]")
    days = np.arange(start, this.astype("datetime64[D]"))
    back = (this - days.astype("datetime64[M]")).astype(np.int64) - 1
    return int(start.astype(np.int64)), back


def numbers(series: pl.Series) -> Numbers:
    """Return a column as numbers: days for dates, codes for categories, NaN for null."""
    if series.dtype == pl.Enum:
        series = series.to_physical()
    elif series.dtype == pl.Date:
        series = series.cast(pl.Int32)  # a tenth of the cost of to_physical, which plans a query
    elif series.dtype == pl.Boolean:
        series = series.cast(pl.UInt8)
    return series.to_numpy()


def without_mask(series: pl.Series, null: int = _INT32) -> Column:
    """Return a column as `rows` reads it: int32, int64 or float64, `null` (or its like) where it is null."""
    kind = series.dtype
    if kind == pl.Float64:
        # To replace nulls first is twice as fast as to have them replaced while the column is copied.
        return series.fill_null(np.nan).to_numpy()
    if kind == pl.Enum:
        series = series.to_physical()
    if kind != pl.Int64 and series.dtype != pl.Int32:
        series = series.cast(pl.Int32)
    if series.null_count():
        series = series.fill_null(_INT64 if kind == pl.Int64 else null)
    return series.to_numpy()


def _key(series: pl.Series, null: int = _INT32) -> Ints:
    """Return a column that says what a row is of; all of them are int32."""
    return without_mask(series, null).astype(np.int32, copy=False)


DECLARED, INVOICED = "sales", "sold_amount"
TRADE_ITEMS = ("turnover", DECLARED, "declared_beside", "invoiced_beside")
"""Items of sales: by month, as declared, and as declared and as invoiced in the months that have both."""


class WindowTable:
    """Windows of several items together, as `item_windows` takes them: those of item k from `starts[k]` on."""

    def __init__(self, entries: Sequence[Sequence[WindowEntry]]) -> None:
        self.starts = np.cumsum([0, *map(len, entries)])
        # Windows that begin together go on from each other's sums, the shortest first.
        ordered = [entry for one in entries for entry in sorted(one, key=lambda entry: (entry[1], entry[2]))]
        self.windows = np.array(ordered, np.int64).reshape(-1, 4)


class WindowPlan:
    """The windows to compute, by item."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self.by_item: dict[str, list[WindowEntry]] = {}
        for row, window in enumerate(windows):
            entry = (STATISTICS.index(window.statistic), window.first, window.last, row)
            self.by_item.setdefault(window.item, []).append(entry)
        # Sales follow from declarations and invoices together.
        self.trade_items = (DECLARED, INVOICED) if {*TRADE_ITEMS} & {*self.by_item} else ()
        self.items = {*self.by_item, *self.trade_items}

    def of(self, source: FrameItems) -> dict[str, tuple[str, ...]]:
        """Return the suffixes of a source that the windows need, each with its names."""
        named = {suffix: source.names(suffix) for suffix in source.items}
        return {suffix: names for suffix, names in named.items() if self.items & {*names}}

    def table(self, names: Iterable[str]) -> WindowTable:
        """Return the windows of these items."""
        return WindowTable([self.by_item.get(name, []) for name in names])


class Room:
    """Memory that every block of firms uses again."""

    def __init__(self, firms: int, kinds: int) -> None:
        self.lists = max(kinds, 2)
        self.columns = np.empty(firms, np.int64)
        self.begins = np.empty((self.lists, firms + 1), np.int32)
        self.row = np.empty(self.lists * MONTHS * firms, np.uint32)
        self.month = np.empty(self.lists * MONTHS * firms, np.uint8)
        self.values = np.empty(self.lists * MONTHS * firms)
        self.grid = np.empty((max(kinds + 2, 5), MONTHS, min(GRID_FIRMS, firms) + GRID_MARGIN))


class Sales:
    """What is known of the sales of a block of firms, until declarations and invoices are both read."""

    def __init__(self, firms: int) -> None:
        self.months = {item: np.full((MONTHS, firms), np.nan) for item in (DECLARED, INVOICED)}
        self.declared_by = np.full((MONTHS, firms), NO_ROW, np.int32)


class GridItem:
    """One formula of a frame: which of its kinds are read, and the windows of these and of all kinds together."""

    def __init__(self, formula: Formula, names: tuple[str, ...], kinds: int, plan: WindowPlan) -> None:
        self.formula = formula
        self.pooled = len(names) > kinds and bool(plan.items & {*names[kinds:]})
        self.used = np.array([self.pooled or name in plan.items for name in names[:kinds]])
        kept = [k for k, name in enumerate(names[:kinds]) if name in plan.trade_items]
        self.kept = kept[0] if kept else -1
        self.trades = names[self.kept] if kept else None
        windows = [() if name in TRADE_ITEMS else plan.by_item.get(name, ()) for name in names]
        self.table = WindowTable([*windows, *[()] * (kinds + 2 - len(names))])


class FrameReader:
    """One frame, sorted by firm, cut into blocks of firms and read month by month."""

    def __init__(self, records: RecordSet, source: FrameItems, plan: WindowPlan, as_of: date) -> None:
        frame = records.frame(source.frame)
        if not frame["firm"].is_sorted():
            frame = frame.sort("firm", maintain_order=True)
        self.kinds = len(source.prefixes)
        self.items = [
            GridItem(source.items[suffix], names, self.kinds, plan) for suffix, names in plan.of(source).items()
        ]
        self.span = _key(frame[source.span_column], null=1) if source.span_column else _ONE_KIND
        needed = {c for item in self.items for c in item.formula.columns}
        self.columns = {c: without_mask(frame[c]) for c in sorted(needed)}
        self.firm, self.period = _key(frame["firm"]), _key(frame["period"])
        self.known = _key(frame["known_on"], null=_NEVER)
        self.kind = _key(frame[source.kind_column]) if source.kind_column else _ONE_KIND
        if len(self.kind) and not 0 <= self.kind.min() <= self.kind.max() < self.kinds:
            # The loops write where a kind sends them, without asking whether that is inside.
            row = int(np.argmax((self.kind < 0) | (self.kind >= self.kinds)))
            raise ValueError(f"{source.frame}: column {source.kind_column} is null or unknown in row {row}")
        self.start, self.back = _month_of_day(as_of)
        self.today = day_number(as_of)
        self.newest = newest_released(as_of)

    def fill(self, firms: NDArray[np.int64], room: Room, sales: Sales, begin: int, out: Floats) -> None:
        """Write the windows of this frame's items for `firms`, ascending, into columns of `out` from `begin`."""
        # Keys of the column's own type: numpy would turn the whole column into theirs.
        ends = firms[[0, -1]].astype(self.firm.dtype)
        first, last = (int(np.searchsorted(self.firm, end, side)) for end, side in zip(ends, _SIDES, strict=True))
        if first == last:
            return
        cut, spans = slice(first, last), len(self.span) > 0
        lists = 2 if spans else self.kinds
        size = lists * MONTHS * len(firms)
        row, month = room.row[:size].reshape(lists, -1), room.month[:size].reshape(lists, -1)
        values = room.values[:size].reshape(lists, -1)
        begins = room.begins[:lists]
        listed = speakers(
            self.firm[cut],
            self.period[cut],
            self.known[cut],
            self.kind[cut] if len(self.kind) else _ONE_KIND,
            self.span[cut] if spans else _ONE_KIND,
            firms,
            self.back,
            self.start,
            self.today,
            room.columns,
            begins,
            row,
            month,
        )
        chosen = room.columns[:listed]
        counts = begins[:, listed]
        rows = [row[number, :count] for number, count in enumerate(counts.tolist())]
        columns = {name: column[cut] for name, column in self.columns.items()}
        if spans:
            who_speaks(chosen, begins[0], row[0], month[0], sales.declared_by)
        for item in self.items:
            formula = item.formula
            read = [columns[c] for c in formula.columns]
            one = 1 if formula.once else 0
            lists_of_item = slice(one, one + self.kinds)
            for number, used in enumerate(item.used.tolist(), one):
                if used:
                    out_of = values[number, : len(rows[number])]
                    formula.read(rows[number], float(self.today), float(formula.constant), *read, out_of)
            item_windows(
                values[lists_of_item],
                item.used,
                begins[lists_of_item],
                month[lists_of_item],
                chosen,
                self.newest if formula.silence else -1,
                item.pooled,
                item.table.starts,
                item.table.windows,
                _WEIGHTS,
                room.grid[: self.kinds + 2],
                item.kept,
                out if item.trades is None else sales.months[item.trades],
                begin,
                out,
            )


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
        A frame has a firm that the registration lacks.
    """
    firms = np.sort(records.registration["firm"].to_numpy()).astype(np.int64)
    plan = WindowPlan(windows)
    trade_table = plan.table(TRADE_ITEMS)
    readers = []
    for source in SOURCES:
        if records.frame(source.frame).height and plan.of(source):
            reader = FrameReader(records, source, plan, as_of)
            refuse_unknown(reader.firm, firms, source.frame)
            readers.append(reader)
    n = min(BLOCK_FIRMS, len(firms))
    room = Room(n, max((len(s.prefixes) for s in SOURCES), default=1))
    names = [w.column for w in windows]
    for begin in range(0, len(firms), FRAME_FIRMS):
        block = firms[begin : begin + FRAME_FIRMS]
        values = np.full((len(windows), len(block)), np.nan)
        for at in range(0, len(block), BLOCK_FIRMS):
            _fill(readers, plan, trade_table, newest_released(as_of), block[at : at + BLOCK_FIRMS], room, at, values)
        flat = pl.Series(values.reshape(-1), nan_to_null=True)
        columns = [flat.slice(k * len(block), len(block)).alias(name) for k, name in enumerate(names)]
        yield block, pl.DataFrame(columns)


def _fill(
    readers: Iterable[FrameReader],
    plan: WindowPlan,
    trade_table: WindowTable,
    newest: int,
    firms: NDArray[np.int64],
    room: Room,
    begin: int,
    out: Floats,
) -> None:
    sales = Sales(len(firms))
    for reader in readers:
        reader.fill(firms, room, sales, begin, out)
    if plan.trade_items:
        trade_windows(
            sales.declared_by,
            sales.months[DECLARED],
            sales.months[INVOICED],
            newest,
            trade_table.starts,
            trade_table.windows,
            _WEIGHTS,
            room.grid,
            begin,
            out,
        )


def newest_released(as_of: date) -> int:
    """Return the newest month back, from 0, of which silence says that there was nothing."""
    return 0 if as_of.day >= RELEASED_BY else 1


def columns_read(frame: str, windows: Iterable[Window]) -> tuple[str, ...]:
    """Return the columns of a record frame that are read for these windows, its keys first; empty: none."""
    plan = WindowPlan(tuple(windows))
    for source in SOURCES:
        if source.frame == frame and (suffixes := plan.of(source)):
            keys = ["firm", "period", *filter(None, (source.kind_column, source.span_column)), "known_on"]
            return tuple(dict.fromkeys([*keys, *(c for s in suffixes for c in source.items[s].columns)]))
    return ()


def refuse_unknown(present: Numbers, firms: NDArray[np.int64], frame: str) -> None:
    """Raise ValueError when `frame` has a firm that is not among the registered `firms`; both ascending."""
    stranger = first_stranger(present, firms)
    if stranger >= 0:
        raise ValueError(f"{frame}: firm {int(present[stranger])} is not in the registration")
