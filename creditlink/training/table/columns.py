"""What is in a column of unknown origin: numbers, dates or text. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import days_of
from creditlink.training.table.notations import days_in, numbers_in

MISSING_WORDS = ("", "na", "n/a", "nan", "null", "none", "nil", "missing", "?", "-", "--", ".", "缺失", "无")
"""Written for *missing*, in any case."""

ERROR_WORDS = (
    *("#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "#n/a", "#spill!", "#calc!", "#field!", "#blocked!"),
    *("#getting_data", "#busy!", "#connect!", "#unknown!", "#error!"),
)
"""What a spreadsheet writes where a formula failed, in any case: missing, and counted."""

NUMERIC_SHARE = 0.95
"""From this share of numbers on a column is one of numbers; the text in it is an error of the table."""

MOSTLY = 0.5
"""From this share on it is so too, where as text it would have too many different values to be learned from."""

FREE_TEXT_SHARE = 0.5
"""Text with more distinct values than this share of rows is a name or a remark, not a category."""

FEW_TEXTS = 20
"""So many distinct values are categories in a table of any size."""

_ZERO_DATE = r"^(0000[-/.]00[-/.]00|1900[-/.]0?1[-/.]00?|00[-/.]00[-/.]0000|0000年0?0月0?0日)([T ].*)?$"


@dataclass(frozen=True)
class Oddity:
    """What was odd about a column; `row` counts from 1 and is the first concerned."""

    row: int | None
    count: int
    message: str


def typed_column(series: pl.Series, *, decimal_comma: bool = False) -> tuple[pl.Series | None, list[Oddity]]:
    """Return a column as Float64, Date or String, null where missing, and what was odd.

    NaN and infinite numbers become missing; a column of lists, structures or bytes is None. With `decimal_comma`,
    `1,234` in a text has decimals unless others in its column tell otherwise.
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
        return _from_text(series.cast(pl.String), decimal_comma)
    return None, [Oddity(None, series.len(), f"left out: it holds values of type {dtype}")]


def numbers_of(series: pl.Series) -> NDArray[np.float64]:
    """Return a column of numbers or dates as numbers, days for dates, NaN where missing."""
    numbers = series.cast(pl.Int32) if series.dtype == pl.Date else series
    return numbers.cast(pl.Float64).fill_null(np.nan).to_numpy()


def first_without_a_time(text: pl.Series) -> int:
    """Return the position of the first text that is neither a number nor a date; that of the first text if all are."""
    plain = text.str.normalize("NFKC").str.strip_chars()
    number, day = numbers_in(plain, decimal_comma=False), days_in(plain)
    return int((text.is_not_null() & number.values.is_null() & day.values.is_null()).arg_max() or 0)


def is_free_text(distinct: int, known: int) -> bool:
    """Return whether so many different texts among the known ones are names or remarks."""
    return distinct > max(FREE_TEXT_SHARE * known, FEW_TEXTS)


def _from_text(series: pl.Series, decimal_comma: bool) -> tuple[pl.Series, list[Oddity]]:
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
    free = is_free_text(text.n_unique() - bool(text.null_count()), known)
    most = known * (1 - NUMERIC_SHARE)
    numbers = numbers_in(plain, decimal_comma=decimal_comma)
    wrong = text.is_not_null() & numbers.values.is_null()
    if wrong.sum() <= most or (free and wrong.sum() < known * (1 - MOSTLY) and not _identify(numbers.values)):
        column, endless = _finite(numbers.values.alias(series.name))
        odd += _oddities(numbers.unlike, text, "numbers with another decimal mark than the others, read so")
        return column, [*odd, *endless, *_oddities(wrong, text, "text where numbers stand, read as missing")]
    zero = plain.str.contains(_ZERO_DATE).fill_null(value=False)
    days = days_in(_without(plain, zero))
    wrong_day = text.is_not_null() & days.values.is_null() & ~zero
    if zero.sum() < known and wrong_day.sum() <= (known - int(zero.sum())) * (1 - (MOSTLY if free else NUMERIC_SHARE)):
        odd += _oddities(zero, text, "zero dates, read as missing")
        odd += _oddities(days.unlike, text, "dates in another form than the others, read so")
        column = days.values.alias(series.name)
        return column, [*odd, *_oddities(wrong_day, text, "text where dates stand, read as missing")]
    for what, other in (("numbers", wrong), ("dates", wrong_day | zero)):
        if other.sum() < known / 2:
            odd += _oddities(other, text, f"read as text: {known - int(other.sum())} of {known} values are {what}, not")
    return text, odd


def _identify(numbers: pl.Series) -> bool:
    """Return whether all numbers are whole and different, as those among other ids are."""
    known = numbers.drop_nulls()
    return bool((known == known.round(0)).all()) and known.n_unique() == known.len()


def _without(text: pl.Series, missing: pl.Series) -> pl.Series:
    return text.set(missing, None)


def _oddities(which: pl.Series, text: pl.Series, message: str) -> list[Oddity]:
    if not which.any():
        return []
    row = int(which.arg_max() or 0)
    return [Oddity(row + 1, int(which.sum()), f"{message}: {text[row]!r}")]


def _finite(column: pl.Series) -> tuple[pl.Series, list[Oddity]]:
    endless = column.is_infinite().fill_null(value=False)
    odd = []
    if endless.any():
        odd.append(Oddity(int(endless.arg_max() or 0) + 1, int(endless.sum()), "infinite values, read as missing"))
    clean = column.to_frame("x").select(pl.when(pl.col("x").is_finite()).then(pl.col("x")))["x"]
    return clean.alias(column.name), odd
