"""Queued work on cards: those that are good no more are ended, and their content goes."""

from __future__ import annotations

import structlog

from creditlink.cards import ending
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db

log = structlog.get_logger()


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="cards.sweep")
@jobs.app.task(name="cards.sweep", queue="system", queueing_lock="cards.sweep")
def sweep(timestamp: int) -> None:
    """End the cards that are good no more, each by itself; verifiers were told before, as the list asks anew."""
    now = utc_now()
    with db.transaction("worker") as session:
        over = list(ending.over(session, now))
    jobs.each("cards.end", over, lambda session, one: ending.end_one(session, one, now=now), now=now)
    if over:
        log.info("cards_ended", cards=len(over))
