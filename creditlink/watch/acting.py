"""Raising alarms, and doing at once what the rules ask for: a freeze, or another model in the place of the live one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.kit import ids
from creditlink.kit.clock import day_of
from creditlink.kit.errors import NotFound
from creditlink.lifecycle import restraint
from creditlink.lifecycle.steps import ModelStepRefused
from creditlink.lifecycle.tables import PurposeStanding
from creditlink.staff.actor import StaffActor
from creditlink.watch.counting import WatchedModel
from creditlink.watch.judging import JudgedSeries
from creditlink.watch.rules.acts import WatchCause, cause_of
from creditlink.watch.rules.settings import WatchAct, WatchSettings
from creditlink.watch.tables import DriftAlarm

log = structlog.get_logger()

USED_AGAIN = "the model was put to use again"
MOST_NAMED = 20
REFUSED = "fall_back_refused"


def standing_of(session: Session, watched: WatchedModel) -> PurposeStanding | None:
    """Return the standing of a model that is live for the purpose, locked; None: it is not live.

    Two jobs at once act one after the other: the second sees what the first did.
    """
    return session.scalar(
        select(PurposeStanding)
        .where(
            PurposeStanding.model_id == watched.model_id, PurposeStanding.purpose == watched.purpose,
            PurposeStanding.status == "live",
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )  # fmt: skip


def counts_since(session: Session, watched: WatchedModel, standing: PurposeStanding) -> date:
    """Return the first day whose profiles count against a live model.

    The day after it was put to use, or after a person closed an alarm: they knew of the days before. Alarms from before
    it was put to use again end themselves.
    """
    ended = {"closed_at": standing.since_at, "resolution": USED_AGAIN}
    of_model = (DriftAlarm.purpose == watched.purpose) & (DriftAlarm.model_id == watched.model_id)
    session.execute(
        update(DriftAlarm)
        .where(of_model, DriftAlarm.closed_at.is_(None), DriftAlarm.raised_at < standing.since_at)
        .values(**ended)
    )
    by_people = select(func.max(DriftAlarm.closed_at)).where(of_model, DriftAlarm.closed_by.is_not(None))
    settled = session.scalar(by_people)
    newest = standing.since_at if settled is None else max(settled, standing.since_at)
    return day_of(newest) + timedelta(days=1)


def act_on(
    session: Session,
    watched: WatchedModel,
    day: date,
    judged: Mapping[str, JudgedSeries],
    settings: WatchSettings,
    *,
    used: Collection[str],
    contradicted: Sequence[str],
    now: datetime,
) -> DriftAlarm | None:
    """Raise an alarm where the findings of a day ask for one, and do what they ask; return the alarm if it is new.

    Parameters
    ----------
    used : indicators that the model's score depends on
    contradicted : measures of calibration that outcomes contradict
    """
    findings = {series: one.finding for series, one in judged.items()}
    cause = cause_of(findings, used=used, contradicted=contradicted, settings=settings)
    if cause is None:
        return None
    detail = _detail(cause, judged)
    open_ones = _open(session, watched, cause.act)
    if open_ones:
        for alarm in open_ones:
            alarm.seen_on = max(alarm.seen_on, day)
        return None
    done, said = _done(session, watched, cause, settings, day, now)
    detail |= said
    values = {
        "purpose": watched.purpose, "model_id": watched.model_id, "act": done, "series": list(cause.series),
        "detail": detail, "raised_on": day, "seen_on": day, "raised_at": now,
    }  # fmt: skip
    alarm_id = session.scalar(insert(DriftAlarm).values(**values).on_conflict_do_nothing().returning(DriftAlarm.id))
    if alarm_id is None:
        return None
    alarm = session.get_one(DriftAlarm, alarm_id)
    told: dict[str, object] = {
        "alarm": alarm.wire_id, "model": watched.model_id, "purpose": watched.purpose, "act": done, **detail,
    }  # fmt: skip
    log.error("drift_alarm", **told)
    audit.record(session, action="watch.alarm", result="done", actor="system", now=now, detail=told)
    return alarm


def _open(session: Session, watched: WatchedModel, act: WatchAct) -> Sequence[DriftAlarm]:
    """Return the alarm of an act that is open, or the freeze that stands in the place of a fall-back."""
    asked = DriftAlarm.act == act
    if act == "fall_back":
        asked |= (DriftAlarm.act == "freeze") & DriftAlarm.detail.has_key(REFUSED)
    of_model = (DriftAlarm.purpose == watched.purpose) & (DriftAlarm.model_id == watched.model_id)
    return session.scalars(select(DriftAlarm).where(of_model, asked, DriftAlarm.closed_at.is_(None))).all()


def _done(
    session: Session, watched: WatchedModel, cause: WatchCause, settings: WatchSettings, day: date, now: datetime
) -> tuple[WatchAct, dict[str, object]]:
    """Do what the cause asks for; return what was done, and what is said of it. No fall-back there: a freeze."""
    because = f"drift on {day.isoformat()}: {', '.join(cause.series[:3])}"
    said: dict[str, object] = {}
    if cause.act == "fall_back":
        try:
            with session.begin_nested():
                step = restraint.fall_back(
                    session, settings.fall_back_model, watched.purpose, because=because,
                    detail={"from": watched.model_id, "series": list(cause.series[:MOST_NAMED])}, now=now,
                )  # fmt: skip
        except (ModelStepRefused, NotFound) as refused:
            said[REFUSED] = str(refused) or f"{settings.fall_back_model} is not registered"
        else:
            return "fall_back", {"serves": settings.fall_back_model, "step": step.wire_id}
    if cause.act != "alert":
        restraint.freeze(session, watched.model_id, watched.purpose, because=because, now=now)
        return "freeze", said
    return "alert", said


def _detail(cause: WatchCause, judged: Mapping[str, JudgedSeries]) -> dict[str, object]:
    named = cause.series[:MOST_NAMED]
    return {
        "series": [
            {
                "series": name, "index": round(judged[name].finding.index, 4), "firms": judged[name].finding.firms,
                "level": judged[name].finding.level, "window_days": judged[name].window_days,
                "against": judged[name].against,
            }
            if name in judged
            else {"series": name}
            for name in named
        ]
    }  # fmt: skip


def close(session: Session, wire_id: str, *, by: StaffActor, resolution: str, now: datetime) -> DriftAlarm:
    """Close an alarm; what was done stays until people undo it (`lift`, a rollback).

    Raises
    ------
    RoleMissing
        The person is neither of risk nor an operator.
    NotFound
        There is no such alarm, or it is closed.
    ModelStepRefused
        No resolution is given.
    """
    role = by.acting_as("risk", "operator")
    if not resolution.strip():
        raise ModelStepRefused(f"{wire_id}: say how it was settled", reason="resolution")
    alarm_id: UUID = ids.internal("alm", wire_id)
    alarm = session.scalar(
        select(DriftAlarm).where(DriftAlarm.id == alarm_id, DriftAlarm.closed_at.is_(None)).with_for_update()
    )
    if alarm is None:
        raise NotFound(f"{wire_id}: no such alarm is open")
    alarm.closed_at, alarm.closed_by, alarm.resolution = now, by.account_id, resolution
    audit.record(
        session, action="watch.close", result="done", actor=by.name, now=now,
        detail={"alarm": wire_id, "resolution": resolution, "role": role, "proof": by.proof},
    )  # fmt: skip
    return alarm
