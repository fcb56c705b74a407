"""A card is made and ends: each step in the caller's transaction, with its evidence."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from joserfc.jwk import ECKey
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from creditlink.cards import signing
from creditlink.cards.rules.facts import Stated, categories_of
from creditlink.cards.rules.settings import CardSettings
from creditlink.cards.sealing import CardKeys, note, seal, unseal
from creditlink.cards.signing import CardTerms
from creditlink.cards.tables import CARD_PREFIX, CardPresentation, CreditCard
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit import ids
from creditlink.kit.clock import day_from, to_second
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound

_DRAWN = 64
"""Places that are drawn at once: with half of a list free, all of them are taken once in 2⁶⁴ times."""
_TROUBLE = text("SELECT creditlink_card_trouble(:card, :now)")


@dataclass(frozen=True)
class CardHeld:
    """A card with its content: what it says, the card itself, and the key that stands for the firm."""

    row: CreditCard
    facts: Mapping[str, Stated]
    document: str
    key: ECKey


def issue(
    session: Session,
    firm: Enterprise,
    consent: Consent,
    account: Account,
    facts: Mapping[str, Stated],
    *,
    keys: CardKeys,
    settings: CardSettings,
    keep_until: datetime,
    now: datetime,
    wallet: Mapping[str, object] | None = None,
) -> tuple[CreditCard, str]:
    """Make a card and end the one before; return its row and the card itself.

    Parameters
    ----------
    facts : what it says; those that are not known are not in it.
    wallet : the public key of the firm's wallet. The card is then bound to it and not kept here; None: the platform
        holds the card and its key for the firm.

    Raises
    ------
    InvalidRequest
        There is nothing to say.
    """
    if not facts:
        raise InvalidRequest(errors=[{"pointer": "/facts", "detail": "at least one is needed"}])
    now = to_second(now)
    held_by = "page" if wallet is None else "wallet"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"card {firm.id} {held_by}", 0))))
    for earlier in good_ones(session, firm):
        if earlier.holder == held_by:
            _end(session, earlier, "replaced", now)
    key = None if wallet is not None else signing.new_holder()
    list_id, place = _place(session, settings, now)
    expires_at = min(now + timedelta(days=settings.card_days), consent.expires_at)
    terms = CardTerms(keys.issuer, list_id, place, now, expires_at)
    holder = wallet if key is None else signing.public_half(key)
    document = signing.issued(facts, terms, holder or {}, secret=keys.secret)
    row = CreditCard(
        id=uuid4(), enterprise_id=firm.id, consent_id=consent.id, holder=held_by, facts=list(facts),
        categories=categories_of(set(facts)), list_id=list_id, place=place,
        sealed=None if key is None else seal(_content(document, key, facts), keys.secret),
        issued_by=account.id, issued_at=now, expires_at=expires_at, keep_until=max(keep_until, expires_at),
    )  # fmt: skip
    session.add(row)
    note(session, row, "issue", f"account:{account.id}", now, facts=list(facts), holder=held_by)
    return row, document


def end(session: Session, card: CreditCard, account: Account, now: datetime) -> None:
    """Revoke a card, and with it everything that is shown of it.

    Raises
    ------
    Conflict
        It has ended.
    """
    if not _end(session, card, "revoked", now):
        raise Conflict("the card has ended", reason="ended")
    note(session, card, "revoke", f"account:{account.id}", now)


def end_for(session: Session, card: CreditCard, why: str, now: datetime) -> bool:
    """End a card that is good no more, with its evidence; return whether it was still open."""
    if not _end(session, card, why, now):
        return False
    note(session, card, "end", "system", now, why=why)
    return True


def good_ones(session: Session, firm: Enterprise) -> Sequence[CreditCard]:
    """Return the cards of a firm that nobody has ended; `trouble_of` says whether they are good."""
    query = select(CreditCard).where(CreditCard.enterprise_id == firm.id, CreditCard.ended_at.is_(None))
    return session.scalars(query.order_by(CreditCard.holder, CreditCard.id)).all()


def trouble_of(session: Session, card: CreditCard, now: datetime) -> str | None:
    """Return why a card is not good now: how it ended, or `paused`; None: it is good. The database has the rule."""
    found: str | None = session.scalar(_TROUBLE, {"card": card.id, "now": now})
    return found


def held(session: Session, card: CreditCard, keys: CardKeys) -> CardHeld:
    """Return a card with its content.

    Raises
    ------
    NotFound
        It has ended, is in a wallet, or the server's secret has changed since.
    """
    sealed = session.scalar(select(CreditCard.sealed).where(CreditCard.id == card.id))
    content = unseal(sealed, keys.secret)
    if content is None:
        raise NotFound
    facts, key = content["facts"], content["key"]
    if not isinstance(facts, dict) or not isinstance(key, dict):
        raise NotFound
    said = {name: Stated(value, day_from(on)) for name, (value, on) in facts.items()}
    return CardHeld(card, said, str(content["document"]), ECKey.import_key(key))


def card_of(session: Session, firm: Enterprise, wire_id: str) -> CreditCard | None:
    """Return one card of a firm; None where it is not this firm's."""
    mine = (CreditCard.id == ids.internal(CARD_PREFIX, wire_id), CreditCard.enterprise_id == firm.id)
    return session.scalars(select(CreditCard).where(*mine)).one_or_none()


def _end(session: Session, card: CreditCard, why: str, now: datetime) -> bool:
    """End a card and what is shown of it: their content goes. Of two who end it at once one does."""
    changed = session.scalar(
        update(CreditCard)
        .where(CreditCard.id == card.id, CreditCard.ended_at.is_(None))
        .values(ended_at=now, ended_for=why, sealed=None)
        .returning(CreditCard.id)
    )
    if changed is None:
        return False
    session.execute(
        update(CardPresentation)
        .where(CardPresentation.card_id == card.id, CardPresentation.ended_at.is_(None))
        .values(ended_at=now, sealed=None)
    )
    return True


def _place(session: Session, settings: CardSettings, now: datetime) -> tuple[UUID, int]:
    """Return a place of a status list, drawn at random, so that neighbours in the list have nothing in common."""
    drawn = [secrets.randbelow(2**24) for _ in range(_DRAWN)]
    taken = func.creditlink_take_card_place(uuid4(), settings.list_size, drawn, now).table_valued("list_id", "place")
    row = session.execute(select(taken.c.list_id, taken.c.place)).one()
    return row.list_id, row.place


def _content(document: str, key: ECKey, facts: Mapping[str, Stated]) -> dict[str, object]:
    return {
        "document": document,
        "key": key.as_dict(private=True),
        "facts": {name: [one.value, one.on.isoformat()] for name, one in facts.items()},
    }
