"""Reading a city folder: record frames, truth and manifest, checked before any long work starts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NotRequired, TypedDict

import polars as pl

from creditlink.engine.facts.frame_checks import fault
from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.kit.files.parquetfile import ParquetUnreadable, all_have, table_of

Schema = Mapping[str, pl.DataType | type[pl.DataType]]

TRUTH_SCHEMA: Schema = {"firm": pl.Int32, "as_of": pl.Date, "hazard_12m": pl.Float64, "default_on": pl.Date}
"""Columns of `truth` that labels come from; a city may have more."""


class CityManifest(TypedDict):
    """The members of a city's manifest.json that training reads."""

    first_period: str
    last_period: NotRequired[str]
    firms: NotRequired[int]
    months: NotRequired[int]
    seed: NotRequired[int]
    generator_version: NotRequired[str]


class CityError(ValueError):
    """A city folder cannot be used; the message names the file, and the column where it is one."""


@dataclass(frozen=True, eq=False)
class City:
    """A city folder: its records, and the truth that is never an input to scoring."""

    path: Path
    manifest: CityManifest
    records: RecordSet
    truth: pl.DataFrame
    kinds: pl.DataFrame | None = None
    """`firm, kind`: which firms were injected as shells, manipulators, …; None where the city does not say."""

    @property
    def first_period(self) -> date:
        """First month of the records."""
        return date.fromisoformat(str(self.manifest["first_period"]))

    @property
    def snapshots(self) -> list[date]:
        """Days on which the true hazard is known, ascending."""
        return sorted(self.truth["as_of"].unique().to_list())


def read_city(path: Path | str) -> City:
    """Read a city folder.

    Raises
    ------
    CityError
        A file is absent or not Parquet, or a column is absent, of another type, or impossible.
    """
    folder = Path(path)
    try:
        manifest: CityManifest = json.loads((folder / "manifest.json").read_bytes())
    except FileNotFoundError:
        raise CityError(f"{folder}/manifest.json: no such file; is this a city folder?") from None
    except ValueError as error:
        raise CityError(f"{folder}/manifest.json: not JSON ({error})") from error
    try:
        date.fromisoformat(manifest["first_period"])
    except (KeyError, TypeError, ValueError):
        raise CityError(f"{folder}/manifest.json: first_period is not a date") from None
    frames = {name: read_frame(folder, name, schema) for name, schema in FRAME_SCHEMAS.items()}
    truth = read_frame(folder, "truth", TRUTH_SCHEMA)
    for name, frame in frames.items():
        _refuse_impossible(folder, name, frame)
        _refuse_future(folder, name, frame, manifest.get("last_period"))
        _refuse_foreknown(folder, name, frame)
    wrong = ~truth["hazard_12m"].is_between(0, 1).fill_null(value=True)
    if wrong.any():
        raise CityError(f"{folder}/truth: column hazard_12m is not a probability in row {wrong.arg_max()}")
    return City(folder, manifest, RecordSet(**frames), truth, _kinds(folder))


def read_frame(folder: Path, name: str, schema: Schema, *, needed: Collection[str] = ()) -> pl.DataFrame:
    """Return one frame of a city folder, the columns `needed` without nulls; CityError where it cannot be read."""
    try:
        return table_of(folder / name, schema, needed=needed)
    except ParquetUnreadable as error:
        raise CityError(str(error)) from error


def _kinds(folder: Path) -> pl.DataFrame | None:
    try:
        if not all_have(folder / "truth", "kind"):
            return None
    except ParquetUnreadable as error:
        raise CityError(str(error)) from error
    schema: Schema = {"firm": pl.Int32, "kind": pl.String}
    return read_frame(folder, "truth", schema, needed=schema).unique("firm")


def _refuse_impossible(folder: Path, name: str, frame: pl.DataFrame) -> None:
    """Refuse null keys, values out of range and negative counts: they would become features, or worse."""
    counts = [c for c, t in frame.schema.items() if t == pl.Int32 and c != "firm"]
    for column in counts:
        negative = (frame[column] < 0).fill_null(value=False)
        if negative.any():
            raise CityError(f"{folder}/{name}: column {column} is negative in row {negative.arg_max()}")
    if wrong := fault(frame, name):
        raise CityError(f"{folder}/{name}: {wrong}")


def _refuse_future(folder: Path, name: str, frame: pl.DataFrame, last: object) -> None:
    """Refuse facts about months after the city's last one, where its manifest names it."""
    if "period" not in frame.columns or not isinstance(last, str):
        return
    try:
        end = date.fromisoformat(last)
    except ValueError:
        raise CityError(f"{folder}/manifest.json: last_period {last!r} is not a date") from None
    later = (frame["period"] > end).fill_null(value=False)
    if later.any():
        row = later.arg_max() or 0
        raise CityError(f"{folder}/{name}: column period is {frame['period'][row]} in row {row}, after {end}")


def _refuse_foreknown(folder: Path, name: str, frame: pl.DataFrame) -> None:
    """Refuse facts known before they happened: a point in time would include what came after it."""
    for column in ("period", "occurred_on", "filed_on", "paid_on"):
        if column not in frame.columns or "known_on" not in frame.columns:
            continue
        early = (frame["known_on"] < frame[column]).fill_null(value=False)
        if early.any():
            row = early.arg_max() or 0
            early_row = (
                f"column known_on is {frame['known_on'][row]} in row {row}, before {column} {frame[column][row]}"
            )
            raise CityError(f"{folder}/{name}: {early_row}: known before it happened")
