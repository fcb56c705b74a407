"""What is wrong with keys that a developer wants to register, member by member. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc import jwk
from joserfc.errors import JoseError

from creditlink.access import keys
from creditlink.access.keys import JwtRefused
from creditlink.kit.files.text import flaws, printable
from creditlink.kit.files.textfile import JsonInvalid, json_of

LONGEST = 32_768
MOST_KEYS = 4
"""Enough for a rotation with overlap, and for one key each of the kinds."""

_LONGEST_KID = 100
_PRIVATE = {"RSA": ("d", "p", "q", "dp", "dq", "qi", "oth"), "EC": ("d",), "OKP": ("d",), "oct": ("k",)}
_ALGORITHMS = {"RSA": ("PS256",), "EC": ("ES256",), "OKP": ("EdDSA", "Ed25519")}
_KINDS: dict[type, Literal["RSA", "EC", "OKP"]] = {
    rsa.RSAPublicKey: "RSA",
    ec.EllipticCurvePublicKey: "EC",
    ed25519.Ed25519PublicKey: "OKP",
}
_CURVES = {"EC": "P-256", "OKP": "Ed25519"}


@dataclass(frozen=True)
class KeyFinding:
    """One thing that is wrong: where (`keys[0].alg`), which rule it breaks, and what was found there.

    `found` never holds anything of a private member.
    """

    where: str
    rule: str
    found: str = ""


@dataclass(frozen=True)
class Checked:
    """Keys that were looked at: those to register, none where anything is wrong."""

    keys: tuple[Mapping[str, object], ...]
    findings: tuple[KeyFinding, ...]


def check(text: str, known_kids: Collection[str] = ()) -> Checked:
    """Return the public keys in a JWK, a JWK Set or a PEM, or all that is wrong with them.

    Parameters
    ----------
    known_kids : of the keys that the client has and keeps
    """
    if not text.strip():
        return _wrong("", "empty")
    if len(text) > LONGEST:
        return _wrong("", "too_long", str(len(text)))
    if "-----BEGIN" in text:
        return _of_pem(text, known_kids)
    try:
        body = json_of(text.encode("utf-8", "surrogatepass"))
    except (JsonInvalid, UnicodeDecodeError, RecursionError) as error:
        return _wrong("", "not_json", printable(str(error))[:120])
    return check_document(body, known_kids)


def check_document(body: object, known_kids: Collection[str] = ()) -> Checked:
    """Return the keys in a parsed JWK or JWK Set, or all that is wrong with them."""
    if any(flaws(body)):
        return _wrong("", "characters")
    if not isinstance(body, Mapping):
        return _wrong("", "not_a_key")
    one = "keys" not in body
    entries = [body] if one else body["keys"]
    if not isinstance(entries, list) or not entries:
        return _wrong("keys", "no_keys")
    if len(entries) + len(known_kids) > MOST_KEYS:
        return _wrong("keys", "too_many", str(len(entries)))
    found: list[KeyFinding] = []
    good: list[Mapping[str, object]] = []
    kids = set(known_kids)
    for index, entry in enumerate(entries):
        place = "" if one else f"keys[{index}]."
        wrong = _of_entry(entry, place)
        found += wrong
        if wrong:
            continue
        named = _public(entry)
        kid = str(named["kid"])
        if kid in kids:
            found.append(KeyFinding(f"{place}kid", "kid_twice", kid))
        kids.add(kid)
        good.append(named)
    return Checked((), tuple(found)) if found else Checked(tuple(good), ())


def _of_pem(text: str, known_kids: Collection[str]) -> Checked:
    if "PRIVATE KEY" in text:
        return _wrong("", "private_pem")
    if "CERTIFICATE" in text:
        return _wrong("", "certificate")
    try:
        loaded = load_pem_public_key(text.strip().encode())
        if isinstance(loaded, rsa.RSAPublicKey) and loaded.key_size < keys.RSA_BITS[0]:
            return _wrong("n", "short")  # the library below would warn of it
        kind = next(kind for public, kind in _KINDS.items() if isinstance(loaded, public))
        key = jwk.import_key(text.strip(), kind)
    except (ValueError, TypeError, UnsupportedAlgorithm, JoseError, StopIteration):
        return _wrong("", "not_a_pem")
    return check_document(key.as_dict(private=False), known_kids)


def _of_entry(entry: object, place: str) -> list[KeyFinding]:
    """Return every rule that one key breaks."""
    if not isinstance(entry, Mapping):
        return [KeyFinding(place.rstrip("."), "not_a_key")]
    kind = entry.get("kty")
    if not isinstance(kind, str) or kind not in _PRIVATE:
        return [KeyFinding(f"{place}kty", "kty", _shown(kind))]
    found = [KeyFinding(place + name, "private") for name in _PRIVATE[kind] if name in entry]
    if kind == "oct":
        return found or [KeyFinding(f"{place}kty", "kty", "oct")]
    if entry.get("alg") not in (None, *_ALGORITHMS[kind]):
        found.append(KeyFinding(f"{place}alg", f"alg_{kind}", _shown(entry["alg"])))
    if entry.get("use") not in (None, "sig"):
        found.append(KeyFinding(f"{place}use", "use", _shown(entry["use"])))
    operations = entry.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        found.append(KeyFinding(f"{place}key_ops", "key_ops", _shown(operations)))
    if kind in _CURVES and entry.get("crv") != _CURVES[kind]:
        found.append(KeyFinding(f"{place}crv", f"crv_{kind}", _shown(entry.get("crv"))))
    kid = entry.get("kid")
    if kid is not None and not (isinstance(kid, str) and 1 <= len(kid) <= _LONGEST_KID and kid.isprintable()):
        found.append(KeyFinding(f"{place}kid", "kid", _shown(kid)))
    if kind == "RSA" and not keys.is_long_enough(entry.get("n")):
        found.append(KeyFinding(f"{place}n", "short"))
    if not found:
        try:
            keys.public_key(entry)
        except JwtRefused as error:
            found.append(KeyFinding(place.rstrip("."), "not_valid", str(error)[:120]))
    return found


def _public(entry: Mapping[str, object]) -> Mapping[str, object]:
    """Return the members that belong to a public key, with a kid: its own, or its thumbprint (RFC 7638)."""
    key = keys.public_key(entry)
    members = ("kty", "crv", "x", "y", "n", "e", "alg", "use")
    return {name: entry[name] for name in members if name in entry} | {"kid": entry.get("kid") or key.thumbprint()}


def _shown(value: object) -> str:
    return printable(str(value))[:40]


def _wrong(where: str, rule: str, found: str = "") -> Checked:
    return Checked((), (KeyFinding(where, rule, found),))
