"""Security keys and the like as a second factor of staff and of people of institutions, beside one-time codes.

Source: W3C Web Authentication Level 2; `webauthn` checks what browsers send.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

from creditlink.access import replay
from creditlink.enterprises.tables import Account
from creditlink.kit.files import text
from creditlink.staff.tables import StaffKey

CHALLENGE_LIFE = timedelta(minutes=5)
_LONGEST = 16_384
_NAME = "CreditLink"


class AuthenticatorRefused(Exception):
    """What the browser sent proves nothing; the message is for our log."""


@dataclass(frozen=True)
class Challenge:
    """What a browser is asked: options as JSON for its script, and the challenge to keep, base64url."""

    options: str
    challenge: str


def ask_to_register(session: Session, account: Account, *, issuer: str) -> Challenge:
    """Return what a browser needs to make a credential for an account."""
    options = webauthn.generate_registration_options(
        rp_id=_host(issuer), rp_name=_NAME, user_name=account.login, user_id=account.id.bytes,
        user_display_name=account.display_name, exclude_credentials=_descriptors(held(session, account.id)),
    )  # fmt: skip
    return Challenge(options_to_json(options), bytes_to_base64url(options.challenge))


def register(
    session: Session, account_id: UUID, credential: str, *, challenge: str, name: str, issuer: str, now: datetime
) -> StaffKey:
    """Store a credential that a browser made; the caller writes the evidence.

    Raises
    ------
    AuthenticatorRefused
        It does not answer the challenge, is for another site, or is registered already.
    """
    _check(credential)
    try:
        made = webauthn.verify_registration_response(
            credential=credential, expected_challenge=base64url_to_bytes(challenge), expected_rp_id=_host(issuer),
            expected_origin=_origin(issuer),
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise AuthenticatorRefused(f"{type(error).__name__}: {error}") from None
    _spend(session, account_id, challenge, now)
    known = bytes_to_base64url(made.credential_id)
    if session.scalar(select(StaffKey.id).where(StaffKey.thumbprint == known)):
        raise AuthenticatorRefused("the credential is registered already")
    kept = StaffKey(
        account_id=account_id, kind="webauthn", name=" ".join(name.split())[:64], thumbprint=known,
        public_key=made.credential_public_key, sign_count=made.sign_count, created_at=now,
    )  # fmt: skip
    session.add(kept)
    return kept


def ask_to_sign_in(session: Session, account_id: UUID, *, issuer: str) -> Challenge | None:
    """Return what a browser is asked at sign-in; None: the account has no authenticator."""
    keys = held(session, account_id)
    if not keys:
        return None
    options = webauthn.generate_authentication_options(
        rp_id=_host(issuer), allow_credentials=_descriptors(keys),
        user_verification=UserVerificationRequirement.DISCOURAGED,  # the password was given: this is the second factor
    )  # fmt: skip
    return Challenge(options_to_json(options), bytes_to_base64url(options.challenge))


def verify(
    session: Session, account_id: UUID, credential: str, *, challenge: str, issuer: str, now: datetime
) -> StaffKey:
    """Return the authenticator that answered a challenge, which is used up.

    Raises
    ------
    AuthenticatorRefused
        The answer is wrong, old, of another account, or of an authenticator that was copied (its counter went back).
    """
    _check(credential)
    try:
        known = webauthn.helpers.parse_authentication_credential_json(credential).id
        key = next((one for one in held(session, account_id, lock=True) if one.thumbprint == known), None)
        if key is None or key.public_key is None:
            raise AuthenticatorRefused("the account has no such authenticator")
        proven = webauthn.verify_authentication_response(
            credential=credential, expected_challenge=base64url_to_bytes(challenge), expected_rp_id=_host(issuer),
            expected_origin=_origin(issuer), credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise AuthenticatorRefused(f"{type(error).__name__}: {error}") from None
    _spend(session, account_id, challenge, now)
    key.sign_count = proven.new_sign_count
    return key


def held(session: Session, account_id: UUID, *, lock: bool = False) -> list[StaffKey]:
    """Return the authenticators of an account that have not ended."""
    query = select(StaffKey).where(
        StaffKey.account_id == account_id, StaffKey.kind == "webauthn", StaffKey.ended_at.is_(None)
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return list(session.scalars(query.order_by(StaffKey.created_at, StaffKey.id)))


def end_all(session: Session, account_id: UUID, now: datetime) -> None:
    """End every key of an account."""
    session.execute(
        update(StaffKey)
        .where(StaffKey.account_id == account_id, StaffKey.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )


def _descriptors(keys: list[StaffKey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.thumbprint)) for one in keys]


def _check(credential: str) -> None:
    if len(credential) > _LONGEST or text.flaw(credential):
        raise AuthenticatorRefused("too long, or text that no field may hold")


def _spend(session: Session, account_id: UUID, challenge: str, now: datetime) -> None:
    if not replay.first_use(session, "assertion", f"webauthn:{account_id}", challenge, expires_at=now + CHALLENGE_LIFE):
        raise AuthenticatorRefused("the challenge was used before")


def _host(issuer: str) -> str:
    return urlsplit(issuer).hostname or ""


def _origin(issuer: str) -> str:
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}"
