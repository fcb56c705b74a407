"""Housekeeping of the authorization server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, exists
from sqlalchemy.orm import Session

from creditlink.access.tables import AccessToken, UsedJti
from creditlink.kit import jobs
from creditlink.oauth.tables import PushedRequest, RefreshToken

# Kept for a while after the last possible use: a replay must be recognised even if a clock steps back.
KEPT_AFTER_USE = timedelta(days=2)
_JTI_MARGIN = timedelta(minutes=10)


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="oauth.sweep")
@jobs.app.task(name="oauth.sweep", queue="system", queueing_lock="oauth.sweep")
def sweep_periodically(timestamp: int) -> None:
    """Delete what can no longer be used."""
    now = datetime.fromtimestamp(timestamp, UTC)
    jobs.each("oauth.sweep", _OVER, lambda session, table: delete_from(session, table, now=now), now=now)


_OVER = ("used_jtis", "access_tokens", "refresh_tokens", "pushed_requests")


def delete_from(session: Session, table: str, *, now: datetime) -> int:
    """Delete what is over in one of the tables; return how many rows."""
    statements = {
        "used_jtis": delete(UsedJti).where(UsedJti.expires_at < now - _JTI_MARGIN),
        "access_tokens": delete(AccessToken).where(AccessToken.expires_at < now - KEPT_AFTER_USE),
        "refresh_tokens": delete(RefreshToken).where(RefreshToken.expires_at < now - KEPT_AFTER_USE),
        # A code used twice ends every token from it, however late: it is kept as long as one of them lives.
        "pushed_requests": delete(PushedRequest).where(
            PushedRequest.expires_at < now - KEPT_AFTER_USE,
            ~exists().where(RefreshToken.origin_id == PushedRequest.id),
        ),
    }
    result = session.execute(statements[table].execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]  # a cursor result, by what was executed


def sweep(session: Session, *, now: datetime) -> int:
    """Delete expired jtis, requests with their codes, and tokens; return how many rows."""
    return sum(delete_from(session, table, now=now) for table in _OVER)
