"""Queued work on reviews: cases and notices whose time is over."""

from __future__ import annotations

import structlog

from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.reviews import queue
from creditlink.reviews.notices import service as notices

log = structlog.get_logger()


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="reviews.clocks")
@jobs.app.task(name="reviews.clocks", queue="system", queueing_lock="reviews.clocks")
def watch_clocks(timestamp: int) -> None:
    """End cases that nobody decided in time, and tell banks of notices that were not opened; each by itself."""
    now = utc_now()
    with db.transaction("worker") as session:
        late, unread = list(queue.overdue(session, now)), list(notices.overdue(session, now))
    jobs.each("reviews.expire", late, lambda session, one: queue.expire(session, one, now=now), now=now)
    jobs.each("reviews.overdue", unread, lambda session, one: notices.tell_overdue(session, one, now=now), now=now)
    if late:
        log.warning("reviews_expired", cases=len(late))  # the operator's word of it
