"""Queued work: forgetting old counts."""

from __future__ import annotations

from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.status import service


@jobs.app.periodic(cron="41 * * * *", periodic_id="status")
@jobs.app.task(name="status.forget", queue="system", queueing_lock="status.forget")
def forget_old_counts(timestamp: int) -> None:
    """Delete the counts of days gone by."""
    with db.transaction("worker") as session:
        service.forget(session, utc_now())
