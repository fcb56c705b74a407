"""Queued work on objections: those that a bank did not answer in time."""

from __future__ import annotations

import structlog

from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.objections import service

log = structlog.get_logger()


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="objections.clocks")
@jobs.app.task(name="objections.clocks", queue="system", queueing_lock="objections.clocks")
def watch_clocks(timestamp: int) -> None:
    """Bring what no bank answered in time to the operator, each by itself."""
    now = utc_now()
    with db.transaction("worker") as session:
        late = list(service.overdue(session, now))
    jobs.each(
        "objections.escalate", late, lambda session, one: service.escalate_overdue(session, one, now=now), now=now
    )
    if late:
        log.warning("objections_unanswered", objections=len(late))
