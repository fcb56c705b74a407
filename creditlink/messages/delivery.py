"""A notice is sorted into deliveries, one for each address that wants it; a delivery is claimed, sent, settled.

Claimed in one transaction, sent outside of any, settled in another: at least once, under the same reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import structlog
from cryptography.fernet import InvalidToken
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.kit.keyring import Secret, box
from creditlink.kit.postgres import db
from creditlink.messages import service
from creditlink.messages.kinds import ALWAYS, KINDS, LANGUAGES, LETTERS, SIGNED
from creditlink.messages.providers import MessageProviders, NeverSent, NotSent, OutgoingMessage
from creditlink.messages.tables import MessageDelivery, PersonChannel, PersonMessage

log = structlog.get_logger()

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 480))
"""How long after each try that failed the next one comes; after the last the delivery has failed."""

_LEASE = timedelta(seconds=60)
_LONGEST_ERROR = 200


def sort(session: Session, message_id: UUID, now: datetime) -> None:
    """Make out the deliveries of a notice: one for each verified address whose owner wants this kind there."""
    message = session.get(PersonMessage, message_id, with_for_update=True)
    if message is None or message.sorted_at is not None:
        return
    message.sorted_at = now
    for one in session.scalars(select(PersonChannel).where(PersonChannel.account_id == message.account_id)):
        if message.kind not in one.kinds and not (one.channel == "email" and message.kind in ALWAYS):
            continue
        delivery_id = uuid5(message.id, one.channel)
        session.execute(
            insert(MessageDelivery)
            .values(
                id=delivery_id, message_id=message.id, account_id=message.account_id, channel=one.channel,
                state="waiting", tries=0, created_at=now, next_try_at=now,
            )
            .on_conflict_do_nothing()
        )  # fmt: skip
        service.queue(session, delivery_id)


@dataclass(frozen=True)
class ClaimedDelivery:
    """A try: what is sent, and until when."""

    delivery_id: UUID
    tries: int
    message: OutgoingMessage | None  # None: there is nothing to send any more
    why_not: str = ""


def send(
    delivery_id: UUID, clock: Callable[[], datetime], *, providers: MessageProviders, key: Secret, issuer: str
) -> None:
    """Make one try of a delivery, and queue the next if it fails; safe to run again at any time."""
    with db.transaction("worker") as session:
        claimed = _claim(session, delivery_id, key=key, issuer=issuer, now=clock())
    if claimed is None:
        return
    error, is_final = claimed.why_not, claimed.message is None
    if claimed.message is not None:
        provider = providers.by_channel.get(claimed.message.channel)
        try:
            if provider is None:
                raise NotSent("nobody carries this channel here")
            provider.send(claimed.message)
        except NotSent as refused:
            error, is_final = str(refused), isinstance(refused, NeverSent)
    with db.transaction("worker") as session:
        state = _settle(session, claimed, error, is_final, clock())
    log.info("message_tried", delivery_id=str(delivery_id), tries=claimed.tries, state=state, error=error or None)


def _claim(session: Session, delivery_id: UUID, *, key: Secret, issuer: str, now: datetime) -> ClaimedDelivery | None:
    row = session.get(MessageDelivery, delivery_id, with_for_update=True)
    if row is None or row.state != "waiting" or row.next_try_at > now:
        return None
    row.tries, row.next_try_at = row.tries + 1, now + _LEASE
    message, why_not = _letter(row, key, now) if row.sealed else _notice(session, row, issuer)
    return ClaimedDelivery(row.id, row.tries, message, why_not)


def _notice(session: Session, row: MessageDelivery, issuer: str) -> tuple[OutgoingMessage | None, str]:
    message = session.get(PersonMessage, row.message_id) if row.message_id else None
    where = session.get(PersonChannel, (row.account_id, row.channel)) if row.account_id else None
    if message is None or where is None:
        return None, "the address is no longer theirs"
    kind, language = KINDS[message.kind], where.language
    # To the front door, not to the page: an address would say which firm and what it is about.
    text = f"{kind.text_in(language)}\n{issuer}/portal/messages\n\n{SIGNED[LANGUAGES.index(language)]}"
    return OutgoingMessage(row.channel, where.address, kind.title_in(language), text, language, str(row.id)), ""


def _letter(row: MessageDelivery, key: Secret, now: datetime) -> tuple[OutgoingMessage | None, str]:
    try:
        held: dict[str, str] = json.loads(box(key, service.SEALED).decrypt(str(row.sealed).encode()))
    except (InvalidToken, ValueError):
        return None, "sealed with another key"
    if now >= datetime.fromisoformat(held["expires_at"]):
        return None, "its link has expired"
    letter, place = LETTERS[held["letter"]], LANGUAGES.index(held["language"])
    text = f"{letter.text[place].format(link=held['link'])}\n\n{SIGNED[place]}"
    return OutgoingMessage(row.channel, held["address"], letter.title[place], text, held["language"], str(row.id)), ""


def _settle(session: Session, claimed: ClaimedDelivery, error: str, is_final: bool, now: datetime) -> str:
    if not error:
        values: dict[str, object] = {"state": "sent", "sealed": None, "last_error": None}
    elif is_final or claimed.tries > len(PAUSES):
        values = {"state": "failed", "sealed": None, "last_error": error[:_LONGEST_ERROR]}
    else:
        at = now + PAUSES[claimed.tries - 1]
        values = {"state": "waiting", "next_try_at": at, "last_error": error[:_LONGEST_ERROR]}
        service.queue(session, claimed.delivery_id, at=at)
    session.execute(
        update(MessageDelivery)
        .where(MessageDelivery.id == claimed.delivery_id, MessageDelivery.state == "waiting",
               MessageDelivery.tries == claimed.tries)
        .values(values)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    return str(values["state"])
