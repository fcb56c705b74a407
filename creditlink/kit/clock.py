"""Time: instants are aware UTC, days are dates in Asia/Shanghai."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
EARLIEST_YEAR = 1949
"""No record of a firm, and no outcome of a loan, is older."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


_TRUSTED = timedelta(seconds=1)
_ahead = timedelta(0)


def wall_clock() -> datetime:
    """Return what this machine's clock says; the one place where it is read."""
    return datetime.now(UTC)


def utc_now() -> datetime:
    """Return the current instant: the machine's, put right where the database's clock was found to differ."""
    return wall_clock() - _ahead


def follow(there: datetime, *, between: tuple[datetime, datetime]) -> timedelta:
    """Trust the database's clock where ours is more than a second off; return how far ours is ahead.

    Within a second the two agree as well as clocks do, and time runs on evenly. `between` is what our clock showed
    before and after the query; an answer that took longer than a second proves nothing.
    """
    global _ahead
    before, after = between
    if timedelta(0) <= after - before <= _TRUSTED:
        off = before + (after - before) / 2 - there
        _ahead = off if abs(off) > _TRUSTED else timedelta(0)
    return _ahead


def to_second(instant: datetime) -> datetime:
    """Return the last whole second: as exactly as banks see instants that several of them share.

    A microsecond at which one firm did something is as good as a name.
    """
    return instant.replace(microsecond=0)


def day_of(instant: datetime) -> date:
    """Return the calendar day in Asia/Shanghai on which an aware `instant` falls."""
    return instant.astimezone(SHANGHAI).date()


def day_from(text: object) -> date:
    """Return the day in a text `YYYY-MM-DD`; `date.fromisoformat` takes `20260105` and `2026-W01-1` too.

    Raises
    ------
    ValueError
        It is not one.
    """
    if not (isinstance(text, str) and _DAY.fullmatch(text)):
        raise ValueError(f"not a day YYYY-MM-DD: {text!r}")
    return date.fromisoformat(text)


def start_of_day(day: date) -> datetime:
    """Return the first instant of `day` in Asia/Shanghai, as UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).astimezone(UTC)


def last_known_at(day: date, now: datetime) -> datetime:
    """Return the last instant, up to `now`, whose knowledge counts as of `day`."""
    return min(now, start_of_day(day + timedelta(days=1)) - timedelta(microseconds=1))


def month_start(day: date) -> date:
    """Return the first day of the month of `day`."""
    return day.replace(day=1)


def add_months(day: date, months: int, *, ends_stay: bool = False) -> date:
    """Return `day` moved by whole months, clipped to the last day of the target month.

    With `ends_stay` a month's end stays one: twelve months after 28 February 2023 is 29 February 2024.
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    next_first = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (next_first - timedelta(days=1)).day
    is_end = (day + timedelta(days=1)).day == 1
    return date(year, month + 1, last if ends_stay and is_end else min(day.day, last))


def last_complete_month(instant: datetime) -> date:
    """Return the first day of the month before the one (in Asia/Shanghai) of `instant`."""
    return add_months(month_start(day_of(instant)), -1)


def month_index(day: date) -> int:
    """Return months since January of year 0, so that differences count months."""
    return day.year * 12 + day.month - 1
