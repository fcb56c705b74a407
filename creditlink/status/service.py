"""The status that everybody may see: rates and times, no counts, nothing about any firm or bank."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from creditlink.records import sources
from creditlink.records.pulls import health
from creditlink.records.pulls.health import SourceAnswers
from creditlink.records.tables import SourceHealth
from creditlink.status.steps import NOTHING, STEPS, AnswerTally, State, median, state_of, worst_of
from creditlink.status.tables import StepCount

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Failures are remembered longer than everything else, for "the last one was …".
KEEP_OK, KEEP_FAILED = timedelta(days=2), timedelta(days=90)


@dataclass(frozen=True)
class PartStatus:
    """How one step or one source is doing."""

    kind: Literal["step", "source"]
    name: str
    hour: AnswerTally
    day: AnswerTally
    last_failure_at: datetime | None

    @property
    def state(self) -> State:
        """The state in the last hour; of a quiet hour, which says nothing, that of the day."""
        return state_of(self.hour) if self.hour.answers else state_of(self.day)

    def as_json(self) -> dict[str, object]:
        """Return it as everybody sees it."""
        return {
            self.kind: self.name,
            "state": self.state,
            "last_hour": _as_json(self.hour),
            "last_day": _as_json(self.day),
            "last_failure_at": self.last_failure_at,
        }


def status(session: Session, now: datetime) -> dict[str, object]:
    """Return state, success rate and median time of every step and source, and the last failure."""
    hour, day = _steps_since(session, now - HOUR), _steps_since(session, now - DAY)
    pulls_hour, pulls_day = health.answers_since(session, now - HOUR), health.answers_since(session, now - DAY)
    failed_at = _last_failures(session)
    known = {source.name: source for source in session.scalars(select(SourceHealth))}
    offices = []
    for name in sources.current().config.sources:
        source = known.get(name)
        hourly, daily = _of_pulls(pulls_hour, name), _of_pulls(pulls_day, name)
        offices.append(PartStatus("source", name, hourly, daily, source.last_failure_at if source else None))
    hour["pull"], day["pull"] = _of_pulls(pulls_hour, None), _of_pulls(pulls_day, None)
    failed_at["pull"] = max((one.last_failure_at for one in offices if one.last_failure_at), default=None)
    steps = [
        PartStatus("step", step, hour.get(step, NOTHING), day.get(step, NOTHING), failed_at.get(step)) for step in STEPS
    ]
    failures = [
        (one.last_failure_at, one.name)
        for one in (*offices, *(step for step in steps if step.name != "pull"))
        if one.last_failure_at is not None
    ]
    last = max(failures, key=lambda failure: failure[0], default=None)
    return {
        "state": worst_of([step.state for step in steps]),
        "as_of": now,
        "steps": [step.as_json() for step in steps],
        "sources": [office.as_json() for office in offices],
        "last_incident": None if last is None else {"where": last[1], "at": last[0]},
    }


def _as_json(tally: AnswerTally) -> dict[str, float | None]:
    rate, p50 = tally.success_rate, tally.p50_seconds
    return {
        "success_rate": None if rate is None else round(rate, 4),
        "p50_seconds": None if p50 is None else round(p50, 3),
    }


def _of_pulls(answers: Mapping[str | None, SourceAnswers], name: str | None) -> AnswerTally:
    row = answers.get(name)
    return AnswerTally(row.answers, row.good, row.p50) if row is not None and row.answers else NOTHING


def _steps_since(session: Session, since: datetime) -> dict[str, AnswerTally]:
    query = (
        select(StepCount.step, StepCount.outcome, StepCount.bucket, func.sum(StepCount.answers))
        .where(StepCount.minute_at >= since)
        .group_by(StepCount.step, StepCount.outcome, StepCount.bucket)
    )
    good: dict[str, int] = defaultdict(int)
    buckets: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for step, outcome, bucket, answers in session.execute(query):
        buckets[step][bucket] += int(answers)
        good[step] += int(answers) if outcome == "ok" else 0
    return {step: AnswerTally(sum(counted.values()), good[step], median(counted)) for step, counted in buckets.items()}


def _last_failures(session: Session) -> dict[str, datetime | None]:
    query = select(StepCount.step, func.max(StepCount.minute_at)).where(StepCount.outcome == "failed")
    return dict(session.execute(query.group_by(StepCount.step)).all())


def forget(session: Session, now: datetime) -> None:
    """Delete counts that nobody asks for any more."""
    for outcome, keep in (("ok", KEEP_OK), ("failed", KEEP_FAILED)):
        session.execute(delete(StepCount).where(StepCount.outcome == outcome, StepCount.minute_at < now - keep))
