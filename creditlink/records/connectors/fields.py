"""Strict readers of single fields: each gives a typed value or says which field is wrong and why."""

from __future__ import annotations

import hashlib
import json
import re
import reprlib
from collections.abc import Mapping
from datetime import UTC, date, datetime

from creditlink.kit.clock import EARLIEST_YEAR
from creditlink.kit.files.text import flaw
from creditlink.kit.money import fen_from_yuan
from creditlink.records.pulls.delivery import RowId

_YUAN = re.compile(r"-?[0-9]{1,13}\.[0-9]{2}")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COMPACT_DAY = re.compile(r"[0-9]{8}")
_COMPACT_MONTH = re.compile(r"[0-9]{6}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_COMPACT_INSTANT = re.compile(r"[0-9]{14}[+-][0-9]{4}")
# Years that a record of a firm can be about: offices write 0001 and 9999 where they know no day.
YEARS = (EARLIEST_YEAR, 2199)
_RECORD_ID = re.compile(r"[\x21-\x7e]{1,40}")
_VERSION = re.compile(r"[0-9]{1,10}")


class FieldError(ValueError):
    """A field does not read; the row that holds it is kept aside."""

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.value = value
        self.reason = reason
        self.row: RowId | None = None

    def of(self, row: RowId) -> FieldError:
        """Say which row it is about; return itself."""
        self.row = row
        return self


def row_id(fields: object, record_id: str, version: str) -> RowId:
    """Return what tells a row from others, whatever is wrong with it.

    Parameters
    ----------
    record_id, version : how the dialect names the office's id of the record and the version of it.
    """
    named = fields if isinstance(fields, Mapping) else {}
    name, number = named.get(record_id), named.get(version)
    if isinstance(number, str) and _VERSION.fullmatch(number):
        number = int(number)
    try:
        # What is no text in UTF-8 is written as escapes, so that every row has a hash.
        whole = json.dumps(fields, sort_keys=True, default=reprlib.repr)
    except (ValueError, TypeError, RecursionError):
        whole = reprlib.repr(fields)
    return RowId(
        record_id=name if isinstance(name, str) and _RECORD_ID.fullmatch(name) else None,
        version=number if type(number) is int and 0 <= number < 2**31 else None,
        sha256=hashlib.sha256(whole.encode("utf-8", "backslashreplace")).hexdigest(),
    )


class SourceRow:
    """One row as it came, read field by field."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    @classmethod
    def of(cls, fields: object) -> SourceRow:
        """Build one from what should be a mapping.

        Raises
        ------
        FieldError
            It is something else.
        """
        if not isinstance(fields, Mapping):
            raise FieldError("(row)", fields, "not an object with named fields")
        return cls(fields)

    def raw(self, name: str) -> object:
        """Return the field as it came.

        Raises
        ------
        FieldError
            The row has no such field.
        """
        if name not in self._fields or self._fields[name] is None:
            raise FieldError(name, None, "the field is missing")
        return self._fields[name]

    def text(self, name: str) -> str:
        """Return a text field."""
        value = self.raw(name)
        if not isinstance(value, str):
            raise FieldError(name, value, "not a text")
        wrong = flaw(value)
        if wrong is not None:
            raise FieldError(name, value, wrong)
        return value

    def _match(self, name: str, pattern: re.Pattern[str], what: str) -> str:
        value = self.text(name)
        if not pattern.fullmatch(value):
            raise FieldError(name, value, f"not {what}")
        return value

    def is_empty(self, name: str) -> bool:
        """Whether the field is there and empty."""
        return bool(self.raw(name) == "")

    def is_null(self, name: str) -> bool:
        """Whether the field is there and is JSON's null.

        Raises
        ------
        FieldError
            The row has no such field.
        """
        if name not in self._fields:
            raise FieldError(name, None, "the field is missing")
        return self._fields[name] is None

    def record_id(self, name: str) -> str:
        """Return the office's id of the record."""
        return self._match(name, _RECORD_ID, "a record id of at most 40 printable characters")

    def fen(self, name: str, *, signed: bool = True) -> int:
        """Return an amount written in yuan as fen."""
        fen = fen_from_yuan(self._match(name, _YUAN, "an amount in yuan with two decimals"))
        if fen < 0 and not signed:
            raise FieldError(name, self.raw(name), "negative amount")
        return fen

    def whole(self, name: str, *, least: int = 0, most: int = 2**31 - 1) -> int:
        """Return a whole number, written as a number or as text."""
        value = self.raw(name)
        if isinstance(value, str):
            value = int(self._match(name, _WHOLE, "a whole number"))
        if isinstance(value, bool) or not isinstance(value, int):
            raise FieldError(name, value, "not a whole number")
        if not least <= value <= most:
            raise FieldError(name, value, f"not between {least} and {most}")
        return value

    def number(self, name: str) -> float:
        """Return a quantity that is not negative."""
        value = float(self._match(name, _NUMBER, "a number"))
        if value < 0:
            raise FieldError(name, self.raw(name), "negative quantity")
        return value

    def day(self, name: str, *, compact: bool = False) -> date:
        """Return a day, `YYYY-MM-DD` or (compact) `YYYYMMDD`."""
        value = (
            self._match(name, _COMPACT_DAY, "a day YYYYMMDD")
            if compact
            else self._match(name, _DAY, "a day YYYY-MM-DD")
        )
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise FieldError(name, value, "not a day of the calendar") from None
        _check_year(name, value, day.year)
        return day

    def month(self, name: str, *, compact: bool = False) -> date:
        """Return the first day of a month, `YYYY-MM` or (compact) `YYYYMM`."""
        if compact:
            value = self._match(name, _COMPACT_MONTH, "a month YYYYMM")
            year, month = int(value[:4]), int(value[4:])
        else:
            value = self._match(name, _MONTH, "a month YYYY-MM")
            year, month = int(value[:4]), int(value[5:])
        if not 1 <= month <= 12:
            raise FieldError(name, value, "not a month of the calendar")
        _check_year(name, value, year)
        return date(year, month, 1)

    def instant(self, name: str, *, compact: bool = False) -> datetime:
        """Return an instant in UTC; its zone is required."""
        value = self._match(name, _COMPACT_INSTANT, "an instant YYYYMMDDhhmmss+hhmm") if compact else self.text(name)
        try:
            instant = datetime.strptime(value, "%Y%m%d%H%M%S%z") if compact else datetime.fromisoformat(value)
        except ValueError:
            raise FieldError(name, value, "not an instant of the calendar") from None
        if instant.tzinfo is None:
            raise FieldError(name, value, "an instant without a time zone")
        _check_year(name, value, instant.year)
        return instant.astimezone(UTC)

    def choice(self, name: str, choices: Mapping[str, str]) -> str:
        """Return what a code of the office stands for."""
        value = self.text(name)
        if value not in choices:
            raise FieldError(name, value, f"not one of {', '.join(choices)}")
        return choices[value]


def _check_year(name: str, value: str, year: int) -> None:
    if not YEARS[0] <= year <= YEARS[1]:
        raise FieldError(name, value, f"not between the years {YEARS[0]} and {YEARS[1]}")


def within(name: str, period: date, since: date, until: date) -> date:
    """Return `period` if it lies in the asked range of months.

    Raises
    ------
    FieldError
        The office sent what was not asked for; the consent does not cover it.
    """
    if not since.replace(day=1) <= period <= until:
        raise FieldError(name, period.isoformat(), f"outside the asked range {since:%Y-%m} to {until:%Y-%m}")
    return period
