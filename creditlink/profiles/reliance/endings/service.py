"""The end of a profile's validity, noted: one transaction for the row, its evidence and the webhook."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, undefer

from creditlink.audit import service as audit
from creditlink.consents.service import grant_for_token
from creditlink.consents.tables import Consent
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import to_second
from creditlink.notifications.service import notify
from creditlink.profiles.reliance.endings.events import EarlyEnd, first_of
from creditlink.profiles.reliance.endings.finding import Surroundings, ends_of
from creditlink.profiles.reliance.endings.tables import ProfileEnding
from creditlink.profiles.tables import Profile

TASK = "profiles.endings"


def note_end(session: Session, profile_id: UUID, around: Surroundings, *, now: datetime) -> EarlyEnd | None:
    """Look at one profile and note the event that ended it, if one did; tell its bank while its consent lives.

    The consent is locked first: a firm that withdraws it meanwhile is waited for, or waits, so that no webhook about
    its data leaves after its withdrawal.
    """
    consent_id = session.scalar(select(Profile.consent_id).where(Profile.id == profile_id))
    if consent_id is None:
        return None  # purged meanwhile
    live = grant_for_token(session, consent_id, now=now)
    whole = (undefer(Profile.asked), undefer(Profile.registration), undefer(Profile.fact_ids))
    profile = session.scalar(select(Profile).where(Profile.id == profile_id).options(*whole))
    if profile is None or session.get(ProfileEnding, profile_id) is not None:
        return None
    consent = session.get_one(Consent, consent_id)
    end = first_of(ends_of(session, profile, consent, around, now))
    if end is None:
        return None
    row = {"event": end.event, "ended_at": end.ended_at, "noted_at": now, "evidence": end.evidence}
    added = insert(ProfileEnding).values(profile_id=profile.id, **row).on_conflict_do_nothing()
    if session.scalar(added.returning(ProfileEnding.profile_id)) is None:
        return None  # another sweep was first
    _record(session, profile, consent, end, now)
    if live is not None:
        _tell(session, profile, consent, end, now)
    return end


def _record(session: Session, profile: Profile, consent: Consent, end: EarlyEnd, now: datetime) -> None:
    about = {name: value for name, value in end.evidence.items() if name != "facts"}
    audit.record(
        session,
        action="profile.end_early",
        result="done",
        actor="system",
        now=now,
        enterprise_id=profile.enterprise_id,
        institution_id=profile.institution_id,
        client_id=profile.client_id,
        consent_id=consent.id,
        purpose=consent.purpose,
        detail={"profile": ids.external("prf", profile.id), "event": end.event, **about},
    )


def _tell(session: Session, profile: Profile, consent: Consent, end: EarlyEnd, now: datetime) -> None:
    salt = session.get_one(Institution, profile.institution_id).pairwise_salt
    data = {
        "profile_id": ids.external("prf", profile.id),
        "consent_id": consent.wire_id,
        "enterprise_id": ids.pairwise(salt, profile.enterprise_id),
        "event": end.event,
        "ended_at": to_second(end.ended_at).isoformat(),
    }
    notify(session, profile.institution_id, "profile.ended_early", data, now)


def endings_of(session: Session, profile_ids: Collection[UUID]) -> dict[UUID, ProfileEnding]:
    """Return the ends of those profiles that ended early."""
    if not profile_ids:
        return {}
    wanted = select(ProfileEnding).where(ProfileEnding.profile_id.in_(profile_ids))
    return {row.profile_id: row for row in session.scalars(wanted)}
