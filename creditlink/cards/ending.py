"""The end of cards: those that are good no more, and rows whose time is over, for the purge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from creditlink.cards import service
from creditlink.cards.tables import CreditCard
from creditlink.messages.service import tell_firm

CLASS = "cards"
"""Their class in `config/retention.toml`."""

TABLES = ("credit_cards",)
DUE = "SELECT c.enterprise_id FROM credit_cards c WHERE c.keep_until <= :now"
_OVER = text("""
    SELECT c.id FROM credit_cards c
    WHERE c.ended_at IS NULL AND coalesce(creditlink_card_trouble(c.id, :now), 'paused') <> 'paused'
    ORDER BY c.issued_at, c.id
""")


def over(session: Session, now: datetime) -> Sequence[UUID]:
    """Return the cards that are good no more and that nobody has ended yet."""
    return session.scalars(_OVER, {"now": now}).all()


def end_one(session: Session, card_id: UUID, *, now: datetime) -> bool:
    """End one of them and tell the firm's people; return whether it was still to be ended."""
    card = session.scalars(select(CreditCard).where(CreditCard.id == card_id).with_for_update()).one_or_none()
    why = None if card is None else service.trouble_of(session, card, now)
    if card is None or why in (None, "paused") or not service.end_for(session, card, str(why), now):
        return False
    page = f"/portal/card?enterprise={card.enterprise_id}"
    tell_firm(session, card.enterprise_id, "card_ended", now, page=page, about=str(card.id))
    return True


def are_kept(session: Session, consent_id: UUID) -> bool:
    """Return whether a card that was made under a consent is kept."""
    query = select(CreditCard.id).where(CreditCard.consent_id == consent_id).limit(1)
    return session.scalar(query) is not None


def delete_over(session: Session, enterprise_id: UUID, now: datetime) -> Iterator[tuple[str, UUID, str]]:
    """Delete what is over of one firm; yield table, consent and hash of every row that went."""
    gone = delete(CreditCard).where(CreditCard.enterprise_id == enterprise_id, CreditCard.keep_until <= now)
    for consent_id, row_id in session.execute(gone.returning(CreditCard.consent_id, CreditCard.id)):
        yield "credit_cards", consent_id, hashlib.sha256(row_id.bytes).hexdigest()
