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
from typing import Literal, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.features.months.items import SOURCES, FrameItems
from creditlink.engine.features.months.rows import (
    Column,
    Floats,
    Ints,
    Numbers,
    by_the_month,
    fill_silence,
    first_stranger,
    last_months,
    pool,
    speakers,
    trade,
)
from creditlink.engine.features.months.statistics import STATISTICS, fading, fill_windows
from creditlink.engine.features.months.window import Window

MONTHS = 36
"""How far back a window can reach; the longest look-back a consent can grant."""

QUARTER_BEFORE = 2
"""Months before the oldest that a row may begin in and still speak for it."""

RELEASED_BY = 15
"""Day of a month by which offices have released the month before: until then, silence about it says nothing.

Source: declarations are due on the 15th, and the month's invoices are released in its first days.
"""

BLOCK_FIRMS = 65_536
"""Firms whose windows become one polars frame: a partition, as a rule, so that no frames are joined."""

GRID_FIRMS = 256
"""Firms scattered at once: the months of an item and the rows behind them stay in the second-level cache."""

Cell = TypeVar("Cell", np.int32, np.float64)

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
        return series.to_numpy()
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


class Room:
    """Memory that every block of firms uses again."""

    def __init__(self, firms: int, kinds: int) -> None:
        self.rows, self.latest, self.once = (np.empty(k * MONTHS * firms, np.int32) for k in (kinds, kinds, 1))
        self.months, self.pooled, self.count = (np.empty(k * MONTHS * firms) for k in (kinds, 1, 1))
        self.trade: dict[str, Floats] = {}  # declared and invoiced sales, until both are read
        self.declared_by: Ints | None = None  # the declaration that speaks for each month

    @staticmethod
    def shaped(room: NDArray[Cell], *shape: int) -> NDArray[Cell]:
        """Return the beginning of `room` in this shape."""
        return room[: int(np.prod(shape))].reshape(shape)


DECLARED, INVOICED = "sales", "sold_amount"
TRADE_ITEMS = ("turnover", DECLARED, "declared_beside", "invoiced_beside")
"""Items of sales: by month, as declared, and as declared and as invoiced in the months that have both."""


class WindowPlan:
    """The windows to compute, by item, as `fill_windows` takes them."""

    def __init__(self, windows: Sequence[Window]) -> None:
        entries_of: dict[str, list[tuple[int, int, int, int]]] = {}
        for row, window in enumerate(windows):
            entry = (STATISTICS.index(window.statistic), window.first, window.last, row)
            entries_of.setdefault(window.item, []).append(entry)
        self.by_item = {item: np.array(entries, np.int64) for item, entries in entries_of.items()}
        # Sales follow from declarations and invoices together.
        self.trade_items = (DECLARED, INVOICED) if {*TRADE_ITEMS} & {*self.by_item} else ()
        self.items = {*self.by_item, *self.trade_items}

    def of(self, source: FrameItems) -> dict[str, tuple[str, ...]]:
        """Return the suffixes of a source that the windows need, each with its names."""
        named = {suffix: source.names(suffix) for suffix in source.items}
        return {suffix: names for suffix, names in named.items() if self.items & {*names}}


