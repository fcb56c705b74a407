"""Queued work on records: pulls, pulls tried again, pulls that lost their job."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import select

from creditlink.consents.service import live_for_work
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import ConsentRefused
from creditlink.kit.postgres import db
from creditlink.records import sources
from creditlink.records.pulls import fetching, pull
from creditlink.records.tables import Pull

log = structlog.get_logger()

# A pull that is open for so long has perhaps lost its job; one that has not is queued once more for nothing.
_LATE = timedelta(minutes=2)


@jobs.app.task(name="records.pull_consent", queue="pulls", retry=jobs.AGAIN)
def pull_consent(consent_id: str) -> None:
    """Fetch what a consent grants, as far as it is not fresh."""
    fetching.run_pull(UUID(consent_id), sources.current(), utc_now)


@jobs.app.task(name="records.retry_pull", queue="pulls", retry=jobs.AGAIN)
def retry_pull(consent_id: str) -> None:
    """Ask the sources that failed again, if the consent still lives."""
    now = utc_now()
    try:
        with db.transaction("worker") as session:
            consent = live_for_work(session, UUID(consent_id), now=now)
            started = None
            while started is None:  # again where the open pull has just ended
                answers = pull.last_answers(session, consent.id)
                config = sources.serving(sources.current().config, session, consent.enterprise_id)
                due = pull.due_sources(consent.categories, answers, config, now)
                if not due:
                    break
                started = pull.start(session, consent, due, trigger="retry", now=now)
    except ConsentRefused:
        return


@jobs.app.periodic(cron="* * * * * */30", periodic_id="records.late")
@jobs.app.task(name="records.late", queue="system", queueing_lock="records.late")
def queue_late_pulls(timestamp: int) -> None:
    """Queue again the work of pulls that have been open for long: whatever became of their jobs, they end."""
    now = utc_now()
    with db.transaction("worker") as session:
        late = session.scalars(
            select(Pull.consent_id).where(Pull.status == "OPEN", Pull.requested_at < now - _LATE).order_by(Pull.id)
        ).all()
    jobs.each("records.late", late, lambda session, consent_id: pull.queue_work(session, consent_id), now=now)
    if late:
        log.info("late_pulls_queued", pulls=len(late))
