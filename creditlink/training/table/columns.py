"""What is in a column of unknown origin: numbers, dates or text. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import days_of

MISSING_WORDS = ("", "na", "n/a", "nan", "null", "none", "nil", "missing", "?", "-", "--", ".", "缺失", "无")
"""Written for *missing*, in any case."""

ERROR_WORDS = (
    *("#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "#n/a", "#spill!", "#calc!", "#field!", "#blocked!"),
    *("#getting_data", "#busy!", "#connect!", "#unknown!", "#error!"),
)
"""What a spreadsheet writes where a formula failed, in any case: missing, and counted."""

NUMERIC_SHARE = 0.95
"""From this share of numbers on a column is one of numbers; the text in it is an error of the table."""

_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d-%b-%y", "%d-%b-%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y年%m月%d日")
_ZERO_DATE = r"^(0000[-/.]00[-/.]00|1900[-/.]0?1[-/.]00?|00[-/.]00[-/.]0000|0000年0?0月0?0日)([T ].*)?$"
_ZONED = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
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
        return days_of(series), []
    if dtype == pl.Null:
        return series.cast(pl.String), []
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return _from_text(series.cast(pl.String))
    return None, [Oddity(None, series.len(), f"left out: it holds values of type {dtype}")]


def numbers_of(series: pl.Series) -> NDArray[np.float64]:
    """Return a column of numbers or dates as numbers, days for dates, NaN where missing."""
    numbers = series.cast(pl.Int32) if series.dtype == pl.Date else series
    return numbers.cast(pl.Float64).fill_null(np.nan).to_numpy()


def first_without_a_time(text: pl.Series) -> int:
    """Return the position of the first text that is neither a number nor a date; that of the first text if all are."""
    plain = text.str.normalize("NFKC").str.strip_chars()
    number, _ = _numbers(plain)
    day = _days(plain)
    return int((text.is_not_null() & number.is_null() & day.is_null()).arg_max() or 0)


def _from_text(series: pl.Series) -> tuple[pl.Series, list[Oddity]]:
    text = series.str.strip_chars()
    # Full-width digits, signs and letters are read as their plain forms; a category keeps its own.
    plain = text.str.normalize("NFKC").str.strip_chars()
    lower = plain.str.to_lowercase()
    failed = lower.is_in(ERROR_WORDS).fill_null(value=False)
    missing = failed | lower.is_in(MISSING_WORDS).fill_null(value=False)
    odd = _oddities(failed, text, "errors of a spreadsheet, read as missing")
    text, plain = (_without(one, missing) for one in (text, plain))
    known = text.len() - text.null_count()
    if not known:
        return text, odd
    number, wrong = _numbers(plain)
    if wrong.sum() <= known * (1 - NUMERIC_SHARE):
        column, endless = _finite(number.alias(series.name))
        return column, [*odd, *endless, *_oddities(wrong, text, "text where numbers stand, read as missing")]
    zero = plain.str.contains(_ZERO_DATE).fill_null(value=False)
    days = _days(_without(plain, zero))
    wrong_day = text.is_not_null() & days.is_null() & ~zero
    if zero.sum() < known and wrong_day.sum() <= (known - int(zero.sum())) * (1 - NUMERIC_SHARE):
        odd += _oddities(zero, text, "zero dates, read as missing")
        return days.alias(series.name), [*odd, *_oddities(wrong_day, text, "text where dates stand, read as missing")]
    for what, other in (("numbers", wrong), ("dates", wrong_day | zero)):
        if other.sum() < known / 2:
            odd += _oddities(other, text, f"read as text: {known - int(other.sum())} of {known} values are {what}, not")
    return text, odd


def _without(text: pl.Series, missing: pl.Series) -> pl.Series:
    return text.set(missing, None)


def _oddities(which: pl.Series, text: pl.Series, message: str) -> list[Oddity]:
    if not which.any():
        return []
    row = int(which.arg_max() or 0)
    return [Oddity(row + 1, int(which.sum()), f"{message}: {text[row]!r}")]


def _numbers(plain: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the numbers in a text, and where there is a text that is none."""
    bare = plain.str.strip_chars_start("$¥€£")
    grouped = bare.str.contains(_GROUPED).fill_null(value=False)
    bare = bare.zip_with(~grouped, bare.str.replace_all(",", ""))
    percent = bare.str.ends_with("%").fill_null(value=False)
    number = bare.str.strip_chars_end("%").cast(pl.Float64, strict=False)
    number = number.zip_with(~percent, number / 100)
    return number, plain.is_not_null() & number.is_null()


def _days(plain: pl.Series) -> pl.Series:
    """Return the days in a text, in the one form that most of it has; instants with a zone are days in Shanghai."""
    zoned = plain.str.contains(_ZONED).fill_null(value=False)
    day = plain.str.split("T").list.first().str.split(" ").list.first()
    if zoned.any():
        instants = plain.str.replace(" ", "T", literal=True).str.replace(r"Z$", "+00:00")
        read = instants.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False)
        day = day.zip_with(~zoned, days_of(read).dt.to_string("%Y-%m-%d"))
    forms = [day.str.to_date(form, strict=False) for form in _DATE_FORMATS]
    return min(forms, key=pl.Series.null_count)


def _finite(column: pl.Series) -> tuple[pl.Series, list[Oddity]]:
    endless = column.is_infinite().fill_null(value=False)
    odd = []
    if endless.any():
        odd.append(Oddity(int(endless.arg_max() or 0) + 1, int(endless.sum()), "infinite values, read as missing"))
    clean = column.to_frame("x").select(pl.when(pl.col("x").is_finite()).then(pl.col("x")))["x"]
    return clean.alias(column.name), odd
