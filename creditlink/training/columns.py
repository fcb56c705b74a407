"""What a column of unknown origin holds: numbers, dates or text. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

MISSING_WORDS = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing", "?", "-", "--", ".", "缺失", "无")
"""Written for *missing*, in any case."""

NUMERIC_SHARE = 0.95
"""From this share of numbers on a column is one of numbers; the text in it is an error of the table."""

_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d-%b-%y", "%d-%b-%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y年%m月%d日")
_GROUPED = r"^-?\d{1,3}(,\d{3})+(\.\d+)?$"


@dataclass(frozen=True)
class Oddity:
    """What was odd about a column; `row` counts from 1 and is the first concerned."""

    row: int | None
    count: int
    message: str


def typed_column(series: pl.Series) -> tuple[pl.Series | None, list[Oddity]]:
    """Return a column as Float64, Date or String, null where missing, and what was odd.

    NaN and infinite numbers become missing; a column of lists, structures or bytes is None.
    """
    dtype = series.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        return _finite(series.cast(pl.Float64))
    if dtype == pl.Date:
        return series, []
    if isinstance(dtype, pl.Datetime):
        return series.dt.date(), []
    if dtype == pl.Null:
        return series.cast(pl.String), []
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return _from_text(series.cast(pl.String))
    return None, [Oddity(None, series.len(), f"left out: it holds values of type {dtype}")]


def _from_text(series: pl.Series) -> tuple[pl.Series, list[Oddity]]:
    text = series.str.strip_chars()
    text = text.to_frame().select(
        pl.when(pl.first().str.to_lowercase().is_in(MISSING_WORDS)).then(None).otherwise(pl.first()).alias(series.name)
    )[series.name]
    known = text.len() - text.null_count()
    if not known:
        return text, []
    plain = text.str.strip_chars_start("$¥￥€£")
    plain = plain.to_frame().select(
        pl.when(pl.first().str.contains(_GROUPED)).then(pl.first().str.replace_all(",", "")).otherwise(pl.first())
    )[series.name]
    percent = plain.str.ends_with("%").fill_null(value=False)
    number = plain.str.strip_chars_end("%").cast(pl.Float64, strict=False)
    number = number.to_frame("x").select(pl.when(percent).then(pl.col("x") / 100).otherwise(pl.col("x")))["x"]
    number = number.alias(series.name)
    wrong = text.is_not_null() & number.is_null()
    if wrong.sum() <= known * (1 - NUMERIC_SHARE):
        column, odd = _finite(number)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            odd.append(Oddity(row + 1, int(wrong.sum()), f"text where numbers stand, read as missing: {text[row]!r}"))
        return column, odd
    dates = _dates(text, known)
    return (text, []) if dates is None else (dates, [])


def _dates(text: pl.Series, known: int) -> pl.Series | None:
    if not text.drop_nulls().head(1).str.contains(r"\d")[0]:
        return None
    day = text.str.split("T").list.first().str.split(" ").list.first()
    for form in _DATE_FORMATS:
        parsed = day.str.to_date(form, strict=False)
        if parsed.len() - parsed.null_count() == known:
            return parsed
    return None


def _finite(column: pl.Series) -> tuple[pl.Series, list[Oddity]]:
    endless = column.is_infinite().fill_null(value=False)
    odd = []
    if endless.any():
        odd.append(Oddity(int(endless.arg_max() or 0) + 1, int(endless.sum()), "infinite values, read as missing"))
    clean = column.to_frame("x").select(pl.when(pl.col("x").is_finite()).then(pl.col("x")))["x"]
    return clean.alias(column.name), odd
