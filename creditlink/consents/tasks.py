"""Queued work on consents: bringing states up to date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.life import announcement, sweep
from creditlink.consents.tables import Consent
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db

SOON = timedelta(days=7)
"""So long before a consent ends its firm's people are told; of one that runs shorter than twice that they are not."""

log = structlog.get_logger()


@jobs.app.periodic(cron="* * * * * */10", periodic_id="consents")
@jobs.app.task(name=sweep.TASK, queue="system", queueing_lock=sweep.TASK)
def sweep_consents(timestamp: int) -> None:
    """End requests and consents that are unanswered, expired or used up."""
    ended = sweep.sweep(utc_now())
    if any(ended.values()):
        log.info("consents_swept", **ended)


@jobs.app.periodic(cron="10 1 * * *", periodic_id="consents.soon")
@jobs.app.task(name="consents.soon", queue="system", queueing_lock="consents.soon")
def tell_of_ends(timestamp: int) -> None:
    """Tell the people of firms whose consents end within a week."""
    now = datetime.fromtimestamp(timestamp, UTC)
    with db.transaction("worker") as session:
        ending = ending_soon(session, now)
    jobs.each("consents.soon", ending, lambda session, one: _tell(session, one, now), now=now)


def ending_soon(session: Session, now: datetime) -> list[UUID]:
    """Return the consents that end within a week, and began at least two weeks before their end."""
    query = select(Consent.id, Consent.starts_at, Consent.expires_at).where(
        Consent.state.in_(("ACTIVE", "PAUSED")), Consent.expires_at > now, Consent.expires_at <= now + SOON
    )
    rows = session.execute(query.order_by(Consent.id))
    return [one for one, begins, ends in rows if begins is not None and ends - begins >= 2 * SOON]


def _tell(session: Session, consent_id: UUID, now: datetime) -> None:
    announcement.tell_ends_soon(session, session.get_one(Consent, consent_id), now)
