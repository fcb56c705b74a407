"""The signed status lists that verifiers ask for, and what our own page says of one card."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from creditlink.cards import signing
from creditlink.cards.rules import kinds
from creditlink.cards.rules.checking import STATUSES, StatusPlace
from creditlink.cards.rules.settings import CardSettings
from creditlink.cards.sealing import CardKeys
from creditlink.cards.tables import StatusList
from creditlink.kit.errors import NotFound

_STATES = text("SELECT place, status FROM creditlink_card_states(:list, :now, :only)")


def token_of(session: Session, list_id: UUID, keys: CardKeys, settings: CardSettings, *, now: datetime) -> str:
    """Return a status list, signed now.

    Raises
    ------
    NotFound
        There is no such list.
    """
    found = session.get(StatusList, list_id)
    if found is None:
        raise NotFound
    rows = session.execute(_STATES, {"list": list_id, "now": now, "only": None})
    return signing.status_list(
        {row.place: row.status for row in rows},
        issuer=keys.issuer,
        list_id=list_id,
        size=found.size,
        ttl_seconds=settings.ttl_seconds,
        stale_seconds=settings.stale_seconds,
        secret=keys.secret,
        now=now,
    )


def status_at(session: Session, place: StatusPlace, *, issuer: str, now: datetime) -> str | None:
    """Return what the list says of one place; None: it is no list of ours."""
    prefix = kinds.list_address(issuer, "")
    try:
        list_id = UUID(place.uri.removeprefix(prefix))
    except ValueError:
        return None
    found = session.get(StatusList, list_id) if place.uri == f"{prefix}{list_id}" else None
    if found is None or not 0 <= place.index < found.size:
        return None
    row = session.execute(_STATES, {"list": list_id, "now": now, "only": place.index}).one_or_none()
    return STATUSES[0 if row is None else row.status]
