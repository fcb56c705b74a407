"""Queued work on consents: bringing states up to date."""

from __future__ import annotations

import structlog

from creditlink.consents.life import sweep
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now

log = structlog.get_logger()


@jobs.app.periodic(cron="* * * * * */10", periodic_id="consents")
@jobs.app.task(name=sweep.TASK, queue="system", queueing_lock=sweep.TASK)
def sweep_consents(timestamp: int) -> None:
    """End requests and consents that are unanswered, expired or used up."""
    ended = sweep.sweep(utc_now())
    if any(ended.values()):
        log.info("consents_swept", **ended)
