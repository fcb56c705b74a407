"""Months by today's date, whichever day of the month that is."""

from datetime import date, timedelta

from creditlink.kit.clock import last_complete_month, utc_now

_LAST_KNOWN = timedelta(days=20)


def last_recorded_month() -> date:
    """Return the newest month of which all is known by today: offices know the last of it on the 20th after."""
    return last_complete_month(utc_now() - _LAST_KNOWN)
