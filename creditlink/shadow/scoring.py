"""Scoring a stored profile again with a shadow model, from the same facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.facts.relief import relieve
from creditlink.engine.facts.relief_policies import policies_of
from creditlink.engine.features.compute import compute
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.snapshot import registration_frame
from creditlink.engine.scoring.scores import Scores
from creditlink.kit import ids
from creditlink.lifecycle.tables import PurposeStanding, ReviewItem, ShadowScore
from creditlink.profiles.reliance.reviews.service import subject_of
from creditlink.profiles.tables import Profile
from creditlink.records.store import read_inputs
from creditlink.reviews import queue
from creditlink.reviews.rules.causes import DISAGREE
from creditlink.shadow.comparison import BANDS_FOR_REVIEW, bands_between

WITHIN = timedelta(days=2)
"""Profiles older than this are not scored in the shadow any more: a model that enters it looks ahead."""

MOST_AT_ONCE = 200


@dataclass(frozen=True)
class ShadowWork:
    """One profile that a shadow model has not scored yet."""

    profile_id: UUID
    model_id: str
    purpose: str

    def __str__(self) -> str:
        return f"{self.profile_id}:{self.model_id}"


def unscored(session: Session, now: datetime) -> list[ShadowWork]:
    """Return what shadow models have not scored, the oldest first; each model for its own purposes."""
    done = exists().where(ShadowScore.profile_id == Profile.id, ShadowScore.model_id == PurposeStanding.model_id)
    rows = session.execute(
        select(Profile.id, PurposeStanding.model_id, Consent.purpose)
        .join(Consent, Consent.id == Profile.consent_id)
        .join(PurposeStanding, PurposeStanding.purpose == Consent.purpose)
        .where(PurposeStanding.status == "shadow", Profile.state == "scored", Profile.created_at > now - WITHIN, ~done)
        .order_by(Profile.created_at, Profile.id, PurposeStanding.model_id)
        .limit(MOST_AT_ONCE)
    )
    return [ShadowWork(*row) for row in rows]


def score_in_shadow(session: Session, work: ShadowWork, shadow: LiveModel, *, now: datetime) -> ShadowScore | None:
    """Store what the shadow model says of a profile, and ask for a person where the two are far apart.

    None: the profile was purged meanwhile, its facts are going, or another worker was first.
    """
    profile = session.get(Profile, work.profile_id)
    if profile is None or profile.pd_12m is None or profile.points is None:
        return None
    scores = _scores(session, profile, shadow)
    if scores is None:
        return None
    # By the score alone: a grade that was capped for want of records would not compare with one that was not.
    live_grade = str(shadow.model.scale.grade(np.array([profile.pd_12m]))[0])
    values = {
        "profile_id": profile.id, "model_id": work.model_id, "enterprise_id": profile.enterprise_id,
        "purpose": work.purpose, "grade": str(scores.grade[0]), "points": int(scores.points[0]),
        "pd_12m": float(scores.pd_12m[0]), "live_model_id": profile.model_id, "live_grade": live_grade,
        "live_points": profile.points, "live_pd_12m": profile.pd_12m, "profiled_at": profile.created_at,
        "scored_at": now,
    }  # fmt: skip
    new = insert(ShadowScore).values(**values).on_conflict_do_nothing().returning(ShadowScore.model_id)
    added = session.scalar(new)
    if added is None:
        return None
    score = ShadowScore(**values)
    apart = bands_between(score.grade, live_grade)
    if apart >= BANDS_FOR_REVIEW:
        told = {"model": work.model_id, "live_model": profile.model_id, "bands": apart}
        ask_for_a_person(
            session, "model_disagreement", ids.external("prf", profile.id), told, now=now,
            enterprise_id=profile.enterprise_id, profile_id=profile.id,
        )  # fmt: skip
        queue.add_cause(
            session, profile, subject_of(profile, profile.registration), DISAGREE, settings=queue.settings_in_use(),
            now=now,
        )  # fmt: skip
    return score


def _scores(session: Session, profile: Profile, shadow: LiveModel) -> Scores | None:
    facts = read_inputs(
        session, [profile.enterprise_id], categories=profile.asked["categories"], since=profile.as_of,
        as_of=profile.as_of, only=profile.fact_ids,
    )  # fmt: skip
    if set(profile.fact_ids) - set(facts.fact_ids):
        return None
    frames = {name: facts.records.frame(name) for name in FRAME_SCHEMAS}
    frames["registration"] = registration_frame(profile.registration)
    inputs = replace(facts, records=RecordSet(**frames))
    records, _ = relieve(inputs.records, policies_of(profile.asked.get("relief", [])), profile.as_of)
    return shadow.model.score(compute(records, profile.as_of, shadow.reference), threads=1)


def ask_for_a_person(
    session: Session,
    kind: str,
    subject: str,
    detail: dict[str, object],
    *,
    now: datetime,
    enterprise_id: UUID | None = None,
    profile_id: UUID | None = None,
) -> bool:
    """Put something on the list that people look through; return whether it was not there yet."""
    values = {
        "kind": kind, "subject": subject, "detail": detail, "raised_at": now, "enterprise_id": enterprise_id,
        "profile_id": profile_id,
    }  # fmt: skip
    added = session.scalar(insert(ReviewItem).values(**values).on_conflict_do_nothing().returning(ReviewItem.id))
    return added is not None


def models_of(work: Iterable[ShadowWork]) -> list[str]:
    """Return the models that the work needs, each once."""
    return sorted({one.model_id for one in work})
