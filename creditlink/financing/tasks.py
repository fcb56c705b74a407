"""Queued work on financing: bringing it up to the clock."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog

from creditlink.financing import sweep
from creditlink.financing.configuration import clocks, papers
from creditlink.financing.funnel import cases
from creditlink.financing.loans import overridden
from creditlink.financing.requests.papers import documents
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

log = structlog.get_logger()

_PATIENCE = timedelta(minutes=5)
"""How long a document waits for its first scan before it is queued again."""


@jobs.app.periodic(cron="*/10 * * * *", periodic_id="financing_funnel")
@jobs.app.task(name="financing.funnel", queue="system", queueing_lock="financing.funnel")
def publish_funnel(timestamp: int) -> None:
    """Tell of the months that are over, once."""
    with db.transaction("worker") as session:
        rows = cases.publish(session, utc_now())
    if rows:
        log.info("funnel_published", rows=rows)


@jobs.app.periodic(cron="* * * * * */15", periodic_id="financing")
@jobs.app.task(name=sweep.TASK, queue="system", queueing_lock=sweep.TASK)
def sweep_financing(timestamp: int) -> None:
    """End what is unanswered, lapsed or overdue, and remind late lenders."""
    done = sweep.sweep_each(utc_now(), clocks(runtime.part(Settings).config_dir))
    if done["escalated"]:
        log.warning("lenders_late_to_answer", applications=done["escalated"])  # the operator's word of it
    if done:
        log.info("financing_swept", **done)


@jobs.app.task(name=documents.SCAN, queue="default", retry=jobs.AGAIN)
def scan_papers(request_id: str) -> None:
    """Have the documents of a request scanned; safe to run again at any time."""
    documents.scan_waiting(UUID(request_id), utc_now())


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="financing.papers")
@jobs.app.task(name="financing.papers", queue="system", queueing_lock="financing.papers")
def sweep_papers(timestamp: int) -> None:
    """Have scanned what lost its job or met a scanner that was away; delete the content of what is over."""
    now, bounds = utc_now(), papers(runtime.part(Settings).config_dir)
    with db.transaction("worker") as session:
        for request_id in documents.late(session, now, _PATIENCE):
            jobs.defer(
                session, documents.SCAN, queue="default", lock=f"papers:{request_id}", request_id=str(request_id)
            )
        emptied = documents.empty_over(session, now, kept=timedelta(days=bounds.kept_days))
    if emptied:
        log.info("papers_emptied", documents=emptied)


@jobs.app.periodic(cron="40 18 * * *", periodic_id="financing.overridden")
@jobs.app.task(name="financing.overridden", queue="system", queueing_lock="financing.overridden")
def settle_overrides(timestamp: int) -> None:
    """Note what became of loans after overrides, at night in Shanghai; each by itself."""
    now = utc_now()
    with db.transaction("worker") as session:
        waiting = overridden.unsettled(session)
    jobs.each("financing.overridden", waiting, lambda session, one: overridden.settle(session, one, now=now), now=now)
