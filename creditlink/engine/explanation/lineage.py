"""What an indicator reads: which frames, columns, kinds and months, told by its own expression. Pure.

Nothing is listed here by hand. The windows in an expression name items, the items name columns, and the same functions
that plan a computation say which; so that an indicator which reads something new tells of it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Literal

import polars as pl

from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.months import events
from creditlink.engine.features.months.grid import DECLARED, INVOICED, MONTHS, TRADE_ITEMS, WindowPlan, columns_read
from creditlink.engine.features.months.items import SOURCES, FrameItems
from creditlink.engine.features.months.window import Window

Role = Literal["value", "spread", "bounds"]
"""What a row is read for. value: its numbers are in a window. spread: a declaration of several months is spread over
them as these invoices moved. bounds: only that it is there, since silence says something only within a record."""

_REGISTERED = {"age_months": "established_on"}
"""Column that an expression reads of the registration -> the one that it is computed from, where that is another."""

_TURNOVER = TRADE_ITEMS[0]


@dataclass(frozen=True)
class Span:
    """Months `first` to `last` before the month of the day, of one kind of rows; `kind` None: of every kind."""

    kind: str | None
    first: int
    last: int
    once: bool = False  # a row of several months is read in the newest of them only


@dataclass(frozen=True)
class Bound:
    """Where the record begins, and `newest`: where it ends; of rows that have all of `columns`."""

    kind: str | None
    columns: tuple[str, ...]
    newest: bool


@dataclass(frozen=True)
class FrameReading:
    """What is read of one record frame; `spans` None: every row known on the day."""

    frame: str
    columns: tuple[str, ...]  # beside what identifies a row and when it was known; none: only that there is a row
    spans: frozenset[Span] | None
    kind_column: str | None = None
    span_column: str | None = None  # the months that a row covers; without, one
    bounds: frozenset[Bound] = frozenset()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of rows that are read; empty: rows of this frame have none, or all are read."""
        return tuple(sorted({span.kind for span in self.spans or () if span.kind is not None}))

    def reads(self, row: StoredRow, as_of: date) -> bool:
        """Return whether a row's numbers are read."""
        if self.spans is None:
            return row.period <= as_of
        oldest, newest = row.months_back(as_of)
        newest = max(newest, 1)  # of a period that is not over, its months so far
        return newest <= oldest and any(
            span.kind in (None, row.kind) and newest <= span.last and span.first <= (newest if span.once else oldest)
            for span in self.spans
        )


@dataclass(frozen=True)
class StoredRow:
    """A row of a frame, as far as it decides whether it is read."""

    kind: str | None  # what it has in the kind column, if the frame has one
    period: date
    months: int = 1  # that it covers, from `period` on
    values: Mapping[str, object] = field(default_factory=dict)

    def months_back(self, as_of: date) -> tuple[int, int]:
        """Return how many months before that of the day its oldest and its newest month are."""
        oldest = (as_of.year - self.period.year) * 12 + as_of.month - self.period.month
        return oldest, oldest - self.months + 1


@dataclass(frozen=True)
class IndicatorReading:
    """All that one indicator reads."""

    frames: tuple[FrameReading, ...]
    registration: tuple[str, ...]  # columns
    reference: tuple[str, ...]  # columns of the model's industry table: `reference:<value>:<part>`

    def of(self, frame: str) -> FrameReading | None:
        """Return what it reads of a frame; None: nothing."""
        return next((reading for reading in self.frames if reading.frame == frame), None)

    def rows_read(self, rows: Mapping[str, Sequence[StoredRow]], as_of: date) -> dict[str, dict[int, Role]]:
        """Return which rows were read, and what for: frame -> place in its rows -> role.

        Parameters
        ----------
        rows : frame -> the rows of one firm that were known on the day, one of each key
        """
        found: dict[str, dict[int, Role]] = {}
        for one in self.frames:
            there = rows.get(one.frame, ())
            roles: dict[int, Role] = {place: "value" for place, row in enumerate(there) if one.reads(row, as_of)}
            for place in _bounding(one, there, as_of):
                roles.setdefault(place, "bounds")
            found[one.frame] = roles
        for frame, place in self._spread(rows, found, as_of):
            if found[frame].get(place) != "value":
                found[frame][place] = "spread"
        return {frame: dict(sorted(roles.items())) for frame, roles in found.items()}

    def _spread(
        self, rows: Mapping[str, Sequence[StoredRow]], found: Mapping[str, Mapping[int, Role]], as_of: date
    ) -> Iterator[tuple[str, int]]:
        """Yield the invoices over whose months a declaration that is read is spread."""
        (declared, _), (invoiced, kind) = _home(DECLARED), _home(INVOICED)
        if self.of(declared) is None or self.of(invoiced) is None:
            return
        months: set[int] = set()
        for place, role in found[declared].items():
            row = rows[declared][place]
            if role == "value" and row.months > 1:
                oldest, newest = row.months_back(as_of)
                months |= set(range(newest, oldest + 1))
        for place, row in enumerate(rows.get(invoiced, ())):
            if row.kind == kind and row.months_back(as_of)[0] in months:
                yield invoiced, place


