"""Queued work on products: versions go on sale when their day has come."""

from __future__ import annotations

import structlog

from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.products.catalogue import publishing

log = structlog.get_logger()


@jobs.app.periodic(cron="* * * * *", periodic_id="products_start")
@jobs.app.task(name="products.start", queue="system", queueing_lock="products.start")
def start_products(timestamp: int) -> None:
    """Put scheduled versions on sale; readers of the catalogue go by the day and need not wait for it."""
    with db.transaction("worker") as session:
        started = publishing.start_due(session, now=utc_now())
    if started:
        log.info("products_started", versions=started)
