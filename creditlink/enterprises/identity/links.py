"""Links that a person is sent: each for one purpose, good once, for a short time, and dead when a newer one is made."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from creditlink.enterprises.identity.tables import PersonLink
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import NotFound

RESET_OPEN = timedelta(minutes=30)
VERIFY_OPEN = timedelta(hours=24)
_OPEN = {"reset": RESET_OPEN, "verify": VERIFY_OPEN}


def new_secret() -> str:
    """Return an unguessable part of a link."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """Return what is stored of it; it has full entropy, so it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def locked(session: Session, account_id: UUID) -> Account:
    """Return an account as it is now, locked: of two who change how it is entered, one comes after the other."""
    query = select(Account).where(Account.id == account_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def make(
    session: Session,
    account: Account,
    purpose: str,
    now: datetime,
    *,
    channel: str | None = None,
    address: str | None = None,
) -> tuple[str, datetime]:
    """Make a link; return its secret, which is not kept, and when it expires. Earlier ones of its kind end."""
    locked(session, account.id)
    end(session, account.id, purpose, now, channel=channel)
    secret, expires_at = new_secret(), now + _OPEN[purpose]
    session.add(
        PersonLink(
            account_id=account.id, purpose=purpose, secret_hash=hash_of(secret), channel=channel, address=address,
            created_at=now, expires_at=expires_at,
        )
    )  # fmt: skip
    session.flush()
    return secret, expires_at


def opened(session: Session, secret: str, purpose: str, now: datetime) -> PersonLink:
    """Return the link with this secret.

    Raises
    ------
    NotFound
        It was never made, is for something else, was used, overtaken, or is too old: the same answer.
    """
    found = session.scalar(
        select(PersonLink).where(
            PersonLink.secret_hash == hash_of(secret),
            PersonLink.purpose == purpose,
            PersonLink.ended_at.is_(None),
            PersonLink.expires_at > now,
        )
    )
    if found is None:
        raise NotFound
    return found


def spend(session: Session, secret: str, purpose: str, now: datetime) -> tuple[PersonLink, Account]:
    """Use a link up; return it, and its account locked. Of two at once the first has it.

    Raises
    ------
    NotFound
        It is not open (any more), or its account is closed.
    """
    account = locked(session, opened(session, secret, purpose, now).account_id)
    spent = session.scalar(
        update(PersonLink)
        .where(PersonLink.secret_hash == hash_of(secret), PersonLink.ended_at.is_(None))
        .values(ended_at=now)
        .returning(PersonLink)
        .execution_options(populate_existing=True)
    )
    if spent is None or account.status != "active":
        raise NotFound
    return spent, account


def end(session: Session, account_id: UUID, purpose: str, now: datetime, *, channel: str | None = None) -> None:
    """End the open links of an account for a purpose: the way in has changed, or a newer link is made."""
    query = update(PersonLink).where(
        PersonLink.account_id == account_id, PersonLink.purpose == purpose, PersonLink.ended_at.is_(None)
    )
    if channel is not None:
        query = query.where(PersonLink.channel == channel)
    session.execute(query.values(ended_at=now).execution_options(synchronize_session=False))
