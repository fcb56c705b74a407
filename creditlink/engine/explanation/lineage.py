"""What an indicator reads: which frames, columns, kinds and months, told by its own expression. Pure.

Nothing is listed here by hand. The windows in an expression name items, the items name columns, and the same functions
that plan a computation say which; so that an indicator which reads something new tells of it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import polars as pl

from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.months.grid import WindowPlan, columns_read
from creditlink.engine.features.months.items import SOURCES, FrameItems
from creditlink.engine.features.months.window import Window

_COUNTED = {"events": "credit_events"}
"""Prefix of columns that count dated events -> the frame they count; any other such prefix is its frame's own name."""

_REGISTERED = {"age_months": "established_on"}
"""Column that an expression reads of the registration -> the one that it is computed from, where that is another."""


@dataclass(frozen=True)
class Span:
    """Months `first` to `last` before the month of the day, of one kind of rows; `kind` None: of every kind."""

    kind: str | None
    first: int
    last: int


@dataclass(frozen=True)
class FrameReading:
    """What is read of one record frame; `spans` None: every row known on the day."""

    frame: str
    columns: tuple[str, ...]  # beside what identifies a row and when it was known
    spans: frozenset[Span] | None
    kind_column: str | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of rows that are read; empty: rows of this frame have none, or all are read."""
        return tuple(sorted({span.kind for span in self.spans or () if span.kind is not None}))

    @property
    def furthest(self) -> int | None:
        """Return how many months it looks back; None: without end."""
        return None if self.spans is None else max(span.last for span in self.spans)

    def reads(self, kind: str | None, period: date, as_of: date, *, months: int = 1) -> bool:
        """Return whether a row is read.

        Parameters
        ----------
        kind : what the row has in the kind column, if the frame has one
        period : its first month
        months : how many months it covers from there
        """
        if self.spans is None:
            return period <= as_of
        oldest = (as_of.year - period.year) * 12 + as_of.month - period.month
        newest = oldest - months + 1
        return any(span.kind in (None, kind) and newest <= span.last and span.first <= oldest for span in self.spans)


@dataclass(frozen=True)
class IndicatorReading:
    """All that one indicator reads."""

    frames: tuple[FrameReading, ...]
    registration: tuple[str, ...]  # columns
    reference: tuple[str, ...]  # columns of the model's industry table: `reference:<value>:<part>`

    def of(self, frame: str) -> FrameReading | None:
        """Return what it reads of a frame; None: nothing."""
        return next((reading for reading in self.frames if reading.frame == frame), None)


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
    counted: set[str] = set()
    compared: set[str] = set()
    for name in names:
        prefix, colon, column = name.partition(":")
        if Window.parse(name) is not None:
            continue
        if prefix == "registration" and colon:
            registered.add(_REGISTERED.get(column, column))
        elif prefix == "reference" and colon:
            compared.add(name)
            registered.add("industry")
        elif _COUNTED.get(prefix, prefix) in FRAME_SCHEMAS and colon:
            counted.add(_COUNTED.get(prefix, prefix))
        else:
            raise ValueError(f"indicator {indicator}: where its column {name!r} comes from is not known")
    frames = [reading for source in SOURCES if (reading := _monthly(source, windows)) is not None]
    frames += [FrameReading(frame, _columns(frame, FRAME_SCHEMAS[frame]), None) for frame in sorted(counted)]
    return IndicatorReading(tuple(frames), tuple(sorted(registered)), tuple(sorted(compared)))


def _monthly(source: FrameItems, windows: Iterable[Window]) -> FrameReading | None:
    spans: set[Span] = set()
    read: list[Window] = []
    for window in windows:
        plan = WindowPlan([window])
        suffixes = plan.of(source)
        if not suffixes:
            continue
        read.append(window)
        for kind in _kinds(source, suffixes.values(), plan.items):
            spans.add(Span(kind, window.first, window.last))
    if not read:
        return None
    columns = _columns(source.frame, columns_read(source.frame, read))
    return FrameReading(source.frame, columns, frozenset(spans), source.kind_column)


def _kinds(source: FrameItems, suffixes: Iterable[tuple[str, ...]], items: set[str]) -> set[str | None]:
    """Return the kinds of rows that these items come from; None: all of them, or the frame has none."""
    if source.kind_column is None:
        return {None}
    kind_type = FRAME_SCHEMAS[source.frame][source.kind_column]
    assert isinstance(kind_type, pl.Enum)  # noqa: S101 (codes index `prefixes`, so it has categories; for the type checker)
    codes = kind_type.categories.to_list()
    found: set[str | None] = set()
    for names in suffixes:
        own, added = names[: len(source.prefixes)], names[len(source.prefixes) :]
        if items & {*added}:
            return {None}
        found |= {code for code, name in zip(codes, own, strict=True) if name in items}
    return found


def _columns(frame: str, columns: Iterable[str]) -> tuple[str, ...]:
    own = {*FRAME_KEYS[frame], "known_on", "period"}
    return tuple(column for column in columns if column not in own)
