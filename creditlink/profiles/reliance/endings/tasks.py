"""Queued work: the sweep over profiles within their validity, often over what is new and every night over all."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from creditlink.engine.facts.relief_policies import relief_book_from
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.lifecycle.history import retired_models
from creditlink.profiles.reliance.endings import finding
from creditlink.profiles.reliance.endings.finding import Surroundings
from creditlink.profiles.reliance.endings.service import TASK, note_end

log = structlog.get_logger()

LOOKED_BACK = timedelta(hours=2)
"""The frequent sweep looks at news of so long: many times its own pause, so that some may fail."""

_EVER = datetime(1949, 10, 1, tzinfo=UTC)


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="profiles.endings")
@jobs.app.task(name=TASK, queue="system", queueing_lock=TASK)
def sweep_news(timestamp: int) -> None:
    """Note which profiles are ended early by what has come lately."""
    now = utc_now()
    sweep(now, since=now - LOOKED_BACK)


@jobs.app.periodic(cron="41 2 * * *", periodic_id="profiles.endings.all")
@jobs.app.task(name=f"{TASK}.all", queue="system", queueing_lock=f"{TASK}.all")
def sweep_all(timestamp: int) -> None:
    """Look at every profile within its validity."""
    sweep(utc_now(), since=_EVER)


def sweep(now: datetime, *, since: datetime) -> dict[str, int]:
    """Look at the profiles with news from `since` on, each in its own transaction; return events and their number."""
    settings = runtime.part(Settings)
    with db.transaction("worker") as session:
        around = surroundings(session, settings)
        due = finding.profiles_due(session, now=now, since=since)
    ended: Counter[str] = Counter()

    def note_one(session: Session, profile_id: UUID) -> None:
        end = note_end(session, profile_id, around, now=now)
        if end is not None:
            ended[end.event] += 1

    jobs.each(TASK, due, note_one, now=now)
    if ended:
        log.info("profiles_ended_early", **ended)
    return dict(ended)


def surroundings(session: Session, settings: Settings) -> Surroundings:
    """Return what all profiles have around them: the models that the register retired, and relief."""
    return Surroundings(retired_models(session), settings.parsed("relief.toml", relief_book_from))
