"""Queued work on consents: bringing states up to the clock."""

from __future__ import annotations

import structlog

from creditlink import db, jobs
from creditlink.clock import utc_now
from creditlink.consents import sweep

log = structlog.get_logger()


@jobs.app.periodic(cron="* * * * * */10", periodic_id="consents")
@jobs.app.task(name="consents.sweep", queue="system", queueing_lock="consents.sweep")
def sweep_consents(timestamp: int) -> None:
    """End what is unanswered, expired or used up."""
    with db.transaction("worker") as session:
        ended = sweep.sweep(session, utc_now())
    if any(ended.values()):
        log.info("consents_swept", **ended)
