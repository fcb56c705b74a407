"""Receipts: what a firm agreed to, signed by the server, to be verified by anybody without asking us.

A receipt is a compact JWS (RFC 7515) by the server's key (`keyring`); its public half is at `/v1/receipt-keys`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from creditlink.kit import keyring
from creditlink.kit.files.textfile import canonical_json
from creditlink.kit.keyring import Secret, SignedDocument

if TYPE_CHECKING:
    from creditlink.consents.tables import Consent, ConsentEvent, ConsentSignature
    from creditlink.enterprises.tables import Enterprise
    from creditlink.institutions.tables import Institution

TYPE = "consent-receipt+jws"


class ReceiptRefused(Exception):
    """The receipt is not valid; the message says why."""


def sign(claims: Mapping[str, object], *, secret: Secret) -> str:
    """Return the receipt over `claims`."""
    return keyring.sign(claims, typ=TYPE, secret=secret)


def verify(receipt: str, keys: Mapping[str, object]) -> SignedDocument:
    """Return what a receipt says, if one of `keys` (a JWK set) signed it and its text is the one agreed to.

    Raises
    ------
    ReceiptRefused
        It is not a receipt, was changed, or was signed by somebody else.
    """
    try:
        document = keyring.verify(receipt, keys, typ=TYPE)
    except keyring.SignatureRefused as refused:
        raise ReceiptRefused(str(refused)) from None
    text = document.claims.get("text")
    text = text if isinstance(text, Mapping) else {}
    if text.get("sha256") != text_hash(text.get("shown")):
        raise ReceiptRefused("the text in it is not the one whose hash it states")
    return document


def text_hash(shown: object) -> str:
    """Return the hash of the text that a page showed, as the consent keeps it."""
    return hashlib.sha256(canonical_json(shown).encode()).hexdigest()


def claims_of(
    consent: Consent,
    *,
    issuer: str,
    institution: Institution,
    enterprise: Enterprise,
    events: Sequence[ConsentEvent],
    signatures: Sequence[ConsentSignature] = (),
) -> dict[str, object]:
    """Return what a receipt over a consent's row says: who, what, how long, on which text, and what happened since."""
    return {
        "iss": issuer,
        "iat": int(consent.changed_at.timestamp()),
        "jti": f"{consent.wire_id}.{len(events)}",
        "consent": consent.wire_id,
        "version": consent.version,
        "state": consent.state,
        "institution": {
            "code": institution.code,
            "name_zh": institution.name_zh,
            "name_en": institution.name_en,
            "client_id": consent.client_id,
        },
        "enterprise": {"uscc": enterprise.uscc, "name": enterprise.name},
        "granted": {
            "by_role": consent.granted_role,
            "at": consent.starts_at.isoformat() if consent.starts_at else None,
            "until": consent.expires_at.isoformat(),
            "categories": consent.categories,
            "purpose": consent.purpose,
            "access": consent.access,
            "actions": consent.actions,
            "history_months": consent.history_months,
            "pulls_per_month": consent.pulls_per_month,
            "pulls_per_day": consent.pulls_per_day,
            "data_life_days": consent.data_life_days,
        },
        "signatures": [
            {"by_role": s.role, "at": s.signed_at.isoformat(), "categories": s.categories, "text_sha256": s.text_sha256}
            for s in signatures
        ],
        "asked": consent.asked,
        "text": {"version": consent.text_version, "sha256": consent.text_sha256, "shown": consent.text_shown},
        "events": [
            {
                "at": event.at.isoformat(),
                "by": event.actor.partition(":")[0],
                "from": event.from_state,
                "to": event.to_state,
                "reason": event.reason,
            }
            for event in events
        ],
    }
