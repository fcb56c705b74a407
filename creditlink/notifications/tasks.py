"""Queued work on notifications: one try of one delivery."""

from __future__ import annotations

from uuid import UUID

import structlog

from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.notifications import delivery, service

log = structlog.get_logger()


@jobs.app.task(name="notifications.deliver", queue="webhooks", retry=jobs.AGAIN)
def deliver(delivery_id: str) -> None:
    """Try once; if it fails, the next try is queued."""
    settings = runtime.part(Settings)
    delivery.deliver(UUID(delivery_id), utc_now, key=settings.secret_key, allow_loopback=not settings.is_production)


@jobs.app.periodic(cron="* * * * * */30", periodic_id="notifications.late")
@jobs.app.task(name="notifications.late", queue="system", queueing_lock="notifications.late")
def queue_late_deliveries(timestamp: int) -> None:
    """Queue overdue deliveries again: whatever happened to their jobs, they reach an end."""
    now = utc_now()
    with db.transaction("worker") as session:
        late = delivery.late(session, now)
    jobs.each("notifications.late", late, lambda session, delivery_id: service.queue(session, delivery_id), now=now)
    if late:
        log.info("late_deliveries_queued", deliveries=len(late))
