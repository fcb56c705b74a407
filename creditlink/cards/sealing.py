"""What is kept of cards is sealed with a key of its own, and each step is in the firm's evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.fernet import InvalidToken
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.cards.tables import CreditCard
from creditlink.kit import keyring

SEALED = "creditlink credit cards"


@dataclass(frozen=True)
class CardKeys:
    """What signs and seals: the server's secret, and under which name it issues."""

    issuer: str
    secret: keyring.Secret


def seal(content: Mapping[str, object], secret: keyring.Secret) -> bytes:
    """Return content as it is kept."""
    return keyring.box(secret, SEALED).encrypt(json.dumps(content).encode())


def unseal(sealed: bytes | None, secret: keyring.Secret) -> dict[str, object] | None:
    """Return sealed content; None: there is none any more, or the server's secret has changed since."""
    if sealed is None:
        return None
    try:
        content: dict[str, object] = json.loads(keyring.box(secret, SEALED).decrypt(sealed))
    except InvalidToken:
        return None
    return content


def note(session: Session, card: CreditCard, step: str, actor: str, now: datetime, **detail: object) -> None:
    """Write a step into the firm's evidence; for whom it was shown stays out: that is the firm's own matter."""
    audit.record(
        session,
        action=f"card.{step}",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=card.enterprise_id,
        consent_id=card.consent_id,
        detail={"card": card.wire_id, **detail},
    )
