"""Queued work: the purge, every hour; what is left over, every night."""

from __future__ import annotations

import asyncio
from uuid import UUID

import procrastinate
import structlog
from sqlalchemy.orm import Session

from creditlink.decisions.kept import classes_of
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.retention import leftovers, purge

log = structlog.get_logger()


@jobs.app.periodic(cron="17 * * * *", periodic_id="retention")
@jobs.app.task(name="retention.purge", queue="system", queueing_lock="retention.purge")
def purge_what_is_over(timestamp: int) -> None:
    """Delete what has reached the end of its data life, a firm a transaction."""
    settings = runtime.part(Settings)
    classes = classes_of(settings)
    with db.transaction("worker") as session:
        firms = purge.firms_due(session, utc_now())

    def purge_one(session: Session, firm: UUID) -> None:
        done = purge.purge_firm(
            session, firm, issuer=settings.issuer, secret=settings.secret_key, now=utc_now(), classes=classes
        )
        if done.certificates:
            log.info("data_purged", enterprise_id=str(firm), certificates=len(done.certificates), **done.rows)

    jobs.each("retention.purge", firms, purge_one, now=utc_now())


@jobs.app.task(name="retention.purge_firm", queue="system", retry=jobs.AGAIN)
def purge_one_firm(firm: str) -> None:
    """Delete what is over of one firm now: it asked for it."""
    settings = runtime.part(Settings)
    with db.transaction("worker") as session:
        purge.purge_firm(session, UUID(firm), issuer=settings.issuer, secret=settings.secret_key, now=utc_now())


@jobs.app.periodic(cron="23 3 * * *", periodic_id="retention.leftovers")
@jobs.app.task(name="retention.leftovers", queue="system", queueing_lock="retention.leftovers", pass_context=True)
async def sweep_leftovers(context: procrastinate.JobContext, timestamp: int) -> None:
    """Delete keys, webhooks and jobs that nobody needs any more."""
    gone: dict[str, int] = {}
    now = utc_now()

    def delete_from(session: Session, table: str) -> None:
        gone[table] = leftovers.delete_from(session, table, now=now)

    await asyncio.to_thread(jobs.each, "retention.leftovers", leftovers.TABLES, delete_from, now=now)
    await context.app.job_manager.delete_old_jobs(
        nb_hours=int(leftovers.JOBS_KEPT.total_seconds() // 3600),
        include_failed=True,
        include_cancelled=True,
        include_aborted=True,
    )
    log.info("leftovers_deleted", **gone)
