"""Housekeeping of the authorization server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, exists
from sqlalchemy.orm import Session

from creditlink import db, jobs
from creditlink.oauth.tables import AccessToken, PushedRequest, RefreshToken, UsedJti

# Kept for a while after it could last be used: a replay must be recognised, also if a clock steps back.
KEPT_AFTER_USE = timedelta(days=2)
_JTI_MARGIN = timedelta(minutes=10)


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="oauth.sweep")
@jobs.app.task(name="oauth.sweep", queue="system", queueing_lock="oauth.sweep")
def sweep_periodically(timestamp: int) -> None:
    """Delete what can no longer be used."""
    with db.transaction("worker") as session:
        sweep(session, now=datetime.fromtimestamp(timestamp, UTC))


def sweep(session: Session, *, now: datetime) -> int:
    """Delete expired jtis, requests with their codes, and tokens; return how many rows."""
    gone = 0
    for statement in (
        delete(UsedJti).where(UsedJti.expires_at < now - _JTI_MARGIN),
        delete(AccessToken).where(AccessToken.expires_at < now - KEPT_AFTER_USE),
        delete(RefreshToken).where(RefreshToken.expires_at < now - KEPT_AFTER_USE),
        # A code used a second time ends every token that came of it, however late: it is known while one lives.
        delete(PushedRequest).where(
            PushedRequest.expires_at < now - KEPT_AFTER_USE,
            ~exists().where(RefreshToken.origin_id == PushedRequest.id),
        ),
    ):
        result = session.execute(statement.execution_options(synchronize_session=False))
        gone += result.rowcount  # type: ignore[attr-defined]  # a cursor result, by what was executed
    return gone
