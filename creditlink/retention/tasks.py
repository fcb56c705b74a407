"""Queued work: the purge, every hour."""

from __future__ import annotations

from functools import cache

import structlog

from creditlink import db, jobs
from creditlink.clock import utc_now
from creditlink.config import Settings, load_settings
from creditlink.retention import purge

log = structlog.get_logger()


@cache
def _settings() -> Settings:
    return load_settings()


@jobs.app.periodic(cron="17 * * * *", periodic_id="retention")
@jobs.app.task(name="retention.purge", queue="system", queueing_lock="retention.purge")
def purge_what_is_over(timestamp: int) -> None:
    """Delete what has reached the end of its data life, a firm a transaction."""
    settings = _settings()
    with db.transaction("worker") as session:
        firms = purge.firms_due(session, utc_now())
    for firm in firms:
        with db.transaction("worker") as session:
            done = purge.purge_firm(session, firm, issuer=settings.issuer, secret=settings.secret_key, now=utc_now())
        if done.certificates:
            log.info("data_purged", enterprise_id=str(firm), certificates=len(done.certificates), **done.rows)
