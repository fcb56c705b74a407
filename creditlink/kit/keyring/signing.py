"""Signatures by keys derived from the server's secrets: every process has the same ones, and nothing else is stored.

What is signed is a compact JWS (RFC 7515), ES256 or Ed25519, with a `typ` of its own, so that one kind of document can
never pass for another. The public halves of all keys are at `/v1/receipt-keys`, for ever.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey

from creditlink.kit.files.textfile import canonical_json, json_of, read_file
from creditlink.kit.keyring.ring import SIGNATURES, Secret, ServerKey, keys_of

# The order of P-256, and 16 bytes more than the key: the remainder is then as good as uniform.
# Source: FIPS 186-5, A.2.1, key pair generation using extra random bits.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_EXTRA = 48


class SignatureRefused(Exception):
    """The signature or the kind of a document is wrong; the message says why."""


@dataclass(frozen=True)
class SignedDocument:
    """What a verified document says, and the key that signed it."""

    kid: str
    claims: Mapping[str, object]


def signing_key(secret: Secret) -> ECKey:
    """Return the key in force as P-256, for what is always signed ES256, whatever the key signs documents with."""
    return _p256(keys_of(secret).current().secret)


@lru_cache(maxsize=16)
def _p256(secret: str) -> ECKey:
    # The name of the first kind of document: changing it would change the key that verifies receipts already issued.
    derive = HKDF(algorithm=hashes.SHA256(), length=_EXTRA, salt=None, info=b"creditlink consent receipts")
    scalar = int.from_bytes(derive.derive(secret.encode()), "big") % (_ORDER - 1) + 1
    key = ECKey.import_key(_pem(ec.derive_private_key(scalar, ec.SECP256R1())))
    key.ensure_kid()
    return key


@lru_cache(maxsize=16)
def _ed25519(secret: str) -> OKPKey:
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"creditlink documents, Ed25519")
    key = OKPKey.import_key(_pem(ed25519.Ed25519PrivateKey.from_private_bytes(derive.derive(secret.encode()))))
    key.ensure_kid()
    return key


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_keys(secret: Secret) -> dict[str, object]:
    """Return the JWK set that verifies what this server signs or has ever signed; an announced key is in it too."""
    return {"keys": [public for key in keys_of(secret).keys for public in _public(key)]}


def _public(key: ServerKey) -> list[dict[str, object]]:
    halves: list[tuple[ECKey | OKPKey, str]] = [(_p256(key.secret), "ES256")]
    if key.signs == "Ed25519":
        halves.append((_ed25519(key.secret), "Ed25519"))
    return [{**half.as_dict(private=False), "kid": half.kid, "use": "sig", "alg": alg} for half, alg in halves]


def key_set_of(file: Path) -> dict[str, object]:
    """Return the JWK set in a file saved from `/v1/receipt-keys`.

    Raises
    ------
    ValueError
        It is not text, not JSON or not a set; the message is one line.
    """
    known = json_of(read_file(file).whole())
    if not isinstance(known, dict) or not isinstance(known.get("keys"), list):
        raise ValueError("not a JWK set")
    return known


def sign(claims: Mapping[str, object], *, typ: str, secret: Secret) -> str:
    """Return the signed document of kind `typ` over `claims`."""
    current = keys_of(secret).current()
    key = _ed25519(current.secret) if current.signs == "Ed25519" else _p256(current.secret)
    body = canonical_json(claims).encode()
    headers = {"alg": current.signs, "typ": typ, "kid": key.kid}
    return jws.serialize_compact(headers, body, key, algorithms=[current.signs])


def verify(document: str, keys: Mapping[str, object], *, typ: str) -> SignedDocument:
    """Return what a document says, if one of `keys` (a JWK set) signed it as a `typ`.

    Raises
    ------
    SignatureRefused
        It was changed, signed by somebody else, or is another kind of document.
    """
    try:
        signed = jws.deserialize_compact(document.strip(), KeySet(_usable_keys(keys)), algorithms=SIGNATURES)
        headers: Mapping[str, object] = signed.headers()
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise SignatureRefused(f"the signature does not hold: {error or type(error).__name__}") from None
    if headers.get("typ") != typ or not isinstance(claims, dict):
        raise SignatureRefused(f"it is signed, but it is not a {typ.partition('+')[0].replace('-', ' ')}")
    return SignedDocument(str(headers.get("kid", "")), claims)


def _usable_keys(keys: Mapping[str, object]) -> list[Key]:
    """Return the keys of a set that we know how to use; the others are passed over (RFC 7517 section 5)."""
    entries = keys["keys"]
    if not isinstance(entries, list):
        raise TypeError("keys is not an array")
    known = []
    for entry in entries:
        try:
            known.append(jwk.import_key(dict(entry)))
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            continue
    if not known:
        raise ValueError("none of the keys is of a kind that we know")
    return known


def unverified(document: str) -> dict[str, object]:
    """Return what a document says without looking at its signature.

    Raises
    ------
    SignatureRefused
        It is not a compact JWS of a JSON object.
    """
    return _part(document, 1)


def header_of(document: str) -> dict[str, object]:
    """Return a document's header (RFC 7515, section 4) without looking at its signature.

    Raises
    ------
    SignatureRefused
        It is not a compact JWS of a JSON object.
    """
    return _part(document, 0)


def _part(document: str, place: int) -> dict[str, object]:
    try:
        said = json.loads(base64.urlsafe_b64decode(document.split(".")[place] + "=="))
    except (IndexError, ValueError, RecursionError):
        raise SignatureRefused("not a compact JWS") from None
    if not isinstance(said, dict):
        raise SignatureRefused("not a JSON object")
    return said
