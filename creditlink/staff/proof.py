"""A statement signed with a registered key: who acts, for whom it is meant, once. Commands and requests carry one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from secrets import token_urlsafe

from joserfc import jwk, jws
from joserfc.jwk import Key, OKPKey
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from creditlink.access import keys, replay
from creditlink.access.keys import JwtRefused
from creditlink.enterprises.tables import Account
from creditlink.kit.files.textfile import canonical_json
from creditlink.staff.actor import StaffActor
from creditlink.staff.tables import StaffKey, StaffMember

LIFE = timedelta(seconds=60)
_EARLY = timedelta(seconds=5)
TYPE = "creditlink-staff+jwt"


class ProofInvalid(Exception):
    """The statement proves nobody; the message is for our log and for the person at the command line."""


def new_key() -> Key:
    """Return a fresh Ed25519 key."""
    return OKPKey.generate_key("Ed25519")


def read_key(text: str) -> Key:
    """Return the private key of a JWK file.

    Raises
    ------
    ProofInvalid
        It is no Ed25519 private key.
    """
    try:
        key = jwk.import_key(json.loads(text))
    except Exception as error:  # the library raises its own and those of three others
        raise ProofInvalid(f"not a JWK: {type(error).__name__}") from None
    if not isinstance(key, OKPKey) or key.curve_name != "Ed25519" or not key.is_private:
        raise ProofInvalid("not an Ed25519 private key")
    return key


def sign(key: Key, login: str, *, audience: str, act: str, now: datetime) -> str:
    """Return the statement of `login` that it does `act` now."""
    claims = {
        "iss": login,
        "aud": audience,
        "act": act,
        "jti": token_urlsafe(16),
        "iat": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
    }
    header = {"alg": "Ed25519", "typ": TYPE, "kid": key.thumbprint()}
    return jws.serialize_compact(header, canonical_json(claims).encode(), key, algorithms=["Ed25519"])


def actor_of(session: Session, document: str, *, audience: str, act: str, now: datetime) -> StaffActor:
    """Return who signed a statement, and use it up: it proves one act, once, in any process.

    Raises
    ------
    ProofInvalid
        It is malformed, not meant for this, too old, used, or of a key that no active member of staff has.
    """
    try:
        signed = keys.read_jwt(document)
        times = keys.whole_seconds(signed.claims, ("iat", "exp"))
        jti = keys.jti_of(signed.claims)
    except JwtRefused as error:
        raise ProofInvalid(str(error)) from None
    _check_meaning(signed.header, signed.claims, times, audience=audience, act=act, now=now)
    kid = signed.header.get("kid")
    row = session.execute(
        select(StaffKey, StaffMember, Account)
        .join(StaffMember, StaffMember.account_id == StaffKey.account_id)
        .join(Account, Account.id == StaffMember.account_id)
        .where(
            StaffKey.thumbprint == str(kid),
            StaffKey.kind == "key",
            StaffKey.ended_at.is_(None),
            or_(StaffKey.expires_at.is_(None), StaffKey.expires_at > now),
            StaffMember.status == "active",
            Account.status == "active",
        )
    ).one_or_none()
    if row is None:
        raise ProofInvalid("no active member of staff has this key")
    held, member, account = row
    if account.login != signed.claims.get("iss"):
        raise ProofInvalid("the key is somebody else's")
    try:
        keys.verify(signed, [keys.public_key(held.jwk)])
    except JwtRefused as error:
        raise ProofInvalid(str(error)) from None
    if not replay.first_use(session, "assertion", f"staff:{account.id}", jti, expires_at=now + LIFE + _EARLY):
        raise ProofInvalid("the statement was used before")
    return StaffActor(
        account.id, account.login, account.display_name, frozenset(member.roles), f"key:{held.thumbprint}"
    )


def _check_meaning(
    header: Mapping[str, object],
    claims: Mapping[str, object],
    times: Mapping[str, float],
    *,
    audience: str,
    act: str,
    now: datetime,
) -> None:
    if header.get("typ") != TYPE:
        raise ProofInvalid(f"typ must be {TYPE}")
    if claims.get("aud") != audience or claims.get("act") != act:
        raise ProofInvalid("it is meant for something else")
    at = now.timestamp()
    begins, ends = times.get("iat", at + 1e9), times.get("exp", 0.0)
    if not (begins - _EARLY.total_seconds() <= at < ends <= begins + LIFE.total_seconds()):
        raise ProofInvalid("it is too old, or not valid yet: compare the clocks")
