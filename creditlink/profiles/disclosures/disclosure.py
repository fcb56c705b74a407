"""Profiles that go out: read under a live consent, each time with its evidence in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, defer, undefer

from creditlink.access.guard import Access
from creditlink.audit import service as audit
from creditlink.consents.life.rules import ConsentTerms
from creditlink.consents.service import live_consent
from creditlink.consents.tables import Consent
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, SUPPLIES, UTILITY
from creditlink.kit import ids
from creditlink.kit.errors import AuditUnavailable, ConsentRefused, NotFound
from creditlink.kit.http import paging
from creditlink.profiles.disclosures import evidence
from creditlink.profiles.disclosures.evidence import opened_categories
from creditlink.profiles.tables import Profile

_ACTIONS = {"matches": "match", "unlock": "match", "report": "report"}
_WHOLE = (Profile.explanation, Profile.registration, Profile.asked, Profile.fact_ids)
_COLUMNS = {
    "changes": (Profile.explanation,),
    "explanation": (Profile.explanation,),
    "lineage": _WHOLE,
    "matches": (Profile.matches, Profile.asked),
    "improvements": (Profile.explanation, Profile.registration, Profile.asked),
    "registration": (Profile.registration,),
    "report": _WHOLE,
    "own_report": _WHOLE,
    "review": (Profile.registration,),
    "unlock": (Profile.explanation, Profile.registration, Profile.asked, Profile.matches),
}
_LEFT_OUT = {"matches": (Profile.summary,)}
"""What a part's answer does not say is not fetched with it either."""


@dataclass(frozen=True)
class ProfileQuery:
    """Which profiles to list, and a place in their list."""

    limit: int
    created_from: datetime | None = None
    created_before: datetime | None = None
    grade: str | None = None
    cursor: str | None = None


class DisclosedProfile(NamedTuple):
    """A profile that goes out, and the live consent it goes out under, whole and as the token opens it."""

    profile: Profile
    consent: Consent
    opened: ConsentTerms

    @property
    def with_products(self) -> bool:
        """Return whether the token is for matching too: only then an answer names products."""
        return "match" in self.opened.actions


def kind_of(part: str) -> str:
    """Return which part of a profile goes out, without which one of several."""
    return part.partition(":")[0]


def read_profile(
    session: Session, access: Access, profile_id: UUID, *, action: str, now: datetime, part: str = "summary"
) -> DisclosedProfile:
    """Return a stored profile under the token's live consent.

    Parameters
    ----------
    part : what of it goes out, and after a colon which one of several: `lineage:sales_12_fen`; evidence names both.

    Raises
    ------
    NotFound
        There is none under this consent: unknown and another consent's look the same.
    ConsentRefused
        Also: the profile was computed from a category that the token, narrowed since, is not for.
    """
    kind = kind_of(part)
    consent = live_consent(session, access.consent_id, access=access, action=_ACTIONS.get(kind, "profile"), now=now)
    wanted = select(Profile).where(Profile.id == profile_id, Profile.consent_id == consent.id)
    further = [undefer(column) for column in _COLUMNS.get(kind, ())]
    profile = session.scalar(wanted.options(*further, *(defer(column) for column in _LEFT_OUT.get(kind, ()))))
    if profile is None:
        raise NotFound
    served = DisclosedProfile(profile, consent, consent.terms().narrowed(access.authorization_details))
    for category in sorted(opened_categories(profile.coverage) - served.opened.categories):
        raise ConsentRefused(reason=f"category_not_granted:{category}")
    disclose(session, access, served, action, part, now=now)
    return served


def list_profiles(
    session: Session, access: Access, query: ProfileQuery, *, now: datetime
) -> tuple[list[DisclosedProfile], str | None]:
    """Return one page of the consent's profiles, newest first, and the cursor of the next.

    A profile that was computed from a category that the token is not for is not in the list.
    """
    consent = live_consent(session, access.consent_id, access=access, action="profile", now=now)
    opened = consent.terms().narrowed(access.authorization_details)
    # A profile from before the supplies were apart names them as one.
    together = {UTILITY} if opened.categories.issuperset(SUPPLIES) else set()
    readable = sorted({*opened.categories, *PUBLIC_CATEGORIES, *together})
    computed_from = Profile.asked["categories"].contained_by(readable)
    wanted = select(Profile).where(Profile.consent_id == consent.id, computed_from)
    if query.created_from is not None:
        wanted = wanted.where(Profile.created_at >= query.created_from)
    if query.created_before is not None:
        wanted = wanted.where(Profile.created_at < query.created_before)
    if query.grade is not None:
        wanted = wanted.where(Profile.grade == query.grade)
    after = paging.row_of(session, Profile, "prf", query.cursor, Profile.consent_id == consent.id)
    rows, more = paging.newest_first(session, wanted, Profile.created_at, Profile.id, after=after, limit=query.limit)
    page = [DisclosedProfile(profile, consent, opened) for (profile,) in rows]
    if page:
        disclose(session, access, page[0], "profile.list", "summary", now=now, others=page[1:])
    cursor = ids.external("prf", page[-1].profile.id) if more else None
    return page, cursor


def disclose(
    session: Session,
    access: Access,
    served: DisclosedProfile,
    action: str,
    part: str,
    *,
    now: datetime,
    others: Sequence[DisclosedProfile] = (),
    record: str | None = None,
) -> None:
    """Record that data goes out, in the same transaction as the data; `others` go out with it.

    `record` is the hash of the sealed record of a decision that was just made.

    It names the categories whose rows the profiles hold, not those that were asked for.

    Raises
    ------
    AuditUnavailable
        The evidence cannot be written; the transaction ends and nothing is disclosed.
    """
    consent, profiles = served.consent, [served.profile, *(other.profile for other in others)]
    detail = {
        "profile": ids.external("prf", served.profile.id),
        **evidence.together([profile.coverage for profile in profiles]),
        "fields": list(evidence.fields_of(part, with_products=served.with_products)),
        "count": len(profiles),
        # The whole content, whatever part of it goes out: it binds the decision that the bank saw.
        "contents": {ids.external("prf", profile.id): profile.content_sha256 for profile in profiles},
    }
    if record is not None:
        detail["record"] = record
    if others:
        detail["profiles"] = [ids.external("prf", profile.id) for profile in profiles]
    try:
        audit.record(
            session,
            action=action,
            result="disclosed",
            actor=access.actor,
            now=now,
            enterprise_id=consent.enterprise_id,
            institution_id=access.institution_id,
            client_id=access.client_id,
            consent_id=consent.id,
            purpose=consent.purpose,
            detail=detail,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    except SQLAlchemyError as error:
        raise AuditUnavailable from error
