"""Queued work: shadow models score what was profiled, and are compared with the live one once a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring import settings as score_settings
from creditlink.kit import jobs
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.processes.runtime import Memory
from creditlink.kit.settings import Settings
from creditlink.lifecycle.service import unconfirmed
from creditlink.lifecycle.tables import ModelStep, RegisteredModel, ShadowDay, ShadowScore
from creditlink.profiles.serving.live import live_model
from creditlink.shadow.comparison import ShadowComparison, compare
from creditlink.shadow.scoring import ShadowWork, ask_for_a_person, models_of, score_in_shadow, unscored

log = structlog.get_logger()

WINDOW = timedelta(days=30)
"""Over how long a shadow model and the live one are compared."""


class ShadowModels(Memory[tuple[str, str], LiveModel]):
    """The shadow models that this worker has loaded, by name and hash of the manifest."""


@jobs.app.periodic(cron="* * * * *", periodic_id="shadow.score")
@jobs.app.task(name="shadow.score", queue="default", queueing_lock="shadow.score", lock="shadow.score")
def score_periodically(timestamp: int) -> None:
    """Score in the shadow what was profiled since; each profile by itself."""
    now = utc_now()
    with db.transaction("worker") as session:
        work = unscored(session, now)
        hashes = _registered(session, models_of(work))
    if work:
        jobs.each("shadow.score", work, lambda session, one: _score(session, one, hashes, now), now=now)


def _registered(session: Session, model_ids: list[str]) -> dict[str, str]:
    rows = select(RegisteredModel.model_id, RegisteredModel.manifest_sha256).where(
        RegisteredModel.model_id.in_(model_ids)
    )
    return {row.model_id: row.manifest_sha256 for row in session.execute(rows)}


def _score(session: Session, work: ShadowWork, hashes: dict[str, str], now: datetime) -> None:
    settings = runtime.process().of(Settings)
    memory = runtime.process().get_or_make(ShadowModels, ShadowModels)
    rules = settings.parsed("score.toml", score_settings.parse)
    folder = settings.models_dir / work.model_id
    shadow = memory.get((work.model_id, hashes[work.model_id]), lambda: live_model(folder, rules))
    score_in_shadow(session, work, shadow, now=now)


@jobs.app.periodic(cron="20 18 * * *", periodic_id="shadow.compare")
@jobs.app.task(name="shadow.compare", queue="default", queueing_lock="shadow.compare")
def compare_daily(timestamp: int) -> None:
    """Compare every shadow model with the live one, at night in Shanghai."""
    now = datetime.fromtimestamp(timestamp, UTC)
    with db.transaction("worker") as session:
        pairs = _pairs(session, now)
    jobs.each("shadow.compare", pairs, lambda session, pair: compare_pair(session, *pair, now=now), now=now)


def _pairs(session: Session, now: datetime) -> list[tuple[str, str]]:
    rows = select(ShadowScore.model_id, ShadowScore.live_model_id).where(ShadowScore.profiled_at > now - WINDOW)
    found = session.execute(rows.distinct().order_by(ShadowScore.model_id, ShadowScore.live_model_id))
    return [(model_id, live_model_id) for model_id, live_model_id in found]


def compare_pair(session: Session, model_id: str, live_model_id: str, *, now: datetime) -> ShadowComparison:
    """Store how two models compare over the window, and ask for a person where they are far apart."""
    rows = session.execute(
        select(ShadowScore.pd_12m, ShadowScore.live_pd_12m, ShadowScore.grade, ShadowScore.live_grade).where(
            ShadowScore.model_id == model_id,
            ShadowScore.live_model_id == live_model_id,
            ShadowScore.profiled_at > now - WINDOW,
            ShadowScore.profiled_at <= now,
        )
    ).all()
    pd, live_pd, grades, live_grades = zip(*rows, strict=True)
    found = compare(np.array(pd), np.array(live_pd), grades, live_grades)
    measured = {
        "profiles": found.profiles, "rank_correlation": found.rank_correlation, "share_apart": found.share_apart,
        "psi": found.psi, "compared_at": now,
    }  # fmt: skip
    key = {"day": day_of(now), "model_id": model_id, "live_model_id": live_model_id}
    session.execute(
        insert(ShadowDay).values(**key, **measured).on_conflict_do_update(index_elements=list(key), set_=measured)
    )
    if found.asks_for_a_person:
        told: dict[str, object] = {name: value for name, value in measured.items() if name != "compared_at"}
        if ask_for_a_person(session, "shadow_drift", f"{model_id}:{live_model_id}", told, now=now):
            log.warning("shadow_model_apart", model_id=model_id, live_model_id=live_model_id, **told)
    return found


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="lifecycle.unconfirmed")
@jobs.app.task(name="lifecycle.unconfirmed", queue="system", queueing_lock="lifecycle.unconfirmed")
def watch_rollbacks(timestamp: int) -> None:
    """Say of rollbacks made alone, once the time to confirm them is over, that nobody has."""
    now = utc_now()
    with db.transaction("worker") as session:
        waiting = unconfirmed(session)
        late = [step.id for step in waiting if step.confirm_until is not None and step.confirm_until <= now]
    jobs.each("lifecycle.unconfirmed", late, lambda session, one: tell_unconfirmed(session, one, now), now=now)


def tell_unconfirmed(session: Session, step_id: UUID, now: datetime) -> None:
    """Ask for a person, and put it in the evidence; once."""
    step = session.get_one(ModelStep, step_id)
    told: dict[str, object] = {"model": step.model_id, "step": step.wire_id, "by": step.signer}
    if ask_for_a_person(session, "rollback_unconfirmed", step.wire_id, told, now=now):
        log.error("rollback_unconfirmed", **told)
        audit.record(session, action="model.unconfirmed", result="done", actor="system", now=now, detail=told)