def _bounding(one: FrameReading, rows: Sequence[StoredRow], as_of: date) -> set[int]:
    """Return the rows that only bound the record: of each kind, within the months that are ever read."""
    found: set[int] = set()
    for bound in one.bounds:
        by_kind: dict[str | None, list[tuple[int, int]]] = {}
        for place, row in enumerate(rows):
            oldest, newest = row.months_back(as_of)
            is_within = newest <= MONTHS and oldest >= 1 and bound.kind in (None, row.kind)
            if is_within and all(row.values.get(column) is not None for column in bound.columns):
                by_kind.setdefault(row.kind, []).append((oldest, place))
        for places in by_kind.values():
            found.add(max(places)[1])
            if bound.newest:
                found.add(min(places)[1])
    return found


@lru_cache(maxsize=512)
def reading_of(indicator: str) -> IndicatorReading:
    """Return what an indicator reads.

    Raises
    ------
    KeyError
        There is no such indicator.
    ValueError
        Its expression reads a column of which nobody knows where it comes from.
    """
    names = sorted(set(BY_NAME[indicator].expression.meta.root_names()))
    windows = [window for name in names if (window := Window.parse(name)) is not None]
    registered: set[str] = set()
    compared: set[str] = set()
    frames = {one.frame: one for source in SOURCES if (one := _monthly(source, windows)) is not None}
    for name in names:
        prefix, _, column = name.partition(":")
        if Window.parse(name) is not None:
            continue
        if prefix == "registration":
            registered.add(_REGISTERED.get(column, column))
        elif prefix == "reference":
            compared.add(name)
            registered.add("industry")
        elif name in events.COLUMNS:
            for one in _counted(name):
                frames.setdefault(one.frame, one)
        else:
            raise ValueError(f"indicator {indicator}: where its column {name!r} comes from is not known")
    return IndicatorReading(tuple(frames.values()), tuple(sorted(registered)), tuple(sorted(compared)))


def _counted(name: str) -> Iterator[FrameReading]:
    """Yield what is read to count events: all of them, and of taxes whether the office told anything."""
    public, tax = events.FRAMES
    if name in events.PUBLIC:
        yield FrameReading(public, _columns(public, FRAME_SCHEMAS[public]), None, "kind")
    else:
        yield FrameReading(tax, _columns(tax, FRAME_SCHEMAS[tax]), None, "kind")
        yield FrameReading("tax_standing", (), frozenset(), bounds=frozenset({Bound(None, (), newest=False)}))


def _monthly(source: FrameItems, windows: Iterable[Window]) -> FrameReading | None:
    spans: set[Span] = set()
    bounds: set[Bound] = set()
    read: list[Window] = []
    for window in windows:
        plan = WindowPlan([window])
        suffixes = plan.of(source)
        read += [window] if suffixes else []
        for suffix, names in suffixes.items():
            formula = source.items[suffix]
            for kind in _kinds(source, names, plan.items):
                spans.add(Span(kind, window.first, window.last, formula.once))
                if formula.silence or window.item == _TURNOVER:
                    bounds.add(Bound(kind, formula.columns, newest=window.item == _TURNOVER))
    if not read:
        return None
    columns = _columns(source.frame, columns_read(source.frame, read))
    return FrameReading(
        source.frame, columns, frozenset(spans), source.kind_column, source.span_column, frozenset(bounds)
    )


def _kinds(source: FrameItems, names: tuple[str, ...], items: set[str]) -> set[str | None]:
    """Return the kinds of rows that the wanted ones of some items come from; None: all, or the frame has none."""
    if source.kind_column is None:
        return {None}
    own, added = names[: len(source.prefixes)], names[len(source.prefixes) :]
    if items & {*added}:
        return {None}
    return {code for code, name in zip(_codes(source), own, strict=True) if name in items}


def _codes(source: FrameItems) -> list[str]:
    kinds = FRAME_SCHEMAS[source.frame][source.kind_column or ""]
    assert isinstance(kinds, pl.Enum)  # noqa: S101 (codes index `prefixes`, so it has categories; for the type checker)
    return kinds.categories.to_list()


@lru_cache(maxsize=8)
def _home(item: str) -> tuple[str, str | None]:
    """Return the frame and the kind of rows that an item comes from."""
    for source in SOURCES:
        for suffix in source.items:
            names = source.names(suffix)
            if item in names:
                return source.frame, None if source.kind_column is None else _codes(source)[names.index(item)]
    raise KeyError(item)


def _columns(frame: str, columns: Iterable[str]) -> tuple[str, ...]:
    own = {*FRAME_KEYS[frame], "known_on", "period"}
    return tuple(column for column in columns if column not in own)
