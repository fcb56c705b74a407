"""Queued work on messages: sorting notices, sending them, and finding what lost its job or is old."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy.orm import Session

from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.messages import delivery, service
from creditlink.messages.providers import MessageProviders, load_providers


@jobs.app.task(name="messages.sort", queue="messages", retry=jobs.AGAIN)
def sort(message_id: str) -> None:
    """Make out the deliveries of one notice."""
    with db.transaction("worker") as session:
        delivery.sort(session, UUID(message_id), utc_now())


@jobs.app.task(name="messages.send", queue="messages", retry=jobs.AGAIN)
def send(delivery_id: str) -> None:
    """Try once; if it fails, the next try is queued."""
    settings = runtime.part(Settings)
    delivery.send(
        UUID(delivery_id), utc_now, providers=_providers(settings), key=settings.secret_key, issuer=settings.issuer
    )


@lru_cache(maxsize=4)
def _providers(settings: Settings) -> MessageProviders:
    return load_providers(settings)


@jobs.app.periodic(cron="* * * * *", periodic_id="messages.late")
@jobs.app.task(name="messages.late", queue="system", queueing_lock="messages.late")
def queue_late(timestamp: int) -> None:
    """Queue again what lost its job."""
    now = utc_now()
    with db.transaction("worker") as session:
        unsorted, waiting = service.late(session, now)
    jobs.each("messages.late", unsorted, lambda session, one: delivery.sort(session, one, now), now=now)
    jobs.each("messages.late", waiting, lambda session, one: service.queue(session, one), now=now)


@jobs.app.periodic(cron="20 3 * * *", periodic_id="messages.forget")
@jobs.app.task(name="messages.forget", queue="system", queueing_lock="messages.forget")
def forget_periodically(timestamp: int) -> None:
    """Delete notices that nobody needs any more."""
    now = datetime.fromtimestamp(timestamp, UTC)

    def forget(session: Session, _: str) -> None:
        service.forget_old(session, now)

    jobs.each("messages.forget", ["old"], forget, now=now)
