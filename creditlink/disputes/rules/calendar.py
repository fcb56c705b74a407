"""Working days: which days an office works, and how its time is counted. Pure.

A day is a calendar day of Asia/Shanghai. The day on which something is filed does not count (《民法典》第二百零一条).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from creditlink.kit.clock import day_of, start_of_day

FILE = "holidays.toml"
_SATURDAY = 5
_DAY = timedelta(days=1)
_AHEAD = timedelta(days=45)
"""As far as the longest of our clocks runs, a long holiday in it."""
MOST_DAYS = 250


class HolidaysInvalid(ValueError):
    """A line of `holidays.toml` is absent, unknown or wrong; the message names it and its value."""


@dataclass(frozen=True)
class WorkCalendar:
    """Public holidays, and the weekends that are worked in exchange; what is not known yet is an ordinary week."""

    holidays: frozenset[date]
    worked: frozenset[date]
    known_until: date  # the last day for which the holidays are published

    def is_working(self, day: date) -> bool:
        """Return whether offices work on a day."""
        if day in self.worked:
            return True
        return day not in self.holidays and day.weekday() < _SATURDAY

    def after(self, day: date, days: int) -> date:
        """Return the working day that is so many working days after a day, which itself does not count."""
        while days > 0:
            day += _DAY
            days -= self.is_working(day)
        return day

    def due_at(self, filed_at: datetime, days: int) -> datetime:
        """Return the instant at which so many working days are over: the end of the last of them, exclusive."""
        return start_of_day(self.after(day_of(filed_at), days) + _DAY)

    def before(self, now: datetime, days: int) -> datetime:
        """Return the instant before which whatever happened has had so many working days by `now`."""
        day = day_of(now)
        while days > 0:
            day -= _DAY
            days -= self.is_working(day)
        return start_of_day(day)

    def between(self, first: datetime, last: datetime) -> int:
        """Return how many working days lie after the day of `first`, up to and with that of `last`."""
        day, end, count = day_of(first), day_of(last), 0
        while day < end:
            day += _DAY
            count += self.is_working(day)
        return count

    def lacking_year(self, today: date) -> int | None:
        """Return the year whose holidays are needed soon and are not published here yet; None: none is."""
        ahead = today + _AHEAD
        return None if ahead <= self.known_until else max(self.known_until + _DAY, today).year


def parse(values: Mapping[str, object]) -> WorkCalendar:
    """Return the calendar in a parsed file.

    Raises
    ------
    HolidaysInvalid
    """
    for name in values:
        if name not in ("version", "known_until", "holidays", "worked"):
            raise HolidaysInvalid(f"{name}: {values[name]!r} is not a field")
    until = values.get("known_until")
    if not isinstance(until, date) or isinstance(until, datetime):
        raise HolidaysInvalid(f"known_until: must be a day, got {until!r}")
    holidays = frozenset(day for span in _listed(values, "holidays") for day in _span(span))
    worked = frozenset(_day("worked", day) for day in _listed(values, "worked"))
    if both := holidays & worked:
        raise HolidaysInvalid(f"worked: {min(both)} is a holiday too")
    if weekdays := [day for day in worked if day.weekday() < _SATURDAY]:
        raise HolidaysInvalid(f"worked: {min(weekdays)} is no weekend")
    return WorkCalendar(holidays, worked, until)


def _listed(values: Mapping[str, object], name: str) -> list[object]:
    found = values.get(name)
    if not isinstance(found, list):
        raise HolidaysInvalid(f"{name}: must be a list, got {found!r}")
    return found


def _span(span: object) -> list[date]:
    if not isinstance(span, list) or len(span) != 2:
        raise HolidaysInvalid(f"holidays: must be pairs of a first and a last day, got {span!r}")
    first, last = _day("holidays", span[0]), _day("holidays", span[1])
    if not first <= last <= first + timedelta(days=14):
        raise HolidaysInvalid(f"holidays: {first} … {last} is no holiday")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _day(name: str, value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise HolidaysInvalid(f"{name}: must be a day, got {value!r}")
    return value
