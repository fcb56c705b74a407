"""Some facts of a card are shown to one recipient by a link, opened, counted and ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from creditlink.access.opaque import hash_of, new_secret
from creditlink.cards import signing
from creditlink.cards.rules.checking import LONGEST_AUDIENCE, CheckedPresentation
from creditlink.cards.rules.settings import CardSettings
from creditlink.cards.sealing import CardKeys, note, seal, unseal
from creditlink.cards.service import CardHeld
from creditlink.cards.tables import SHOWN_PREFIX, CardPresentation, CardView, CreditCard
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit import ids, keyring
from creditlink.kit.clock import to_second
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.text import one_line

_TOKEN = "clk_"  # noqa: S105 (a prefix, so that a leaked link is recognised for what it is)
_ENDED = text("SELECT creditlink_shown_ended(:hash)")
_OPEN = text("SELECT sealed, is_ended FROM creditlink_open_card(:hash, :now, :today, :counted)")


def show(
    session: Session,
    card: CardHeld,
    account: Account,
    names: Collection[str],
    *,
    audience: str,
    days: int,
    keys: CardKeys,
    settings: CardSettings,
    now: datetime,
) -> CardPresentation:
    """Show some facts of a card to one recipient for some days.

    Raises
    ------
    InvalidRequest
        No fact is chosen, or one that the card has not; nobody is named, or not in one line that can be seen; too long.
    Conflict
        The card has ended meanwhile, or so many presentations are open that one must be ended first.
    """
    now, said = to_second(now), one_line(audience) or ""
    wrong = {
        "facts": not names or not set(names) <= set(card.row.facts),
        "audience": not 1 <= len(said) <= LONGEST_AUDIENCE,
        "days": not 1 <= days <= settings.longest_shown_days,
    }
    found = [{"pointer": f"/{name}", "detail": "is not possible"} for name, is_wrong in wrong.items() if is_wrong]
    if found:
        raise InvalidRequest(errors=found)
    # Whoever ends the card at the same time comes before, or ends this too.
    still = select(CreditCard.id).where(CreditCard.id == card.row.id, CreditCard.ended_at.is_(None))
    if session.scalar(still.with_for_update(read=True)) is None:
        raise Conflict("the card has ended", reason="ended")
    open_now = [one for one in shown_of(session, card.row) if one.ended_at is None and one.good_until > now]
    if len(open_now) >= settings.most_shown:
        raise Conflict("too many presentations are open", reason="too_many")
    good_until = min(now + timedelta(days=days), card.row.expires_at)
    part = signing.chosen(card.document, names)
    document = signing.presented(part, card.key, audience=said, now=now, good_until=good_until)
    token = new_secret(_TOKEN)
    row = CardPresentation(
        id=uuid4(), card_id=card.row.id, enterprise_id=card.row.enterprise_id, token_hash=hash_of(token),
        nonce_hash=hash_of(_nonce_of(document)),
        sealed=seal({"token": token, "document": document}, keys.secret),
        facts=[name for name in card.row.facts if name in names], audience=said, shown_by=account.id, shown_at=now,
        good_until=good_until,
    )  # fmt: skip
    session.add(row)
    note(
        session, card.row, "show", f"account:{account.id}", now, shown=row.wire_id, facts=row.facts,
        until=good_until.isoformat(),
    )  # fmt: skip
    return row


def was_ended(session: Session, found: CheckedPresentation) -> bool:
    """Return whether the firm ended a presentation that is genuine, wherever its text was copied to."""
    return found.nonce is not None and bool(session.scalar(_ENDED, {"hash": hash_of(found.nonce)}))


def _nonce_of(document: str) -> str:
    return str(keyring.unverified(document.rpartition("~")[2])["nonce"])


def end_shown(session: Session, shown: CardPresentation, card: CreditCard, account: Account, now: datetime) -> None:
    """End one presentation; the card stays good. Ended twice, nothing happens."""
    changed = session.execute(
        update(CardPresentation)
        .where(CardPresentation.id == shown.id, CardPresentation.ended_at.is_(None))
        .values(ended_at=now, sealed=None)
        .returning(CardPresentation.id)
    ).scalar()
    if changed is not None:
        note(session, card, "hide", f"account:{account.id}", now, shown=shown.wire_id)


def shown_of(session: Session, card: CreditCard) -> Sequence[CardPresentation]:
    """Return what was shown of a card, the newest first."""
    query = select(CardPresentation).where(CardPresentation.card_id == card.id)
    return session.scalars(query.order_by(CardPresentation.shown_at.desc(), CardPresentation.id)).all()


def shown(session: Session, firm: Enterprise, wire_id: str) -> tuple[CardPresentation, CreditCard] | None:
    """Return one presentation of a firm and its card; None where it is not this firm's."""
    query = (
        select(CardPresentation, CreditCard)
        .join(CreditCard, CreditCard.id == CardPresentation.card_id)
        .where(CardPresentation.id == ids.internal(SHOWN_PREFIX, wire_id), CreditCard.enterprise_id == firm.id)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def views_of(session: Session, rows: Sequence[CardPresentation]) -> dict[UUID, list[CardView]]:
    """Return presentation -> on which days it was opened how often, the newest first."""
    query = select(CardView).where(CardView.presentation_id.in_([one.id for one in rows]))
    found: dict[UUID, list[CardView]] = {one.id: [] for one in rows}
    for view in session.scalars(query.order_by(CardView.viewed_on.desc())):
        found[view.presentation_id].append(view)
    return found


def link_of(session: Session, row: CardPresentation, keys: CardKeys) -> str | None:
    """Return the secret part of a presentation's link; None once it has ended."""
    sealed = session.scalar(select(CardPresentation.sealed).where(CardPresentation.id == row.id))
    content = unseal(sealed, keys.secret)
    return None if content is None else str(content["token"])


def opened(session: Session, token: str, keys: CardKeys, *, now: datetime, today: date, counted: bool) -> str | None:
    """Return the presentation behind a link, and count that it was opened; None: it has ended.

    Raises
    ------
    NotFound
        There is no such link.
    """
    bound = {"hash": hash_of(token), "now": now, "today": today, "counted": counted}
    row = session.execute(_OPEN, bound).one_or_none()
    if row is None:
        raise NotFound
    content = unseal(None if row.sealed is None else bytes(row.sealed), keys.secret)
    return None if row.is_ended or content is None else str(content["document"])
