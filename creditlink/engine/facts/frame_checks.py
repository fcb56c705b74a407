"""What a record frame may hold, column by column: checked before the compiled loops, which check nothing, see it.

A loop writes where a category's code sends it, so a null there is a write outside its memory. Every check is one
pass over whole columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS
from creditlink.engine.vocabulary import EARLIEST_FOUNDED, ENTITY_TYPES, LIFE_CYCLE

_FIRST_DAY, _LAST_DAY = EARLIEST_FOUNDED, date(2199, 12, 31)
_MOST_FEN = 10**17
Limits = tuple[date, date] | tuple[float, float]

_RANGES: dict[str, Limits] = {
    "ended_on": (_FIRST_DAY, date(9999, 12, 31)),  # bureaus write the last possible day for *without end*
    "hhi": (0.0, 1.0 + 1e-9),
    "severity": (1, 3),
    "usage": (-1e12, 1e12),  # a correction may take back
    "night_usage": (-1e12, 1e12),
    "weekend_usage": (-1e12, 1e12),
    "tonnes": (0.0, 1e12),
    "stored_tonnes": (0.0, 1e12),
    "months": (1, 3),
}
_REGISTERED = {
    "industry": (r"^[A-T]\d\d$", "a GB/T 4754 section letter and division"),
    "region": (r"^\d{6}$", "6 digits of GB/T 2260"),
    "entity_type": (f"^({'|'.join(ENTITY_TYPES)})$", f"one of {', '.join(ENTITY_TYPES)}"),
    "status": (f"^({'|'.join(LIFE_CYCLE)})$", f"one of {', '.join(LIFE_CYCLE)}"),
}


@dataclass(frozen=True, slots=True)
class FrameFault:
    """A value that cannot be: its column, its row from 0, and what is wrong."""

    column: str
    row: int
    problem: str

    def __str__(self) -> str:
        """Return it as one sentence without its file."""
        return f"column {self.column} {self.problem} in row {self.row}"


def fault(frame: pl.DataFrame, name: str, columns: Iterable[str] | None = None) -> FrameFault | None:
    """Return the first impossible value of a record frame whose columns have the right types; None if there is none.

    Parameters
    ----------
    columns : those to check; all of the frame's if not given.
    """
    looked_at = [column for column in (columns or FRAME_SCHEMAS[name]) if column in frame.columns]
    for column in looked_at:
        if frame[column].null_count() and column in needed(name):
            return FrameFault(column, int(frame[column].is_null().arg_max() or 0), "is null")
    if not frame.height:
        return None
    return _registration_fault(frame, looked_at) if name == "registration" else _range_fault(frame, looked_at)


def needed(name: str) -> frozenset[str]:
    """Return the columns of a frame that are never null: what identifies a fact, and since when it is known."""
    if name == "registration":
        return frozenset(("firm", *_REGISTERED))
    return frozenset((*FRAME_KEYS[name], "known_on"))


def _registration_fault(frame: pl.DataFrame, columns: Iterable[str]) -> FrameFault | None:
    for column, (form, wanted) in _REGISTERED.items():
        # A city of millions has a few thousand different ones.
        values = frame[column].unique() if column in columns else pl.Series([], dtype=pl.String)
        wrong = values.filter(~values.str.contains(form))
        if wrong.len():
            row = int((frame[column] == wrong[0]).arg_max() or 0)
            return FrameFault(column, row, f"is {frame[column][row]!r}, not {wanted},")
    return _range_fault(frame, columns)


def _range_fault(frame: pl.DataFrame, columns: Iterable[str]) -> FrameFault | None:
    ranges = {column: limits for column in columns if (limits := _range_of(column, frame.schema[column]))}
    extremes = frame.select(
        *(pl.col(column).min().alias(f"{column}:least") for column in ranges),
        *(pl.col(column).max().alias(f"{column}:most") for column in ranges),
    ).row(0, named=True)
    for column, (least, most) in ranges.items():
        low, high = extremes[f"{column}:least"], extremes[f"{column}:most"]
        if low is not None and (low < least or high > most):
            wrong = (pl.col(column) < least) | (pl.col(column) > most)
            row = int(frame.select(wrong.fill_null(value=False).arg_max()).item())
            return FrameFault(column, row, f"is {frame[column][row]}, not between {least} and {most},")
    if "period" in ranges and extremes["period:least"] is not None:
        inside = _within_a_month(frame["period"], extremes["period:least"], extremes["period:most"])
        if inside is not None:
            return FrameFault("period", inside, f"is {frame['period'][inside]}, not the first day of a month,")
    return None


def _within_a_month(periods: pl.Series, least: date, most: date) -> int | None:
    """Return the first row whose day is not the first of its month; a table of days is ten times as fast as rows."""
    days = np.arange(np.datetime64(least), np.datetime64(most) + 1)
    within = days != days.astype("datetime64[M]").astype("datetime64[D]")
    wrong = within[periods.cast(pl.Int32).to_numpy() - int(days[0].astype(np.int64))]
    return int(np.argmax(wrong)) if wrong.any() else None


def _range_of(column: str, kind: pl.DataType) -> Limits | None:
    if column in _RANGES:
        return _RANGES[column]
    if kind == pl.Date:
        return _FIRST_DAY, _LAST_DAY
    if kind == pl.Int64:
        return -_MOST_FEN, _MOST_FEN
    return (0, 2**31 - 1) if kind == pl.Int32 else None
