"""The records of an office: a city's frames on disk, one firm's rows at a time.

A city is written up to its last month, whose last rows offices learn on the 20th after. An office tells what it has
learned by today, and no row of a later day.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS
from creditlink.kit.clock import day_of, month_index, utc_now
from creditlink.kit.files.parquetfile import ParquetUnreadable, table_of

Row = TypeVar("Row", bound=NamedTuple)

_FIRMS = {"firm": pl.Int32, "uscc": pl.String}


class HoldingsError(Exception):
    """The folder is not a city; the message says what is missing."""


def current_day() -> date:
    """Return today in Shanghai."""
    return day_of(utc_now())


class Holdings:
    """The frames of a city as known `today`, each sorted by firm, found by USCC."""

    def __init__(self, city: Path, frames: tuple[str, ...], today: Callable[[], date] = current_day) -> None:
        manifest = city / "manifest.json"
        if not manifest.is_file():
            raise HoldingsError(f"{city}: not a city, manifest.json is missing")
        self.today = today
        self.seed: int = json.loads(manifest.read_text())["seed"]
        try:
            firms = table_of(city / "firms", _FIRMS, needed=_FIRMS)
            self._frames = {name: table_of(city / name, FRAME_SCHEMAS[name]).sort("firm") for name in frames}
        except ParquetUnreadable as error:
            raise HoldingsError(str(error)) from None
        self._firm = dict(zip(firms["uscc"], firms["firm"], strict=True))
        self._starts = {name: frame["firm"].to_numpy() for name, frame in self._frames.items()}
        self._corrected: dict[tuple[str, int], list[pl.DataFrame]] = defaultdict(list)

    def firm(self, uscc: str) -> int | None:
        """Return the firm's number, None when the code is not of this city."""
        return self._firm.get(uscc)

    def rows(self, frame: str, uscc: str) -> pl.DataFrame:
        """Return one firm's rows known by today, with `version`: how many of the same fact were recorded before it."""
        number = self._firm.get(uscc, -1)
        first, last = np.searchsorted(self._starts[frame], [number, number + 1])
        keys = [key for key in FRAME_KEYS[frame] if key != "firm"]
        held = pl.concat([self._frames[frame][int(first) : int(last)], *self._corrected[frame, number]])
        known = held.filter(pl.col("known_on") <= self.today()) if "known_on" in held.columns else held
        rows = known.sort(*keys, "known_on", maintain_order=True)
        return rows.with_columns(version=pl.int_range(pl.len()).over(keys))

    def holds(self, frame: str) -> bool:
        """Return whether it is this office's kind of record."""
        return frame in self._frames

    def correct(self, frame: str, uscc: str, period: date, key: str, values: dict[str, object], known_on: date) -> bool:
        """Add a version of a fact that says otherwise, known from a day on; return whether there is such a fact.

        `key` tells it from others of its month: what of its frame it is, then the office's own id, which has its day.
        """
        rows = self.rows(frame, uscc).drop("version").filter(pl.col("period") == period)
        keys = FRAME_KEYS[frame]
        if len(keys) > 2:
            rows = rows.filter(pl.col(keys[2]).cast(pl.String) == key.partition("/")[0])
        if "occurred_on" in keys:
            rows = rows.filter(pl.lit(key).str.contains(pl.col("occurred_on").dt.strftime("%Y%m%d"), literal=True))
        if rows.is_empty():
            return False
        schema = FRAME_SCHEMAS[frame]
        newest = rows.tail(1).row(0, named=True)
        changed = {**newest, **{name: _value(schema[name], value) for name, value in values.items() if name in schema}}
        row = changed | {"known_on": max(known_on, newest["known_on"])}
        self._corrected[frame, int(newest["firm"])].append(pl.DataFrame([row], schema=schema))
        return True


def _value(kind: pl.DataType | type[pl.DataType], value: object) -> object:
    return date.fromisoformat(str(value)) if kind == pl.Date and value is not None else value


def rows_as(frame: pl.DataFrame, kind: type[Row]) -> list[Row]:
    """Return a frame's rows as tuples of one kind, whose fields are columns of the frame."""
    return [kind._make(values) for values in frame.select(kind._fields).iter_rows()]


def within(frame: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Return the rows whose month lies in a range, both ends included."""
    return frame.filter(pl.col("period").is_between(first, last))


def months_between(first: date, last: date) -> int:
    """Return how many months there are in a range, both ends included."""
    return month_index(last) - month_index(first) + 1


def day(value: date | None, form: str) -> str:
    """Return a day as text, empty for none."""
    return "" if value is None else value.strftime(form)
