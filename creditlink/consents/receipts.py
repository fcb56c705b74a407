"""Receipts: what a firm agreed to, signed by the server, to be verified by anybody without asking us.

A receipt is a compact JWS (RFC 7515), ES256. The key is derived from the server's secret, so that every
process signs alike and nothing more has to be kept; its public half is at `/v1/receipt-keys`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

TYPE = "consent-receipt+jws"
_ALGORITHM = "ES256"
# The order of P-256, and 16 bytes more than the key: the remainder is then as good as uniform.
# Source: FIPS 186-5, A.2.1, key pair generation using extra random bits.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_EXTRA = 48


class ReceiptRefused(Exception):
    """The receipt does not hold; the message says why."""


@dataclass(frozen=True)
class Receipt:
    """What a verified receipt says."""

    kid: str
    claims: Mapping[str, Any]


def signing_key(secret: str) -> ECKey:
    """Return the key of this server's receipts."""
    derive = HKDF(algorithm=hashes.SHA256(), length=_EXTRA, salt=None, info=b"creditlink consent receipts")
    scalar = int.from_bytes(derive.derive(secret.encode()), "big") % (_ORDER - 1) + 1
    pem = ec.derive_private_key(scalar, ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = ECKey.import_key(pem)
    key.ensure_kid()
    return key


def public_keys(secret: str) -> dict[str, Any]:
    """Return the JWK set that verifies receipts."""
    key = signing_key(secret)
    return {"keys": [key.as_dict(private=False) | {"kid": key.kid, "use": "sig", "alg": _ALGORITHM}]}


def sign(claims: Mapping[str, Any], *, secret: str) -> str:
    """Return the receipt over `claims`."""
    key = signing_key(secret)
    body = json.dumps(claims, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return jws.serialize_compact({"alg": _ALGORITHM, "typ": TYPE, "kid": key.kid}, body, key, algorithms=[_ALGORITHM])


def verify(receipt: str, keys: Mapping[str, Any]) -> Receipt:
    """Return what a receipt says, if one of `keys` (a JWK set) signed it and its text is the one agreed to.

    Raises
    ------
    ReceiptRefused
        It is not a receipt, was changed, or was signed by somebody else.
    """
    try:
        known = KeySet.import_key_set(dict(keys))  # type: ignore[arg-type]  # joserfc checks it at run time
        found = jws.deserialize_compact(receipt.strip(), known, algorithms=[_ALGORITHM])
        headers: Mapping[str, Any] = found.headers()
        claims = json.loads(found.payload)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise ReceiptRefused(f"the signature does not hold: {error or type(error).__name__}") from None
    if headers.get("typ") != TYPE or not isinstance(claims, dict):
        raise ReceiptRefused("it is signed, but it is not a consent receipt")
    text = claims.get("text") or {}
    if text.get("sha256") != text_hash(text.get("shown")):
        raise ReceiptRefused("the text in it is not the one whose hash it states")
    return Receipt(str(headers.get("kid", "")), claims)


def text_hash(shown: Any) -> str:
    """Return the hash of the text that a page showed, as the consent keeps it."""
    text = json.dumps(shown, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def claims_of(consent: Any, *, issuer: str, institution: Any, enterprise: Any, events: Sequence[Any]) -> dict[str, Any]:
    """Return what a receipt over a consent's row says: who, what, how long, on which text, what became of it."""
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
            "at": consent.starts_at.isoformat(),
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
