"""The status that everybody may see: rates and times, no counts, nothing of any firm or bank."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from creditlink.records import sources
from creditlink.records.pulls import health
from creditlink.records.tables import SourceHealth
from creditlink.status.steps import NOTHING, STEPS, AnswerTally, State, median, state_of, worst_of
from creditlink.status.tables import StepCount

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Failures are remembered longer than everything else, for "the last one was …".
KEEP_OK, KEEP_FAILED = timedelta(days=2), timedelta(days=90)


def status(session: Session, now: datetime) -> dict[str, Any]:
    """Return state, success rate and median time of every step and source, and the last failure."""
    hour, day = _steps_since(session, now - HOUR), _steps_since(session, now - DAY)
    pulls_hour, pulls_day = health.answers_since(session, now - HOUR), health.answers_since(session, now - DAY)
    failed_at = _last_failures(session)
    known = {source.name: source for source in session.scalars(select(SourceHealth))}
    offices = []
    for name in sources.current().config.sources:
        source = known.get(name)
        told = _told("source", name, _of_pulls(pulls_hour, name), _of_pulls(pulls_day, name))
        offices.append(told | {"last_failure_at": source.last_failure_at if source else None})
    hour["pull"], day["pull"] = _of_pulls(pulls_hour, None), _of_pulls(pulls_day, None)
    failed_at["pull"] = max((o["last_failure_at"] for o in offices if o["last_failure_at"]), default=None)
    walked = [
        _told("step", step, hour.get(step, NOTHING), day.get(step, NOTHING)) | {"last_failure_at": failed_at.get(step)}
        for step in STEPS
    ]
    incidents = [
        {"where": row[kind], "at": row["last_failure_at"]}
        for kind, rows in (("source", offices), ("step", [w for w in walked if w["step"] != "pull"]))
        for row in rows
        if row["last_failure_at"] is not None
    ]
    return {
        "state": worst_of([row["state"] for row in walked]),
        "as_of": now,
        "steps": walked,
        "sources": offices,
        "last_incident": max(incidents, key=lambda found: found["at"], default=None),
    }


def _told(kind: str, name: str, hour: AnswerTally, day: AnswerTally) -> dict[str, Any]:
    # A quiet hour says nothing: then the day speaks.
    state: State = state_of(hour) if hour.answers else state_of(day)
    return {kind: name, "state": state, "last_hour": _as_json(hour), "last_day": _as_json(day)}


def _as_json(tally: AnswerTally) -> dict[str, float | None]:
    rate, p50 = tally.success_rate, tally.p50_seconds
    return {
        "success_rate": None if rate is None else round(rate, 4),
        "p50_seconds": None if p50 is None else round(p50, 3),
    }


def _of_pulls(found: dict[Any, Any], name: str | None) -> AnswerTally:
    row = found.get(name)
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
