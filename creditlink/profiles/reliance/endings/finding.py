"""What came after a stored profile, read for the sweep: only of what the profile's own consent opens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent, ConsentEvent
from creditlink.engine.facts.relief_policies import ReliefBook
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, evidence_of, supplies_apart
from creditlink.enterprises.registry import versions
from creditlink.institutions.own import is_own
from creditlink.institutions.tables import OWN_ID
from creditlink.kit.clock import day_of
from creditlink.profiles.reliance.endings.events import EarlyEnd, LaterFact, WholeAnswer, of_arrears, of_facts
from creditlink.profiles.tables import Profile
from creditlink.records.pulls.reuse import USABLE
from creditlink.records.tables import FactRow, Pull, PullPart

_UNSEEN = timedelta(minutes=15)
"""A pull that was under way stored its facts under an instant before the profile, which could not see them."""

_LED = "representative"

_DUE = text("""
    SELECT p.id FROM profiles p
    WHERE (p.summary #>> '{validity,valid_until}')::timestamptz > :now
      AND NOT EXISTS (SELECT 1 FROM profile_endings n WHERE n.profile_id = p.id)
      AND (EXISTS (SELECT 1 FROM model_standings m JOIN consents c ON c.purpose = m.purpose
                   WHERE m.model_id = p.model_id AND c.id = p.consent_id
                   AND m.status = 'retired' AND m.since_at > p.created_at)
        OR EXISTS (SELECT 1 FROM pulls u JOIN pull_parts q ON q.pull_id = u.id
                   WHERE u.enterprise_id = p.enterprise_id AND q.finished_at > greatest(p.created_at, :since))
        OR EXISTS (SELECT 1 FROM facts f WHERE f.enterprise_id = p.enterprise_id
                   AND f.recorded_at > greatest(p.created_at - :unseen, :since))
        OR EXISTS (SELECT 1 FROM registrations r WHERE r.enterprise_id = p.enterprise_id
                   AND r.known_at > greatest(p.created_at, :since))
        OR EXISTS (SELECT 1 FROM registry_versions v WHERE v.enterprise_id = p.enterprise_id
                   AND v.kind = 'representative' AND v.known_at > greatest(p.created_at, :since))
        OR EXISTS (SELECT 1 FROM consent_events e WHERE e.consent_id = p.consent_id
                   AND e.at > greatest(p.created_at, :since)))
    ORDER BY p.id
""")

_STATUS = text("""
    SELECT status, known_at FROM registrations
    WHERE enterprise_id = :firm AND valid_from <= :today ORDER BY valid_from DESC, known_at DESC, id DESC LIMIT 1
""")


def profiles_due(session: Session, *, now: datetime, since: datetime) -> list[UUID]:
    """Return the profiles within their validity with news of firm or consent from `since` on, or a retired model."""
    return list(session.scalars(_DUE, {"now": now, "since": since, "unseen": _UNSEEN}))


@dataclass(frozen=True)
class Surroundings:
    """What the sweep looks at besides the profile's own firm and consent."""

    retired: Mapping[tuple[str, str], datetime]  # model, purpose -> since when it is retired
    relief: ReliefBook


def ends_of(
    session: Session, profile: Profile, consent: Consent, around: Surroundings, now: datetime
) -> list[EarlyEnd]:
    """Return every event that ended a profile, in no order."""
    return [
        *_of_consent(session, profile),
        *_of_model(profile, consent.purpose, around.retired),
        *_of_registry(session, profile, now),
        *_of_facts(session, profile, consent, around, now),
    ]


def _of_consent(session: Session, profile: Profile) -> Iterator[EarlyEnd]:
    ended = select(ConsentEvent.at, ConsentEvent.to_state).where(
        ConsentEvent.consent_id == profile.consent_id,
        ConsentEvent.at > profile.created_at,
        ConsentEvent.to_state.in_(("PAUSED", "REVOKED")),
    )
    for at, state in session.execute(ended):
        yield EarlyEnd("consent_withdrawn", at, {"now": state})


def _of_model(profile: Profile, purpose: str, retired: Mapping[tuple[str, str], datetime]) -> Iterator[EarlyEnd]:
    at = retired.get((profile.model_id, purpose))
    if at is not None and at > profile.created_at:
        yield EarlyEnd("model_withdrawn", at, {"model": profile.model_id})


def _of_registry(session: Session, profile: Profile, now: datetime) -> Iterator[EarlyEnd]:
    today = day_of(now)
    was = profile.registration["status"]
    for status, known_at in session.execute(_STATUS, {"firm": profile.enterprise_id, "today": today}):
        if status != was and known_at > profile.created_at:
            yield EarlyEnd("registration_changed", known_at, {"category": "registration", "was": was, "now": status})
    before, after = (
        versions.held(session, [profile.enterprise_id], day=today, known_at=known_at, kinds=[_LED])
        .get(profile.enterprise_id, {})
        .get(_LED)
        for known_at in (profile.created_at, now)
    )
    # One that was told for the first time is no other one; two of one name are two where the registrar says so.
    if before is not None and after is not None and before.items != after.items:
        yield EarlyEnd("representative_changed", after.known_at, {"category": "registration"})


def _of_facts(
    session: Session, profile: Profile, consent: Consent, around: Surroundings, now: datetime
) -> Iterator[EarlyEnd]:
    opened = frozenset(supplies_apart(profile.asked["categories"])) & {*supplies_apart(consent.categories)}
    read = _facts(session, profile, FactRow.id.in_(profile.fact_ids))
    is_past = profile.as_of < day_of(profile.created_at)
    seen_until = profile.created_at if is_past else profile.created_at - _UNSEEN
    later = _facts(
        session,
        profile,
        FactRow.recorded_at > seen_until,
        FactRow.id.not_in(profile.fact_ids),
        or_(
            FactRow.category.in_(PUBLIC_CATEGORIES),
            FactRow.category.in_(opened)
            & (FactRow.period >= date.fromisoformat(profile.asked["since"]).replace(day=1)),
        ),
        *(() if is_own(consent.institution_id) else (_heard_beside_own_use(),)),
    )
    yield from of_facts(read, later)
    newest: dict[tuple[str, date, str], LaterFact] = {}
    for fact in [*read, *later]:
        if fact.key not in newest or newest[fact.key].order < fact.order:
            newest[fact.key] = fact
    policies = around.relief.of_firm(profile.registration, day_of(now))

    def due_day(category: str, due_on: date) -> date | None:
        for policy in policies:
            if evidence_of(category) in policy.payments and policy.due_from <= due_on < policy.due_before:
                if policy.extended_to is None:
                    return None
                due_on = max(due_on, policy.extended_to)
        return due_on

    yield from of_arrears(
        list(newest.values()),
        read,
        _answers(session, profile),
        as_of=profile.as_of,
        day_of=day_of,
        due_day=due_day,
    )


def _heard_beside_own_use() -> ColumnElement[bool]:
    """Return the condition that a fact came otherwise than by the firm's looking at itself, which ends nothing."""
    asked = select(Consent.id).where(Consent.id == Pull.consent_id)
    brought = select(Pull.id).where(Pull.id == FactRow.pull_id, asked.where(Consent.institution_id == OWN_ID).exists())
    since = (
        select(PullPart.pull_id)
        .join(Pull, Pull.id == PullPart.pull_id)
        .where(
            Pull.enterprise_id == FactRow.enterprise_id, PullPart.source == FactRow.source,
            PullPart.status.in_(USABLE), PullPart.finished_at >= FactRow.recorded_at,
            asked.where(Consent.institution_id != OWN_ID).exists(),
        )
    )  # fmt: skip
    return or_(~brought.exists(), since.exists())


def _facts(session: Session, profile: Profile, *conditions: ColumnElement[bool]) -> list[LaterFact]:
    columns = (
        *(FactRow.id, FactRow.source, FactRow.category, FactRow.frame, FactRow.period, FactRow.subkey, FactRow.values),
        *(FactRow.version, FactRow.complete, FactRow.known_at, FactRow.recorded_at),
    )
    wanted = select(*columns).where(FactRow.enterprise_id == profile.enterprise_id, *conditions).order_by(FactRow.id)
    return [LaterFact(*row) for row in session.execute(wanted)]


def _answers(session: Session, profile: Profile) -> Sequence[WholeAnswer]:
    wanted = (
        select(PullPart.source, Pull.since, func.coalesce(PullPart.answered_at, PullPart.finished_at))
        .join(Pull, Pull.id == PullPart.pull_id)
        .where(
            Pull.consent_id == profile.consent_id,
            PullPart.status == "DELIVERED",
            PullPart.finished_at > profile.created_at,
        )
    )
    return [WholeAnswer(*row) for row in session.execute(wanted)]
