"""Housekeeping of the pages: sessions that are over, tries that count no more."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from creditlink import db, jobs
from creditlink.portal.tables import SignInTries, WebSession
from creditlink.portal.throttle import WINDOW


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="portal.sweep")
@jobs.app.task(name="portal.sweep", queue="system", queueing_lock="portal.sweep")
def sweep_periodically(timestamp: int) -> None:
    """Delete what is over: anybody can make such rows without signing in."""
    with db.transaction("worker") as session:
        sweep(session, now=datetime.fromtimestamp(timestamp, UTC))


def sweep(session: Session, *, now: datetime) -> int:
    """Delete sessions and counters that are over; return how many rows."""
    gone = 0
    for statement in (
        delete(WebSession).where(WebSession.expires_at <= now),
        delete(SignInTries).where(SignInTries.window_from <= now - WINDOW),
    ):
        result = session.execute(statement.execution_options(synchronize_session=False))
        gone += result.rowcount  # type: ignore[attr-defined]  # a cursor result, by what was executed
    return gone
