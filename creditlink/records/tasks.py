"""Queued work on records: pulls, and pulls tried again."""

from __future__ import annotations

from uuid import UUID

from procrastinate import RetryStrategy

from creditlink import db, jobs
from creditlink.clock import utc_now
from creditlink.consents.service import live_for_work
from creditlink.errors import ConsentRefused
from creditlink.records import asking, pull, sources

# Sources that fail are no exceptions: what raises here is our own database being away for a moment.
_AGAIN = RetryStrategy(max_attempts=6, exponential_wait=2)


@jobs.app.task(name="records.pull_consent", queue="pulls", retry=_AGAIN)
def pull_consent(consent_id: str) -> None:
    """Fetch what a consent grants, as far as it is not fresh."""
    asking.run_pull(UUID(consent_id), sources.current(), utc_now)


@jobs.app.task(name="records.retry_pull", queue="pulls", retry=_AGAIN)
def retry_pull(consent_id: str) -> None:
    """Ask the sources that failed again, if the consent still lives."""
    now = utc_now()
    try:
        with db.transaction("worker") as session:
            consent = live_for_work(session, UUID(consent_id), now=now)
            started = None
            while started is None:  # again where the open pull has just ended
                answers = pull.last_answers(session, consent.id)
                due = pull.due_sources(consent.categories, answers, sources.current().config, now)
                if not due:
                    break
                started = pull.start(session, consent, due, trigger="retry", now=now)
    except ConsentRefused:
        return
