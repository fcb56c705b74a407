"""Housekeeping of the pages: sessions that are over, tries that no longer count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from creditlink.enterprises.identity.tables import PersonLink
from creditlink.kit import jobs
from creditlink.metering.tables import LimitBucket
from creditlink.portal.person.throttle import WINDOW
from creditlink.portal.tables import PersonDevice, SignInTries, WebSession


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="portal.sweep")
@jobs.app.task(name="portal.sweep", queue="system", queueing_lock="portal.sweep")
def sweep_periodically(timestamp: int) -> None:
    """Delete what is over: anybody can cause such rows without signing in."""
    now = datetime.fromtimestamp(timestamp, UTC)
    jobs.each("portal.sweep", _OVER, lambda session, table: delete_from(session, table, now=now), now=now)


_OVER = ("web_sessions", "sign_in_tries", "person_devices", "person_links", "limit_buckets")
_FULL = timedelta(minutes=1)
_FORGOTTEN = timedelta(days=180)
"""A device that has not been seen for as long as its note is good."""


def delete_from(session: Session, table: str, *, now: datetime) -> int:
    """Delete what is over in one of the tables; return how many rows."""
    statements = {
        "web_sessions": delete(WebSession).where(WebSession.expires_at <= now),
        "sign_in_tries": delete(SignInTries).where(SignInTries.window_from <= now - WINDOW),
        "person_devices": delete(PersonDevice).where(PersonDevice.last_at <= now - _FORGOTTEN),
        "person_links": delete(PersonLink).where(PersonLink.expires_at <= now),
        # A bucket that is full again is as good as none.
        "limit_buckets": delete(LimitBucket).where(LimitBucket.full_at <= now - _FULL),
    }
    result = session.execute(statements[table].execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]  # a cursor result, by what was executed


def sweep(session: Session, *, now: datetime) -> int:
    """Delete sessions and counters that are over; return how many rows."""
    return sum(delete_from(session, table, now=now) for table in _OVER)
