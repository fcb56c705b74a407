"""The one reader of Parquet that people hand over: whatever is wrong with a file is one kind of error. Pure."""

from __future__ import annotations

import io
from collections.abc import Sequence

import polars as pl

_WRONG = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)
"""Bytes that were changed can make the library panic, which is no `Exception` and would end the whole run."""


class ParquetUnreadable(ValueError):
    """Bytes are no Parquet file, or one that was damaged, or a column is not in it; the message is one line."""


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
    try:
        return pl.read_parquet(io.BytesIO(content), columns=names, use_statistics=False)
    except _WRONG as error:
        raise ParquetUnreadable(_said(error)) from error


def metadata_of(content: bytes) -> dict[str, str]:
    """Return what the writer of a Parquet file noted about it; ParquetUnreadable where it cannot be read."""
    try:
        return dict(pl.read_parquet_metadata(io.BytesIO(content)))
    except _WRONG as error:
        raise ParquetUnreadable(_said(error)) from error


def _said(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
