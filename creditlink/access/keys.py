"""Signatures of clients: which algorithms and keys are accepted, and how a signed JWT is read.

Only asymmetric FAPI 2.0 algorithms; the key comes from the registration (or, for a DPoP proof, from the
proof, whose thumbprint is what counts), never from `jku`, `x5u` or another reference in the header.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwk, jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, Key, OKPKey
from joserfc.util import urlsafe_b64decode

from creditlink.kit.files.text import flaws, pointer
from creditlink.kit.files.textfile import json_of

ALGORITHMS = ("PS256", "ES256", "EdDSA", "Ed25519")
ADVERTISED = ["PS256", "ES256", "EdDSA"]
RSA_BITS = (2048, 8192)  # the upper bound keeps a verification cheap
_FOR_KEY = {"RSA": ("PS256",), "EC": ("ES256",), "OKP": ("EdDSA", "Ed25519")}
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_REFERENCES = ("jku", "x5u", "x5c", "crit", "b64", "zip")
_HOLDS_PRIVATE = "the key holds private members; send only the public key"
_LONGEST = 16_384
_JTI_LONGEST = 256
_MOST_NAMED = 5


class _HeaderRegistry(jws.JWSRegistry):
    """joserfc's default header limit of 512 bytes would refuse every DPoP proof with an RSA key."""

    max_header_length = 4096
    max_payload_length = 8192

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return the algorithm; without joserfc's warning about the name EdDSA, which FAPI 2.0 asks for."""
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


# Unknown header members are harmless and allowed by RFC 7515; the harmful ones are refused by name.
_REGISTRY = _HeaderRegistry(strict_check_header=False)


class JwtRefused(Exception):
    """A JWT or key that is not accepted; the text is for our log and its owner's, not for the answer.

    `check` names the member, or the step, that failed.
    """

    def __init__(self, text: str, check: str | None = None) -> None:
        super().__init__(text)
        self.check = check


@dataclass(frozen=True)
class SignedJwt:
    """A JWT read but not yet verified."""

    raw: str
    header: Mapping[str, object]
    claims: Mapping[str, object]


def read_jwt(raw: str, *, may_embed_key: bool = False) -> SignedJwt:
    """Return header and claims of a compact JWS, before its signature is verified.

    Raises
    ------
    JwtRefused
        It does not parse, holds text or numbers we cannot store, its algorithm is not accepted, or its header
        points at keys elsewhere.
    """
    if len(raw) > _LONGEST:
        raise JwtRefused("too long", "jwt")
    try:
        # RecursionError: a few kilobytes of brackets are enough for the JSON parser.
        parsed = jws.extract_compact(raw.encode("ascii"), registry=_REGISTRY)
        claims = json_of(parsed.payload or b"")
        header = parsed.headers()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise JwtRefused(f"not a JWT: {type(error).__name__}", "jwt") from None
    if not isinstance(claims, dict) or not isinstance(header, dict):
        raise JwtRefused("header and claims must be objects", "jwt")
    for part, value in (("header", header), ("claims", claims)):
        for _, wrong in flaws(value):
            raise JwtRefused(f"a member of the {part} {wrong}")
    if header.get("alg") not in ALGORITHMS:
        raise JwtRefused(f"algorithm not accepted; accepted are {', '.join(ADVERTISED)}", "alg")
    for name in (*_REFERENCES, *(() if may_embed_key else ("jwk",))):
        if name in header:
            raise JwtRefused(f"header member {name} not accepted", name)
    return SignedJwt(raw, header, claims)


def verify(token: SignedJwt, keys: Sequence[Key]) -> None:
    """Check the signature against the keys that fit its `kid` and algorithm.

    Raises
    ------
    JwtRefused
        No key fits, or none verifies.
    """
    kid, algorithm = token.header.get("kid"), token.header["alg"]
    named = [key for key in keys if kid is None or key.kid is None or key.kid == kid]
    if not named:
        raise JwtRefused("no key has this kid", "kid")
    fitting = [key for key in named if algorithm in _FOR_KEY[key.key_type]]
    if not fitting:
        raise JwtRefused("no key of this kid is for this algorithm", "alg")
    for key in fitting:
        try:
            jws.deserialize_compact(token.raw.encode("ascii"), key, registry=_REGISTRY)
        except (JoseError, ValueError, TypeError):
            continue
        return
    raise JwtRefused("no key verifies the signature", "signature")


