"""The one reader of Parquet that people give us: anything wrong with a file is one kind of error. Pure."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

_WRONG = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)
"""Bytes that were changed can make the library panic, which is no `Exception` and would end the whole run."""


class ParquetUnreadable(ValueError):
    """The bytes are not a Parquet file or a damaged one, or a column is not as it must be; the message is one line."""


@contextmanager
def reading() -> Iterator[None]:
    """Turn any error of the library about a damaged file into ParquetUnreadable."""
    try:
        yield
    except _WRONG as error:
        raise ParquetUnreadable((str(error).splitlines() or [type(error).__name__])[0]) from error


def parquet_of(content: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the table in the bytes of a Parquet file.

    Parameters
    ----------
    columns : those to read; all if not given.

    Raises
    ------
    ParquetUnreadable
        It cannot be read.
    """
    names = None if columns is None else list(columns)
    with reading():
        return pl.read_parquet(io.BytesIO(content), columns=names, use_statistics=False)


def metadata_of(content: bytes) -> dict[str, str]:
    """Return what the writer of a Parquet file noted about it; ParquetUnreadable where it cannot be read."""
    with reading():
        return dict(pl.read_parquet_metadata(io.BytesIO(content)))


def table_of(folder: Path, schema: Mapping[str, PolarsDataType], *, needed: Collection[str] = ()) -> pl.DataFrame:
    """Return the rows of every Parquet file of a folder, in the order of the files' names.

    Parameters
    ----------
    schema : columns that every file must have, and their types; where text is wanted, categories are read as text.
    needed : those of them that are never null.

    Raises
    ------
    ParquetUnreadable
        There is no file, or one is damaged, lacks a column, has it of another type or null; the message names it.
    """
    whole = pl.concat(parts_of(folder, schema))
    for column in needed:
        if whole[column].null_count():
            raise ParquetUnreadable(f"{folder}: column {column} is null in row {whole[column].is_null().arg_max()}")
    return whole


def parts_of(folder: Path, schema: Mapping[str, PolarsDataType]) -> Iterator[pl.DataFrame]:
    """Yield what `table_of` returns file by file."""
    parts = sorted(folder.glob("*.parquet"))
    if not parts:
        raise ParquetUnreadable(f"{folder}: no Parquet file")
    for part in parts:
        try:
            frame = parquet_of(part.read_bytes())
        except (ParquetUnreadable, OSError) as error:
            raise ParquetUnreadable(f"{part}: not readable as Parquet ({error})") from error
        for column, kind in schema.items():
            if column not in frame.schema:
                raise ParquetUnreadable(f"{part}: column {column} is absent")
            if kind == pl.String and frame.schema[column] in (pl.Enum, pl.Categorical):
                frame = frame.with_columns(pl.col(column).cast(pl.String))
            if frame.schema[column] != kind:
                raise ParquetUnreadable(f"{part}: column {column} is {frame.schema[column]}, expected {kind}")
        yield frame.select(list(schema))


def all_have(folder: Path, column: str) -> bool:
    """Tell whether every Parquet file of a folder has a column.

    Raises
    ------
    ParquetUnreadable
        A file is damaged; the message names it.
    """
    for part in sorted(folder.glob("*.parquet")):
        try:
            with reading():
                if column not in pl.read_parquet_schema(part):
                    return False
        except ParquetUnreadable as error:
            raise ParquetUnreadable(f"{part}: not readable as Parquet ({error})") from error
    return True
