"""The one writer of CSV for people: no spreadsheet that opens it takes a text for a formula. Pure.

A firm may call itself `=HYPERLINK(…)`. A text that starts like a formula gets an apostrophe before it, which
spreadsheets read as *this is text*. Numbers stay numbers, in columns of numbers and where a text is just a number.

Source: OWASP, CSV Injection (=, +, -, @, tab, carriage return; full-width signs count in Chinese spreadsheets).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_FORMULA = f"^([\\s\u200b\ufeff]*[{_SIGNS}]|[\\t\\r\\n])"
_NUMBER = r"^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$"


def csv_of(frame: pl.DataFrame) -> str:
    """Return rows as CSV."""
    safe = _harmless(frame)
    return safe.write_csv(quote_style=_quotes(safe))


def write_csv(frame: pl.DataFrame, path: Path, *, mark: bool = False) -> None:
    """Write rows as CSV; with a byte order mark spreadsheets read the Chinese in it.

    Raises
    ------
    OSError
        It cannot be written there.
    """
    safe = _harmless(frame)
    safe.write_csv(path, include_bom=mark, quote_style=_quotes(safe))


def _harmless(frame: pl.DataFrame) -> pl.DataFrame:
    words = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Categorical | pl.Enum)]
    frame = frame.with_columns(pl.col(words).cast(pl.String))
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(_FORMULA) & ~pl.col(name).str.contains(_NUMBER))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in _texts(frame)
    )


def _texts(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind == pl.String]


def _quotes(frame: pl.DataFrame) -> Literal["necessary", "non_numeric"]:
    """Return how to quote: a lone carriage return ends a line for spreadsheets, yet does not count as necessary."""
    turned = any(frame[name].str.contains("\r", literal=True).any() for name in _texts(frame))
    return "non_numeric" if turned else "necessary"