def public_key(data: object) -> Key:
    """Return the public key of a JWK.

    Raises
    ------
    JwtRefused
        Not a public key of an accepted kind and size.
    """
    if not isinstance(data, Mapping):
        raise JwtRefused("a key must be an object")
    for where, wrong in flaws(data):
        raise JwtRefused(f"{pointer(where)} {wrong}")
    if not isinstance(data.get("kty"), str) or data["kty"] not in _FOR_KEY:
        raise JwtRefused("kty must be RSA, EC or OKP")
    if any(name in data for name in _PRIVATE):
        raise JwtRefused(_HOLDS_PRIVATE)
    if data.get("use") not in (None, "sig"):
        raise JwtRefused("use must be sig")
    operations = data.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        raise JwtRefused("key_ops must include verify")
    if data.get("alg") not in (None, *_FOR_KEY[data["kty"]]):
        raise JwtRefused(f"alg of a {data['kty']} key must be {_FOR_KEY[data['kty']][0]}")
    if data["kty"] == "RSA" and not is_long_enough(data.get("n")):
        raise JwtRefused(f"an RSA key must have {RSA_BITS[0]} to {RSA_BITS[1]} bits")
    try:
        key = jwk.import_key(dict(data))
        key.thumbprint()  # read now what the library would only read at first use
    except (JoseError, ValueError, TypeError, KeyError, OverflowError, AttributeError, UnsupportedAlgorithm) as error:
        raise JwtRefused(f"not a valid JWK: {type(error).__name__}") from None
    if isinstance(key, ECKey) and key.curve_name != "P-256":
        raise JwtRefused(f"an EC key must be on P-256, got {key.curve_name}")
    if isinstance(key, OKPKey) and key.curve_name != "Ed25519":
        raise JwtRefused(f"an OKP key must be Ed25519, got {key.curve_name}")
    return key


def public_keys(jwks: object) -> list[Key]:
    """Return the accepted keys of a JWK Set, at least one; the others are passed over.

    A bank publishes keys for all its partners in one set, of kinds, curves and uses that we do not know. They are
    ignored, now and when new kinds appear.

    Raises
    ------
    JwtRefused
        It is not a JWK Set, or no key in it is accepted; the message says what is wrong with each.

    Source: RFC 7517 section 5.
    """
    accepted, passed_over = _sorted(jwks)
    if not accepted:
        raise JwtRefused("; ".join(passed_over[:_MOST_NAMED]) or "the set holds no key")
    return accepted


def check_registration(jwks: object) -> None:
    """Refuse a JWK Set that an operator should not register, even if some of its keys are accepted.

    Raises
    ------
    JwtRefused
        No key is accepted, a key holds private members, two accepted ones share a `kid`, or the set holds text that
        cannot be stored.
    """
    accepted = public_keys(jwks)
    for where, wrong in flaws(jwks):
        raise JwtRefused(f"{pointer(where)} {wrong}")
    for index, entry in enumerate(_entries(jwks)):
        if isinstance(entry, Mapping) and any(name in entry for name in _PRIVATE):
            raise JwtRefused(f"keys[{index}]: {_HOLDS_PRIVATE}")
    kids = [key.kid for key in accepted if key.kid is not None]
    if len(set(kids)) != len(kids):
        raise JwtRefused("two keys share a kid")


def _sorted(jwks: object) -> tuple[list[Key], list[str]]:
    """Return the accepted keys, and what is wrong with each of the others."""
    accepted: list[Key] = []
    passed_over: list[str] = []
    for index, entry in enumerate(_entries(jwks)):
        try:
            accepted.append(public_key(entry))
        except JwtRefused as error:
            passed_over.append(f"keys[{index}]: {error}")
    return accepted, passed_over


def _entries(jwks: object) -> list[object]:
    entries = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise JwtRefused("a JWK Set needs a non-empty array keys")
    return entries


def jti_of(claims: Mapping[str, object]) -> str:
    """Return the id by which a JWT is recognised when it comes again.

    Raises
    ------
    JwtRefused
        It is absent, not a string or too long.
    """
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _JTI_LONGEST:
        raise JwtRefused("jti must be a string", "jti")
    return jti


def whole_seconds(claims: Mapping[str, object], names: Iterable[str]) -> dict[str, float]:
    """Return the numeric dates among `names` that are present.

    Raises
    ------
    JwtRefused
        One is not a number (NaN and infinities are not).
    """
    seconds = {}
    for name in names:
        if name not in claims:
            continue
        value = claims[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
            raise JwtRefused(f"{name} must be a number of seconds", name)
        seconds[name] = float(value)
    return seconds


def is_long_enough(modulus: object) -> bool:
    """Whether an RSA key of this modulus is long enough, and not so long that its use would cost us dear."""
    return RSA_BITS[0] <= _modulus_bits(modulus) <= RSA_BITS[1]


def _modulus_bits(modulus: object) -> int:
    """Return the size of an RSA key, determined before any arithmetic is done with it."""
    if not isinstance(modulus, str) or len(modulus) > _LONGEST:
        return 0
    try:
        return int.from_bytes(urlsafe_b64decode(modulus.encode("ascii")), "big").bit_length()
    except (ValueError, UnicodeError):
        return 0
