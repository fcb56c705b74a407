"""Cards, presentations and status lists, signed: SD-JWT VC, key binding, Token Status List.

Source: RFC 9901 (SD-JWT), draft-ietf-oauth-sd-jwt-vc, draft-ietf-oauth-status-list.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from openvc.keys import P256SigningKey
from openvc.proof.sd_jwt import SdJwtVcProofSuite
from openvc.status.issue import build_status_list_token, build_token_status_reference
from openvc.status.token_status_list import new_status_list, set_status

from creditlink.cards.rules import kinds
from creditlink.cards.rules.facts import CATALOGUE, Stated
from creditlink.kit import keyring
from creditlink.kit.files.textfile import canonical_json, json_of

DIGESTS = 32
"""Digests in every card, with decoys for facts that are not known: their number tells nothing."""
STATUS_BITS = 2
_HOLDER_ALGORITHM = "ES256"


class HolderKeyRefused(ValueError):
    """A wallet's key is not one that a card can be bound to; the message says why."""


@dataclass(frozen=True)
class CardTerms:
    """What a card says of itself."""

    issuer: str
    list_id: object
    place: int
    issued_at: datetime
    expires_at: datetime


def issued(
    facts: Mapping[str, Stated], terms: CardTerms, holder: Mapping[str, object], *, secret: keyring.Secret
) -> str:
    """Return a new card: the signed part, and a disclosure for each fact."""
    claims: dict[str, object] = {
        "iss": terms.issuer,
        "iat": int(terms.issued_at.timestamp()),
        "exp": int(terms.expires_at.timestamp()),
        "vct#integrity": kinds.type_digest(terms.issuer),
        **build_token_status_reference(uri=kinds.list_address(terms.issuer, terms.list_id), index=terms.place),
        **{name: {"value": one.value, "on": one.on.isoformat()} for name, one in facts.items()},
    }
    return SdJwtVcProofSuite().issue(
        claims,
        signing_key=_signer(secret),
        disclosable=tuple(facts),
        holder_jwk=dict(holder),
        vct=kinds.type_of(terms.issuer),
        decoys=max(0, DIGESTS - len(facts)),
    )


def new_holder() -> ECKey:
    """Return a key that stands for the firm where it has no wallet."""
    return ECKey.generate_key("P-256", auto_kid=False)


def public_half(key: ECKey) -> dict[str, object]:
    """Return what a card names of its holder's key."""
    return dict(key.as_dict(private=False))


def wallet_key(text: str) -> dict[str, object]:
    """Return the public half of the key that a wallet gave as a JWK.

    Raises
    ------
    HolderKeyRefused
        It is not JSON, not a P-256 key, or the private half is in it.
    """
    try:
        given = json_of(text)
        if not isinstance(given, dict):
            raise HolderKeyRefused("a JWK is a JSON object")
        if "d" in given:
            raise HolderKeyRefused("the private half is in it: keep that, and give the public one")
        key = ECKey.import_key({name: given[name] for name in ("kty", "crv", "x", "y")})
        if given["crv"] != "P-256":
            raise HolderKeyRefused("the curve must be P-256")
    except HolderKeyRefused:
        raise
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise HolderKeyRefused(f"not a public P-256 key: {error or type(error).__name__}") from None
    return public_half(key)


def chosen(card: str, names: Collection[str]) -> str:
    """Return a card with the disclosures of some facts, and no others.

    Raises
    ------
    KeyError
        The card does not hold one of them.
    """
    head, *disclosures, _ = card.split("~")
    by_name = {json.loads(base64.urlsafe_b64decode(one + "=="))[1]: one for one in disclosures}
    ordered = [fact.name for fact in CATALOGUE if fact.name in names]
    if len(ordered) != len(set(names)):
        raise KeyError(sorted(set(names) - set(ordered))[0])
    return "~".join((head, *(by_name[name] for name in ordered), ""))


def presented(part: str, holder: ECKey, *, audience: str, now: datetime, good_until: datetime) -> str:
    """Return a presentation: `part` with the holder's proof of when, until when and for whom it is shown.

    The proof of RFC 9901, section 4.3, has no end; ours has one, so that a copy is not good for as long as the card.
    """
    said = {
        "iat": int(now.timestamp()),
        "exp": int(good_until.timestamp()),
        "aud": audience,
        "nonce": secrets.token_urlsafe(16),
        "sd_hash": base64.urlsafe_b64encode(hashlib.sha256(part.encode()).digest()).rstrip(b"=").decode(),
    }
    head = {"alg": _HOLDER_ALGORITHM, "typ": "kb+jwt"}
    proof = jws.serialize_compact(head, canonical_json(said).encode(), holder, algorithms=[_HOLDER_ALGORITHM])
    return part + proof


def status_list(
    ended: Mapping[int, int],
    *,
    issuer: str,
    list_id: object,
    size: int,
    ttl_seconds: int,
    stale_seconds: int,
    secret: keyring.Secret,
    now: datetime,
) -> str:
    """Return a signed status list: place -> value of those that are not simply good."""
    packed = new_status_list(size, bits=STATUS_BITS)
    for place, value in ended.items():
        set_status(packed, place, value, bits=STATUS_BITS)
    return build_status_list_token(
        signing_key=_signer(secret),
        uri=kinds.list_address(issuer, list_id),
        status_list=packed,
        bits=STATUS_BITS,
        issued_at=now,
        expires=now + timedelta(seconds=stale_seconds),
        ttl=ttl_seconds,
        issuer=issuer,
    )


def _signer(secret: keyring.Secret) -> P256SigningKey:
    """Return the server's key as the library takes it."""
    key = keyring.signing_key(secret)
    private = key.private_key
    assert isinstance(private, EllipticCurvePrivateKey)  # noqa: S101 (a signing key has its private half)
    return P256SigningKey(private, key.kid or "")
