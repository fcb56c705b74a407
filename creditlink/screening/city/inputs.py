"""A city's partitions: their names, and the records of one, with only the columns that are needed."""

from __future__ import annotations

import hashlib
import json
from functools import cache

import polars as pl

from creditlink.engine.facts.frame_checks import fault
from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import windows
from creditlink.engine.features.months import events
from creditlink.engine.features.months.grid import columns_read
from creditlink.kit.files.parquetfile import ParquetUnreadable, parquet_of
from creditlink.screening.city.storage import DataFolder

READ_WHOLE = ("registration", *events.FRAMES)


class PartitionRejected(Exception):
    """A partition cannot be screened; the message names the file and what is wrong with it."""


class CityUnusable(ValueError):
    """A folder is no city that could be screened; the message says why."""


def partitions(city: DataFolder) -> tuple[str, ...]:
    """Return the names of a city's partitions in order: the files of its registration.

    Raises
    ------
    CityUnusable
        There is none.
    """
    names = tuple(n for n in city.names("registration") if n.endswith(".parquet"))
    if not names:
        raise CityUnusable("registration/*.parquet: no such file; is this a city folder?")
    return names


def stated_hashes(city: DataFolder) -> dict[str, str]:
    """Return the sha256 that the city's manifest states of its files, by name; none without a manifest.

    Raises
    ------
    CityUnusable
        The manifest is not a JSON object.
    """
    try:
        manifest = json.loads(city.read("manifest.json"))
        return {str(name): str(digest) for name, digest in manifest.get("sha256", {}).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise CityUnusable(f"manifest.json: not a city's manifest ({error})") from error


@cache
def _columns(frame: str) -> tuple[str, ...]:
    return tuple(FRAME_SCHEMAS[frame]) if frame in READ_WHOLE else columns_read(frame, windows())


def read_partition(city: DataFolder, name: str, stated: dict[str, str]) -> tuple[RecordSet, dict[str, str]]:
    """Return a partition's records and the sha256 of each file read. Frames without a file are empty.

    Columns that no indicator reads are left out.

    Raises
    ------
    PartitionRejected
        A file is not what the manifest states, not Parquet, lacks a column or has it in another type, or holds an
        impossible value.
    """
    frames: dict[str, pl.DataFrame] = {}
    hashes: dict[str, str] = {}
    for frame in FRAME_SCHEMAS:
        path, columns = f"{frame}/{name}", _columns(frame)
        if not columns:
            continue
        try:
            content = city.read(path)
        except FileNotFoundError:
            if path in stated or frame == "registration":
                raise PartitionRejected(f"{path}: no such file") from None
            continue
        except OSError as error:
            raise PartitionRejected(f"{path}: {error.strerror or error}") from error
        hashes[path] = hashlib.sha256(content).hexdigest()
        if stated.get(path, hashes[path]) != hashes[path]:
            raise PartitionRejected(f"{path}: sha256 is {hashes[path]}, the manifest states {stated[path]}")
        frames[frame] = _parse(path, content, frame, columns)
    return RecordSet.of(**frames), hashes


def _parse(path: str, content: bytes, frame: str, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        read = parquet_of(content, columns)
    except ParquetUnreadable as error:
        raise PartitionRejected(f"{path}: not readable as Parquet ({error})") from error
    for column in columns:
        kind, expected = read[column].dtype, FRAME_SCHEMAS[frame][column]
        if kind != expected:
            raise PartitionRejected(f"{path}: column {column} is {kind}, expected {expected}")
    if wrong := fault(read, frame, columns):
        raise PartitionRejected(f"{path}: {wrong}")
    return read
