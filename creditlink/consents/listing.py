"""Consents as their bank sees them: only its own, each firm under an id that no other bank knows."""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired, TypedDict
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.life import counters
from creditlink.consents.tables import Consent, ConsentEvent
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import to_second
from creditlink.kit.errors import NotFound
from creditlink.kit.http import paging

_BY = {"account": "firm", "bank": "bank", "operator": "operator", "system": "system"}


class ConsentQuery(TypedDict):
    """Which consents to list, as `ConsentQuerySchema` reads it."""

    state: NotRequired[str]
    enterprise: NotRequired[str]
    cursor: NotRequired[str]
    limit: int


def page_of(
    session: Session, institution_id: UUID, query: ConsentQuery, *, now: datetime
) -> tuple[list[dict[str, object]], str | None]:
    """Return one page of the institution's consents, newest first, and the cursor of the next.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    salt = session.get_one(Institution, institution_id).pairwise_salt
    wanted = select(Consent).where(Consent.institution_id == institution_id)
    if "state" in query:
        wanted = wanted.where(Consent.state == query["state"])
    if "enterprise" in query:
        wanted = wanted.where(
            Consent.enterprise_id == enterprise_behind(session, institution_id, salt, query["enterprise"])
        )
    after = paging.row_of(session, Consent, "cns", query.get("cursor"), Consent.institution_id == institution_id)
    rows, more = paging.newest_first(
        session, wanted, Consent.requested_at, Consent.id, after=after, limit=query["limit"]
    )
    consents = [consent for (consent,) in rows]
    return [_as_wire(session, consent, salt, now) for consent in consents], consents[-1].wire_id if more else None


def enterprise_behind(session: Session, institution_id: UUID, salt: str, external: str) -> UUID:
    """Return the firm that the institution knows as `external`: one of those that it asked, or none."""
    enterprises = select(Consent.enterprise_id).where(
        Consent.institution_id == institution_id, Consent.enterprise_id.is_not(None)
    )
    for enterprise_id in session.scalars(enterprises.distinct()):
        if enterprise_id is not None and ids.pairwise(salt, enterprise_id) == external:
            return enterprise_id
    return UUID(int=0)  # no firm has it: an empty page, the same as for another institution's id


def consent_in_full(session: Session, institution_id: UUID, consent_id: UUID, *, now: datetime) -> dict[str, object]:
    """Return a consent of the institution with its history.

    Raises
    ------
    NotFound
        Unknown, or another institution's: the two look the same.
    """
    consent = session.get(Consent, consent_id)
    if consent is None or consent.institution_id != institution_id:
        raise NotFound
    salt = session.get_one(Institution, institution_id).pairwise_salt
    events = session.scalars(
        select(ConsentEvent).where(ConsentEvent.consent_id == consent.id).order_by(ConsentEvent.id)
    )
    return _as_wire(session, consent, salt, now) | {
        "text_version": consent.text_version,
        "text_sha256": consent.text_sha256,
        "fair_use_version": consent.fair_use_version,
        "events": [
            {
                "at": to_second(event.at),
                "from_state": event.from_state,
                "to_state": event.to_state,
                "by": _BY.get(event.actor.partition(":")[0], "system"),
                "reason": event.reason,
            }
            for event in events
        ],
    }


def _as_wire(session: Session, consent: Consent, salt: str, now: datetime) -> dict[str, object]:
    return {
        "id": consent.wire_id,
        "state": consent.state_at(now),
        "enterprise": ids.pairwise(salt, consent.enterprise_id) if consent.enterprise_id else None,
        "purpose": consent.purpose,
        "categories_asked": consent.categories_asked,
        "categories": consent.categories,
        "access": consent.access,
        "actions": consent.actions,
        "history_months": consent.history_months,
        "data_life_days": consent.data_life_days,
        "version": consent.version,
        "amends": ids.external("cns", consent.amends) if consent.amends else None,
        # One step of the firm may grant consents to several banks.
        "requested_at": to_second(consent.requested_at),
        "answer_until": to_second(consent.answer_until),
        "starts_at": to_second(consent.starts_at) if consent.starts_at else None,
        "expires_at": to_second(consent.expires_at),
        "changed_at": to_second(consent.changed_at),
        "uses": [
            {"window": window, "used": used, "allowed": allowed, "left": max(allowed - used, 0)}
            for window, (used, allowed) in counters.uses(session, consent, now).items()
        ],
    }
