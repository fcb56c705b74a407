"""Browsers that have signed in before: each carries a sealed note, and has a counter of tries of its own.

A note that we do not know, or whose device was ended, is worth nothing: its browser is new, and the person is told.

Source: OWASP Authentication Cheat Sheet, device cookies against lock-out by strangers.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID, uuid4

import flask
from flask.typing import ResponseReturnValue
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.keyring import Secret
from creditlink.messages.service import tell
from creditlink.portal.person.sessions import PATH
from creditlink.portal.site import browser, see_other, settings
from creditlink.portal.tables import PersonDevice, WebSession

_SALT = "portal-device"
_LIFE = 180 * 86400
COOKIE = "creditlink_device"


def known(login: str, *, secret: Secret) -> UUID | None:
    """Return the id that this browser's note has if it has signed in with `login` before, else None."""
    try:
        device, account = _sealer(secret).loads(flask.request.cookies.get(COOKIE, ""), max_age=_LIFE)
        return UUID(device) if account == _of(login) else None
    except (BadData, ValueError, TypeError, AttributeError):
        return None


def current(session: Session, login: str, *, secret: Secret) -> UUID | None:
    """Return the id of this browser if it has signed in with `login` before and was not ended since."""
    device_id = known(login, secret=secret)
    row = session.get(PersonDevice, device_id) if device_id is not None else None
    return device_id if row is not None and row.ended_at is None else None


def arrive(session: Session, account: Account, now: datetime, *, secret: Secret) -> UUID:
    """Note that a person signs in with this browser, and tell them where it is a new one; return its id."""
    agent, address = flask.request.headers.get("User-Agent", "")[:200], flask.request.remote_addr or ""
    device_id = current(session, account.login, secret=secret)
    if device_id is not None:
        seen = session.scalar(
            update(PersonDevice)
            .where(PersonDevice.id == device_id, PersonDevice.account_id == account.id, PersonDevice.ended_at.is_(None))
            .values(agent=agent, address=address, last_at=now)
            .returning(PersonDevice.id)
            .execution_options(synchronize_session=False)
        )
        if seen is not None:
            return seen
    made = PersonDevice(
        id=uuid4(), account_id=account.id, agent=agent, address=address, first_at=now, last_at=now
    )  # fmt: skip
    session.add(made)
    session.flush()
    if account.role == "enterprise":
        tell(session, account.id, "new_device", now, page=f"{PATH}/security", about=str(made.id))
    return made.id


def remember(response: flask.Response, login: str, device_id: UUID, *, secret: Secret, secure: bool) -> None:
    """Give the browser its note."""
    note = _sealer(secret).dumps([str(device_id), _of(login)])
    response.set_cookie(COOKIE, note, max_age=_LIFE, path=PATH, secure=secure, httponly=True, samesite="Lax")


def let_in(
    session: Session, account: Account, target: str, *, strong_at: datetime | None, now: datetime
) -> ResponseReturnValue:
    """Sign in the browser of a person who has proved to be one, note the device, and lead on."""
    secret = settings().secret_key
    device_id = arrive(session, account, now, secret=secret)
    mark = accounts.password_mark(account, key=secret)
    browser().sign_in(account.id, strong_at=strong_at, device_id=device_id, mark=mark)
    response = flask.make_response(see_other(target))
    secure = settings().issuer.startswith("https")
    remember(response, account.login, device_id, secret=secret, secure=secure)
    return response


def of_person(session: Session, account_id: UUID) -> list[PersonDevice]:
    """Return the browsers that a person signed in with, the latest first."""
    query = select(PersonDevice).where(PersonDevice.account_id == account_id, PersonDevice.ended_at.is_(None))
    return list(session.scalars(query.order_by(PersonDevice.last_at.desc(), PersonDevice.id)))


def end(session: Session, account_id: UUID, device_id: UUID, now: datetime) -> bool:
    """End a person's device with all its sessions; return whether it was one of theirs."""
    ended = session.scalar(
        update(PersonDevice)
        .where(PersonDevice.id == device_id, PersonDevice.account_id == account_id, PersonDevice.ended_at.is_(None))
        .values(ended_at=now)
        .returning(PersonDevice.id)
        .execution_options(synchronize_session=False)
    )
    session.execute(delete(WebSession).where(WebSession.account_id == account_id, WebSession.device_id == device_id))
    return ended is not None


def end_others(session: Session, account_id: UUID, now: datetime, *, but: UUID | None = None) -> None:
    """End every device of a person, but one."""
    query = update(PersonDevice).where(PersonDevice.account_id == account_id, PersonDevice.ended_at.is_(None))
    if but is not None:
        query = query.where(PersonDevice.id != but)
    session.execute(query.values(ended_at=now).execution_options(synchronize_session=False))


def _of(login: str) -> str:
    return hashlib.sha256(login.strip().lower().encode()).hexdigest()


def _sealer(secret: Secret) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt=_SALT)