class FrameReader:
    """One frame, sorted by firm, cut into blocks of firms and read month by month."""

    def __init__(self, records: RecordSet, source: FrameItems, plan: WindowPlan, as_of: date) -> None:
        frame = records.frame(source.frame)
        if not frame["firm"].is_sorted():
            frame = frame.sort("firm", maintain_order=True)
        self.source, self.plan = source, plan
        self.suffixes = plan.of(source)
        needed = {c for suffix in self.suffixes for c in source.items[suffix].columns}
        self.span = _key(frame[source.span_column], null=1) if source.span_column else _ONE_KIND
        self.columns = {c: without_mask(frame[c]) for c in sorted(needed)}
        self.firm, self.period = _key(frame["firm"]), _key(frame["period"])
        self.known = _key(frame["known_on"], null=_NEVER)
        self.kind = _key(frame[source.kind_column]) if source.kind_column else _ONE_KIND
        if len(self.kind) and not 0 <= self.kind.min() <= self.kind.max() < len(source.prefixes):
            # The loops write where a kind sends them, without asking whether that is inside.
            row = int(np.argmax((self.kind < 0) | (self.kind >= len(source.prefixes))))
            raise ValueError(f"{source.frame}: column {source.kind_column} is null or unknown in row {row}")
        self.start, self.back = _month_of_day(as_of)
        self.today = day_number(as_of)
        self.newest = newest_released(as_of)

    def fill(self, firms: NDArray[np.int64], room: Room, begin: int, out: Floats) -> None:
        """Write the windows of this frame's items for `firms`, ascending, into columns of `out` from `begin`."""
        # Keys of the column's own type: numpy would turn the whole column into theirs.
        ends = firms[[0, -1]].astype(self.firm.dtype)
        first, last = (int(np.searchsorted(self.firm, end, side)) for end, side in zip(ends, _SIDES, strict=True))
        if first == last:
            return
        cut, source, n = slice(first, last), self.source, len(firms)
        kinds = len(source.prefixes)
        rows = Room.shaped(room.rows, kinds, MONTHS, n)
        speakers(
            self.firm[cut],
            self.period[cut],
            self.known[cut],
            self.kind[cut] if source.kind_column else _ONE_KIND,
            self.span[cut] if source.span_column else _ONE_KIND,
            firms,
            self.back,
            self.start,
            self.today,
            Room.shaped(room.latest, kinds, MONTHS, n),
            rows,
        )
        columns = {name: column[cut] for name, column in self.columns.items()}
        months = Room.shaped(room.months, kinds, MONTHS, n)
        once = Room.shaped(room.once, MONTHS, n)
        if source.span_column:
            last_months(rows[0], once)
            room.declared_by = rows[0].copy()
        for suffix, names in self.suffixes.items():
            formula = source.items[suffix]
            pooled = source.pooled is not None and bool(self.plan.items & {*names[-2:]})
            for kind in range(kinds):
                if pooled or names[kind] in self.plan.items:
                    read = [columns[c] for c in formula.columns]
                    speaking = once if formula.once else rows[kind]
                    formula.read(speaking, float(self.today), float(formula.constant), *read, months[kind])
                    if formula.silence:
                        fill_silence(months[kind], self.newest, months[kind])
                    self._windows(names[kind], months[kind], room, begin, out)
            if pooled:
                sums, count = (Room.shaped(part, MONTHS, n) for part in (room.pooled, room.count))
                pool(months, sums, count)
                self._windows(names[-2], sums, room, begin, out)
                self._windows(names[-1], count, room, begin, out)

    def _windows(self, item: str, months: Floats, room: Room, begin: int, out: Floats) -> None:
        if item in self.plan.trade_items:
            room.trade[item] = months.copy()
        if item in self.plan.by_item and item not in TRADE_ITEMS:
            fill_windows(months, _WEIGHTS, self.plan.by_item[item], begin, out)


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
    readers = []
    for source in SOURCES:
        if records.frame(source.frame).height and plan.of(source):
            reader = FrameReader(records, source, plan, as_of)
            refuse_unknown(reader.firm, firms, source.frame)
            readers.append(reader)
    room = Room(min(GRID_FIRMS, len(firms)), max((len(s.prefixes) for s in SOURCES), default=1))
    names = [w.column for w in windows]
    for begin in range(0, len(firms), BLOCK_FIRMS):
        block = firms[begin : begin + BLOCK_FIRMS]
        values = np.full((len(windows), len(block)), np.nan)
        for at in range(0, len(block), GRID_FIRMS):
            _fill(readers, plan, newest_released(as_of), block[at : at + GRID_FIRMS], room, at, values)
        flat = pl.Series(values.reshape(-1), nan_to_null=True)
        columns = [flat.slice(k * len(block), len(block)).alias(name) for k, name in enumerate(names)]
        yield block, pl.DataFrame(columns)


def _fill(
    readers: Iterable[FrameReader],
    plan: WindowPlan,
    newest: int,
    firms: NDArray[np.int64],
    room: Room,
    begin: int,
    out: Floats,
) -> None:
    room.trade.clear()
    room.declared_by = None
    for reader in readers:
        reader.fill(firms, room, begin, out)
    if not room.trade:
        return
    unknown = np.full((MONTHS, len(firms)), np.nan)
    declared, invoiced = (room.trade.get(item, unknown) for item in (DECLARED, INVOICED))
    if room.declared_by is not None:
        by_the_month(room.declared_by, declared, invoiced, declared)
    turnover = np.empty_like(unknown)
    trade(declared, invoiced, newest, turnover)
    both = ~(np.isnan(declared) | np.isnan(invoiced))
    beside = (np.where(both, months, np.nan) for months in (declared, invoiced))
    for item, months in zip(TRADE_ITEMS, (turnover, declared, *beside), strict=True):
        if item in plan.by_item:
            fill_windows(months, _WEIGHTS, plan.by_item[item], begin, out)


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
