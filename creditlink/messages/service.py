"""Telling people: `tell` and `tell_firm` are the seam. They write in the caller's transaction, and send nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from creditlink.enterprises.service import current_rights
from creditlink.enterprises.tables import Representation
from creditlink.kit import jobs
from creditlink.kit.keyring import Secret, box
from creditlink.messages.kinds import ALWAYS, CHANNELS, DEFAULTS, KINDS
from creditlink.messages.tables import MessageDelivery, PersonChannel, PersonMessage

SEALED = "creditlink letters"
KEPT = timedelta(days=180)
_SPACE = UUID("5d6c0d4e-2b1f-4c7e-9a53-1f0c2a7b9e10")
"""The name space of notices' ids: the same person is told the same thing once."""


def tell(
    session: Session,
    account_id: UUID,
    kind: str,
    now: datetime,
    *,
    page: str,
    about: str,
    enterprise_id: UUID | None = None,
) -> None:
    """Tell one person, if and only if the transaction commits; told again about the same, nothing happens.

    Parameters
    ----------
    page : the path of ours where the rest can be read.
    about : what it is about, so that it is told once: an id, with a day where it may be told again.
    """
    if kind not in KINDS:
        raise ValueError(f"no such kind of notice: {kind!r}")
    message_id = uuid5(_SPACE, "\0".join((str(account_id), kind, about)))
    # A plain insert: whoever tells (a bank's request, a sweep) cannot see the person's notices.
    session.execute(
        upsert(PersonMessage)
        .values(id=message_id, account_id=account_id, enterprise_id=enterprise_id, kind=kind, page=page, created_at=now)
        .on_conflict_do_nothing()
    )
    jobs.defer(
        session, "messages.sort", queue="messages", queueing_lock=f"message:{message_id}",
        message_id=str(message_id),
    )  # fmt: skip


def tell_firm(session: Session, enterprise_id: UUID, kind: str, now: datetime, *, page: str, about: str) -> None:
    """Tell everybody who may act for a firm now."""
    people = {right.account_id for right in current_rights(session, now, Representation.enterprise_id == enterprise_id)}
    for account_id in sorted(people):
        tell(session, account_id, kind, now, page=page, about=about, enterprise_id=enterprise_id)


def send_letter(
    session: Session,
    letter: str,
    *,
    channel: str,
    address: str,
    language: str,
    link: str,
    expires_at: datetime,
    key: Secret,
    now: datetime,
    account_id: UUID | None = None,
) -> None:
    """Send a link to an address. It waits sealed, is sent until it expires, and is not kept."""
    content = {"letter": letter, "address": address, "language": language, "link": link,
               "expires_at": expires_at.isoformat()}  # fmt: skip
    delivery_id = uuid4()
    session.execute(
        insert(MessageDelivery).values(
            id=delivery_id, message_id=None, account_id=account_id, channel=channel, state="waiting", tries=0,
            sealed=box(key, SEALED).encrypt(json.dumps(content).encode()).decode(), created_at=now, next_try_at=now,
        )
    )  # fmt: skip
    queue(session, delivery_id)


def queue(session: Session, delivery_id: UUID, *, at: datetime | None = None) -> None:
    """Queue one try, unless one is already waiting."""
    jobs.defer(
        session, "messages.send", queue="messages", queueing_lock=f"letter:{delivery_id}",
        schedule_at=at, delivery_id=str(delivery_id),
    )  # fmt: skip


def newest(session: Session, account_id: UUID, *, limit: int) -> Sequence[PersonMessage]:
    """Return a person's notices, the newest first."""
    query = select(PersonMessage).where(PersonMessage.account_id == account_id)
    return session.scalars(query.order_by(PersonMessage.created_at.desc(), PersonMessage.id).limit(limit)).all()


def unread(session: Session, account_id: UUID) -> int:
    """Return how many notices a person has not opened."""
    query = select(func.count()).where(PersonMessage.account_id == account_id, PersonMessage.read_at.is_(None))
    return session.scalar(query) or 0


def read_all(session: Session, account_id: UUID, now: datetime) -> None:
    """Note that a person has seen all their notices."""
    session.execute(
        update(PersonMessage)
        .where(PersonMessage.account_id == account_id, PersonMessage.read_at.is_(None))
        .values(read_at=now)
        .execution_options(synchronize_session=False)
    )


def channels_of(session: Session, account_id: UUID) -> dict[str, PersonChannel]:
    """Return a person's verified addresses, by channel."""
    found = session.scalars(select(PersonChannel).where(PersonChannel.account_id == account_id))
    return {one.channel: one for one in sorted(found, key=lambda one: CHANNELS.index(one.channel))}


def set_channel(
    session: Session, account_id: UUID, channel: str, address: str, *, language: str, now: datetime
) -> None:
    """Take an address that the person has proved to read; what they prefer there stays."""
    values = {"address": address, "language": language, "verified_at": now}
    session.execute(
        upsert(PersonChannel)
        .values(account_id=account_id, channel=channel, kinds=list(DEFAULTS[channel]), **values)
        .on_conflict_do_update(index_elements=[PersonChannel.account_id, PersonChannel.channel], set_=values)
        .execution_options(synchronize_session=False)
    )


def drop_channel(session: Session, account_id: UUID, channel: str) -> None:
    """Forget an address."""
    session.execute(
        delete(PersonChannel).where(PersonChannel.account_id == account_id, PersonChannel.channel == channel)
    )


def prefer(session: Session, account_id: UUID, wanted: dict[str, list[str]]) -> None:
    """Say which kinds go to which of a person's addresses; about their own access, e-mail always goes."""
    for channel, row in channels_of(session, account_id).items():
        chosen = set(wanted.get(channel, ())) | (set(ALWAYS) if channel == "email" else set())
        row.kinds = [kind for kind in KINDS if kind in chosen]


def late(session: Session, now: datetime) -> tuple[list[UUID], list[UUID]]:
    """Return notices that were not sorted and deliveries whose try is overdue: their jobs were lost."""
    overdue = now - timedelta(minutes=1)
    messages = select(PersonMessage.id).where(PersonMessage.sorted_at.is_(None), PersonMessage.created_at < overdue)
    waiting = select(MessageDelivery.id).where(
        MessageDelivery.state == "waiting", MessageDelivery.next_try_at < overdue
    )
    return (
        list(session.scalars(messages.order_by(PersonMessage.created_at).limit(500))),
        list(session.scalars(waiting.order_by(MessageDelivery.next_try_at).limit(500))),
    )


def forget_old(session: Session, now: datetime) -> int:
    """Delete notices and what was sent, once nobody needs them; return how many rows."""
    old = now - KEPT
    count = 0
    for table in (PersonMessage, MessageDelivery):
        gone = delete(table).where(table.created_at < old).returning(table.id)
        count += len(session.scalars(gone.execution_options(synchronize_session=False)).all())
    return count
