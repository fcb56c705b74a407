"""Numbers and days as people and programs write them. Pure.

The functions take text without full-width characters or blanks at its ends, and read each value in the one way that it
can be meant; where it can be meant in two, the rest of its column decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from creditlink.engine.facts.frames import days_of

_CURRENCY = r"(?:US\$|HK\$|[$€£¥]|USD|EUR|GBP|CNY|RMB|HKD)"
_GROUPED_BY_COMMA = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"
_GROUPED_BY_DOT = r"^[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?$"
_GROUPED_OTHERWISE = r"^[+-]?\d{1,3}([ '’]\d{3})+([.,]\d+)?$"
_DECIMAL_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_ONE_COMMA = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_ONE_DOT = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
_UNITS = ((r"\s*%$", 0.01), (r"\s*万$", 1e4), (r"\s*亿$", 1e8))

_LONG_YEARS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y"),
    *("%B %d, %Y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y"),
)
_SHORT_YEARS = ("%d-%b-%y", "%d %b %y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y")
_ZONED = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
_WITH_TIME = r"^(.*\d日?)[T ]+\d{1,2}:\d\d.*$"


@dataclass(frozen=True, eq=False)
class Reading:
    """The values of a column of text, null where not read; `unlike` is where they are written unlike the others."""

    values: pl.Series
    unlike: pl.Series


def numbers_in(plain: pl.Series, *, decimal_comma: bool) -> Reading:
    """Return the numbers: money, percentages, grouped digits, either decimal mark, a minus in any place.

    Parameters
    ----------
    decimal_comma : whether `1,234` has decimals where no other value of the column tells
    """
    bare = plain.str.replace_all("[−–]", "-")
    negative = bare.str.contains(r"^\([^()+-]+\)$|^[^+-]+-$").fill_null(value=False)
    bare = bare.zip_with(~negative, bare.str.strip_chars("()-"))
    bare = bare.str.replace(rf"^([+-]?)\s*{_CURRENCY}\s*", "$1").str.replace(
        rf"\s*(?:{_CURRENCY}|([万亿])元|元)$", "$1"
    )
    unit = pl.repeat(1.0, plain.len(), dtype=pl.Float64, eager=True)
    for written, worth in _UNITS:
        unit = unit.zip_with(~_matches(bare, written), pl.repeat(worth, plain.len(), dtype=pl.Float64, eager=True))
        bare = bare.str.replace(written, "")
    bare = bare.zip_with(~_matches(bare, _GROUPED_OTHERWISE), bare.str.replace_all("[ '’]", ""))
    comma, dot = _by_mark(bare)
    commas, dots = int(comma.sum()), int(dot.sum())
    by_comma = commas > dots or (commas == dots and decimal_comma)
    if by_comma:
        comma |= _matches(bare, _ONE_COMMA)
        comma |= _matches(bare, _ONE_DOT) & (commas > dots)
    turned = bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    bare = bare.zip_with(~_matches(bare, _GROUPED_BY_COMMA) | comma, bare.str.replace_all(",", "", literal=True))
    number = bare.zip_with(~comma, turned).cast(pl.Float64, strict=False) * unit
    number = number.zip_with(~negative, -number)
    return Reading(number, (dot if by_comma else comma) & number.is_not_null())


def _by_mark(bare: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return where the decimal mark can only be a comma, and where it can only be a dot."""
    grouped, other = _matches(bare, _GROUPED_BY_COMMA), _matches(bare, _GROUPED_BY_DOT)
    comma = (_matches(bare, _DECIMAL_COMMA) & ~grouped) | (other & ~_matches(bare, _ONE_DOT))
    decimal = _matches(bare, r"^[+-]?\d*\.\d+([eE][+-]?\d+)?$") & ~other
    return comma, decimal | (grouped & ~_matches(bare, _ONE_COMMA))


def days_in(plain: pl.Series) -> Reading:
    """Return the days, in the form that most values have or the only other one that a value can have.

    Instants with a zone are days in Shanghai; the time of any other is dropped.
    """
    zoned = _matches(plain, _ZONED)
    day = plain.str.replace(_WITH_TIME, "$1")
    if zoned.any():
        instants = plain.str.replace(" ", "T", literal=True).str.replace(r"Z$", "+00:00")
        read = instants.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False)
        day = day.zip_with(~zoned, days_of(read).dt.to_string("%Y-%m-%d"))
    long = _matches(day, r"\d{4}")
    forms = [day.set(~long, None).str.to_date(form, strict=False) for form in _LONG_YEARS]
    forms += [day.set(long, None).str.to_date(form, strict=False) for form in _SHORT_YEARS]
    most = min(forms, key=pl.Series.null_count)
    if most.null_count() == plain.null_count():
        return Reading(most, most.is_null() & plain.is_not_null())
    each = pl.DataFrame({str(k): form for k, form in enumerate(forms)})
    first, last = each.select(first=pl.min_horizontal(pl.all()), last=pl.max_horizontal(pl.all()))
    unlike = (most.is_null() & (first == last)).fill_null(value=False)
    return Reading(most.zip_with(~unlike, first), unlike)


def _matches(text: pl.Series, pattern: str) -> pl.Series:
    return text.str.contains(pattern).fill_null(value=False)
