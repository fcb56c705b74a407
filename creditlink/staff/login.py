"""A command line signs in: it shows a code, its person approves it in a browser, its key is good for a working day.

Source: RFC 8628, OAuth 2.0 Device Authorization Grant; what is granted is a key's registration instead of a token.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.access.keys import JwtRefused, public_key
from creditlink.access.opaque import hash_of, new_secret
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import InvalidRequest, NotFound, TooManyRequests
from creditlink.staff import people
from creditlink.staff.actor import StaffActor
from creditlink.staff.tables import StaffLogin

OPEN = timedelta(minutes=10)
KEY_LIFE = timedelta(hours=8)
INTERVAL_SECONDS = 5
MOST_WAITING = 100
"""Anybody may ask: so many wait at once, and no more."""

# Without vowels and without what looks alike. Source: RFC 8628 section 6.1.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_PREFIX = "cld_"


@dataclass(frozen=True)
class LoginCodes:
    """What a command line is told: the secret that it polls with, and the code that it shows."""

    device_code: str
    user_code: str
    expires_at: datetime


def ask(session: Session, jwk: Mapping[str, object], *, address: str, now: datetime) -> LoginCodes:
    """Begin a login with a public key.

    Raises
    ------
    InvalidRequest
        It is no public Ed25519 key.
    TooManyRequests
        Too many wait already.
    """
    try:
        key = public_key(jwk)
    except JwtRefused as error:
        raise InvalidRequest(errors=[{"pointer": "/jwk", "detail": str(error)}]) from None
    if key.key_type != "OKP":
        raise InvalidRequest(errors=[{"pointer": "/jwk", "detail": f"must be Ed25519, got {key.key_type}"}])
    waiting = session.scalar(select(func.count()).where(StaffLogin.state == "waiting", StaffLogin.expires_at > now))
    if (waiting or 0) >= MOST_WAITING:
        raise TooManyRequests("too many command lines wait to be approved", headers={"Retry-After": "60"})
    code = "".join(secrets.choice(_LETTERS) for _ in range(8))
    device_code = new_secret(_PREFIX)
    session.add(
        StaffLogin(
            device_code_hash=hash_of(device_code),
            user_code_hash=hash_of(code),
            jwk=people.public_members(key),
            thumbprint=key.thumbprint(),
            address=address,
            state="waiting",
            requested_at=now,
            expires_at=now + OPEN,
        )
    )
    session.flush()
    return LoginCodes(device_code, f"{code[:4]}-{code[4:]}", now + OPEN)


def approve(session: Session, user_code: str, *, by: StaffActor, now: datetime) -> StaffLogin:
    """Let the command line that shows this code sign in the person's name until the working day is over.

    Raises
    ------
    NotFound
        None waits with such a code.
    Conflict
        Its key is registered already.
    """
    found = _waiting(session, user_code, now)
    people.register_key(
        session, by.account_id, found.jwk, name=f"login from {found.address}", by=by, now=now,
        expires_at=now + KEY_LIFE,
    )  # fmt: skip
    found.state, found.account_id = "approved", by.account_id
    return found


def deny(session: Session, user_code: str, *, by: StaffActor, now: datetime) -> None:
    """Refuse the command line that shows this code.

    Raises
    ------
    NotFound
        None waits with such a code.
    """
    found = _waiting(session, user_code, now)
    found.state, found.account_id = "denied", by.account_id


def poll(session: Session, device_code: str, *, now: datetime) -> tuple[str, str | None]:
    """Return the state for the command line that polls, as RFC 8628 names it, and the login once it is approved.

    States: authorization_pending, slow_down, access_denied, expired_token, approved.
    """
    found = session.scalar(
        select(StaffLogin).where(StaffLogin.device_code_hash == hash_of(device_code)).with_for_update()
    )
    if found is None or found.expires_at <= now or found.state == "spent":
        return "expired_token", None
    if found.state == "denied":
        return "access_denied", None
    if found.state == "approved":
        found.state = "spent"
        account = session.get_one(Account, found.account_id)
        return "approved", account.login
    early = found.polled_at is not None and now < found.polled_at + timedelta(seconds=INTERVAL_SECONDS - 1)
    found.polled_at = now
    return ("slow_down" if early else "authorization_pending"), None


def _waiting(session: Session, user_code: str, now: datetime) -> StaffLogin:
    letters = "".join(c for c in user_code.upper() if c in _LETTERS)
    found = session.scalar(
        select(StaffLogin)
        .where(StaffLogin.user_code_hash == hash_of(letters), StaffLogin.state == "waiting")
        .where(StaffLogin.expires_at > now)
        .with_for_update()
    )
    if found is None:
        raise NotFound
    return found
