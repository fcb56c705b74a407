"""A client's webhook address and the secrets that sign its webhooks: set and rotated by the operator."""

from __future__ import annotations

import secrets
from datetime import datetime

from cryptography.fernet import InvalidToken
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.institutions import targets
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Client
from creditlink.kit import keyring
from creditlink.notifications import message
from creditlink.notifications.tables import WebhookSecret

SEALED = "creditlink webhook secrets"


def set_address(
    session: Session,
    client: Client,
    url: str,
    *,
    key: keyring.Secret,
    allow_loopback: bool | None,
    actor: str,
    now: datetime,
) -> str | None:
    """Set a client's webhook address; return its first secret, to be shown this once, or None if it has one already.

    `allow_loopback` None: the caller has checked the address, outside its transaction (`check_address`).

    Raises
    ------
    RegistrationRefused
        The address is not one that we call.
    """
    if allow_loopback is not None:
        check_address(url, allow_loopback=allow_loopback)
    client.webhook_url, client.updated_at = url, now
    _record(session, client, "webhook.set", actor, now)
    return None if _signs(session, client.client_id, now) else _new_secret(session, client, key=key, now=now)


def check_address(url: str, *, allow_loopback: bool) -> None:
    """Refuse an address that we do not call; it looks the name up, and so belongs outside any transaction.

    Raises
    ------
    RegistrationRefused
        It is such a one.
    """
    try:
        targets.resolve(url, allow_loopback=allow_loopback)
    except targets.TargetRefused as error:
        raise RegistrationRefused(f"webhook_url {url[:80]!r}: {error}") from None


def remove_address(session: Session, client: Client, *, actor: str, now: datetime) -> None:
    """Stop a client's webhooks; deliveries under way fail."""
    client.webhook_url, client.updated_at = None, now
    _record(session, client, "webhook.remove", actor, now)


def rotate_secret(
    session: Session, client: Client, *, key: keyring.Secret, actor: str, now: datetime, overlap: bool = True
) -> str:
    """Return a new secret, to be shown this once; the old one keeps signing next to it for a day.

    Without `overlap` the old one stops at once: for a secret that has leaked.
    """
    until = now + message.OVERLAP if overlap else now
    session.execute(
        update(WebhookSecret)
        .where(
            WebhookSecret.client_id == client.client_id,
            or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > until),
        )
        .values(expires_at=until)
    )
    _record(session, client, "webhook.rotate_secret", actor, now)
    return _new_secret(session, client, key=key, now=now)


def signing_secrets(session: Session, client_id: str, *, key: keyring.Secret, now: datetime) -> list[str]:
    """Return the secrets that sign at `now`, the newest first; none if the server's key has changed since."""
    try:
        return [keyring.box(key, SEALED).decrypt(row.sealed).decode() for row in _valid(session, client_id, now)]
    except InvalidToken:
        return []


def _signs(session: Session, client_id: str, now: datetime) -> bool:
    """Return whether a client has a secret; the API's role may ask that, and see none."""
    query = select(WebhookSecret.id).where(
        WebhookSecret.client_id == client_id, or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > now)
    )
    return session.scalar(query.limit(1)) is not None


def _valid(session: Session, client_id: str, now: datetime) -> list[WebhookSecret]:
    query = select(WebhookSecret).where(
        WebhookSecret.client_id == client_id, or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > now)
    )
    return list(session.scalars(query.order_by(WebhookSecret.created_at.desc(), WebhookSecret.id)))


def _new_secret(session: Session, client: Client, *, key: keyring.Secret, now: datetime) -> str:
    secret = message.secret_text(secrets.token_bytes(message.SECRET_BYTES))
    sealed = keyring.box(key, SEALED).encrypt(secret.encode()).decode()
    session.add(WebhookSecret(client_id=client.client_id, sealed=sealed, created_at=now))
    session.flush()
    return secret


def _record(session: Session, client: Client, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        action=action,
        result="done",
        actor=actor,
        now=now,
        institution_id=client.institution_id,
        client_id=client.client_id,
    )
