"""Contested profiles: found, brought to a person, shown; and told of, once the datum is corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, undefer

from creditlink.audit import service as audit
from creditlink.consents.service import grant_for_token
from creditlink.consents.tables import Consent
from creditlink.decisions.tables import DecisionRow
from creditlink.disputes import service as disputes
from creditlink.disputes import versions
from creditlink.disputes.corrections import service as corrections
from creditlink.disputes.rules.datum import CLAIMS
from creditlink.disputes.rules.states import STATES
from creditlink.disputes.tables import ContestedScore, Correction, Dispute
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, supplies_apart
from creditlink.kit.clock import to_second
from creditlink.profiles.reliance.contested import scores
from creditlink.profiles.reliance.reviews.service import subject_of
from creditlink.profiles.tables import Profile
from creditlink.reviews import queue

CAUSE = "contested"
Means = Callable[[Session, Profile], "tuple[LiveModel, ProductBook] | None"]
"""What a profile is computed again with: the model that scored it and the products of its day; None: not at hand."""

_WHOLE = (undefer(Profile.asked), undefer(Profile.registration), undefer(Profile.fact_ids))


def profiles_that_read(session: Session, dispute: Dispute) -> list[Profile]:
    """Return the stored profiles that read a disputed datum, the oldest first."""
    query = select(Profile).where(Profile.enterprise_id == dispute.enterprise_id)
    if not dispute.datum.is_registered:
        ids_ = {one.id for one in versions.facts_of(session, dispute)} - {dispute.corrected_fact_id}
        query = query.where(Profile.fact_ids.overlap([*ids_, dispute.fact_id]))
    found = list(session.scalars(query.options(*_WHOLE).order_by(Profile.created_at, Profile.id)))
    if not dispute.datum.is_registered:
        return found
    return [profile for profile in found if scores.read_by(session, dispute, profile)]


def _beside(session: Session, dispute: Dispute) -> list[Profile]:
    """Return the profiles beside which an entry of the register stands that none is computed with."""
    if scores.is_in_profiles(dispute):
        return []
    since = Profile.created_at >= dispute.held_since_at
    return list(session.scalars(select(Profile).where(Profile.enterprise_id == dispute.enterprise_id, since)))


def contest(session: Session, dispute: Dispute, means: Means, now: datetime) -> int:
    """Note beside every profile that read the datum what it says without it, and bring it to a person; by the worker.

    Return how many there are.
    """
    found = profiles_that_read(session, dispute)
    for profile in found:
        _keep(session, dispute, profile, scores.WITHOUT, means, now)
        queue.add_cause(
            session, profile, subject_of(profile, profile.registration), CAUSE, settings=queue.settings_in_use(),
            now=now,
        )  # fmt: skip
    for profile in _beside(session, dispute):
        scores.unknown(session, dispute, profile, scores.WITHOUT, now, {})
    return len(found)


def at_creation(session: Session, profile: Profile, *, live: LiveModel, book: ProductBook, now: datetime) -> None:
    """Note of a profile that was just made what it says without each datum in dispute; as the bank, whose it is."""
    for dispute in disputes.open_of(session, profile.enterprise_id):
        if not scores.is_in_profiles(dispute):
            scores.unknown(session, dispute, profile, scores.WITHOUT, now, {})
        elif read := scores.read_by(session, dispute, profile):
            if scores.can_be_had(dispute, scores.WITHOUT):
                scores.keep(session, dispute, profile, scores.WITHOUT, read, live=live, book=book, now=now)
            else:
                scores.unknown(session, dispute, profile, scores.WITHOUT, now, {})
            disputes.queue_contest(session, dispute.id)  # a person looks at it: that is the worker's to ask for


def _keep(
    session: Session, dispute: Dispute, profile: Profile, which: str, means: Means, now: datetime
) -> ContestedScore | None:
    known = session.get(ContestedScore, (dispute.id, profile.id, which))
    read = scores.read_by(session, dispute, profile)
    if known is not None or not read:
        return known
    at_hand = means(session, profile) if scores.can_be_had(dispute, which) else None
    if at_hand is None:
        nothing: dict[str, object] = {}
        return scores.unknown(session, dispute, profile, which, now, nothing)
    live, book = at_hand
    return scores.keep(session, dispute, profile, which, read, live=live, book=book, now=now)


def tell(session: Session, dispute: Dispute, means: Means, now: datetime) -> list[Correction]:
    """Compute again what relied on a datum that is corrected, and tell each of its recipients, once.

    Whoever has no live consent is told that its profile must not be relied on, and nothing of the datum.
    """
    if dispute.state != "corrected" or dispute.told_at is not None:
        return []
    by_consent: dict[UUID, list[Profile]] = defaultdict(list)
    for profile in profiles_that_read(session, dispute):
        by_consent[profile.consent_id].append(profile)
    gone = _of_old(session, dispute)
    told = []
    for consent_id in sorted({*gone, *by_consent}):
        # Locked, as the firm's withdrawal locks it: it comes before, and no data goes out, or after.
        lives = grant_for_token(session, consent_id, now=now) is not None
        consent = session.get_one(Consent, consent_id)
        for profile in by_consent[consent_id] if lives else []:
            _keep(session, dispute, profile, scores.CORRECTED, means, now)
        opens = lives and _opens(consent, dispute.category)
        relied = [*gone[consent_id], *(profile.id for profile in by_consent[consent_id])]
        told.append(corrections.tell(session, dispute, consent, relied, opens, now))
    dispute.told_at = now
    audit.record(
        session, action="dispute.told", result="done", actor="system", now=now, enterprise_id=dispute.enterprise_id,
        detail={"dispute": dispute.wire_id, "recipients": len(told), "in_full": sum(one.in_full for one in told)},
    )  # fmt: skip
    return told


def _opens(consent: Consent, category: str) -> bool:
    return category in PUBLIC_CATEGORIES or category in supplies_apart(consent.categories)


def _of_old(session: Session, dispute: Dispute) -> dict[UUID, list[UUID]]:
    """Return by consent the profiles that are gone, made since the datum was known and open to it.

    What they read is sealed; that they may have read the datum is enough to tell of it.
    """
    if not scores.is_in_profiles(dispute):
        return defaultdict(list)
    gone = ~exists().where(Profile.id == DecisionRow.id)
    query = (
        select(DecisionRow.id, Consent)
        .join(Consent, Consent.id == DecisionRow.consent_id)
        .where(
            DecisionRow.enterprise_id == dispute.enterprise_id, DecisionRow.about.is_(None),
            DecisionRow.decided_at >= dispute.held_since_at, DecisionRow.expired_at.is_(None), gone,
        )
        .order_by(DecisionRow.decided_at)
    )  # fmt: skip
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for profile_id, consent in session.execute(query):
        if _opens(consent, dispute.category):
            found[consent.id].append(profile_id)
    return found


def contested_of(session: Session, profiles: Sequence[Profile]) -> dict[UUID, list[dict[str, object]]]:
    """Return profile -> what of its data is or was disputed, the latest first, as its bank reads it.

    Nothing of the firm's words and of what it wants goes to the bank, nor what the datum says.
    """
    if not profiles:
        return {}
    query = (
        select(ContestedScore, Dispute)
        .join(Dispute, Dispute.id == ContestedScore.dispute_id)
        .where(ContestedScore.profile_id.in_([profile.id for profile in profiles]))
        .order_by(Dispute.opened_at.desc(), Dispute.id)
    )
    rows: dict[UUID, dict[UUID, tuple[Dispute, dict[str, ContestedScore]]]] = defaultdict(dict)
    for score, dispute in session.execute(query):
        rows[score.profile_id].setdefault(dispute.id, (dispute, {}))[1][score.which] = score
    return {known: [_told(*one) for one in of_profile.values()] for known, of_profile in rows.items()}


def _told(dispute: Dispute, by_kind: dict[str, ContestedScore]) -> dict[str, object]:
    zh, en = dispute.datum.labels
    return {
        "dispute_id": dispute.wire_id,
        "contested": dispute.is_open,
        "state": dispute.state,
        "state_zh": STATES[dispute.state][0],
        "state_en": STATES[dispute.state][1],
        "claim": dispute.claim,
        "claim_zh": CLAIMS[dispute.claim][0],
        "claim_en": CLAIMS[dispute.claim][1],
        "category": dispute.category,
        "frame": dispute.frame,
        "label_zh": zh,
        "label_en": en,
        "period": dispute.datum.month,
        "in_profile": scores.is_in_profiles(dispute),
        "since": to_second(dispute.opened_at),
        "answer_by": to_second(dispute.due_at) if dispute.is_open else None,
        "ended_at": None if dispute.ended_at is None else to_second(dispute.ended_at),
        "without": _score(by_kind.get(scores.WITHOUT)),
        "corrected": _score(by_kind.get(scores.CORRECTED)),
    }


def _score(row: ContestedScore | None) -> dict[str, object] | None:
    if row is None or row.state is None:
        return None
    return {"state": row.state, "grade": row.grade, "points": row.points, "pd_12m": row.pd_12m}
