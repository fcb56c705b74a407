"""Signatures of offices: a detached JWS over the body of each answer, verified with keys from our own configuration.

Nothing in the message chooses how it is verified: algorithms are pinned, the key is found by its `kid` in the
configured set, and a header that brings a key or points at one is refused.

Source: RFC 7515 appendix F (detached content), RFC 7797 (unencoded payload), RFC 8725 (best practices). Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from creditlink.access.keys import ALGORITHMS, JwtRefused, check_registration, public_keys
from creditlink.kit.files.textfile import JsonInvalid, json_of

HEADER = "X-JWS-Signature"
_LONGEST = 8192
_KEYS_OF_THE_MESSAGE = ("jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "zip")
_FOR_KEY = {"RSA": ("PS256",), "EC": ("ES256",), "OKP": ("EdDSA", "Ed25519")}


class SignatureFault(ValueError):
    """A signature that is not accepted, or keys that could not verify any; the message says why."""


class AnswerForged(Exception):
    """An answer of the office is not signed as it must be: nothing of the conversation may be used.

    It is no `Failure`, which a connector may make the best of.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class AnswerSignature:
    """A signature that was verified: whose key made it, and its own hash as evidence."""

    key_id: str
    algorithm: str
    sha256: str


@dataclass(frozen=True)
class SignatureKeys:
    """By which keys and algorithms an office signs, and in which header."""

    keys: Mapping[str, Key]
    algorithms: tuple[str, ...]
    header: str = HEADER

    @classmethod
    def of(cls, jwks: object, algorithms: Sequence[str], header: str = HEADER) -> SignatureKeys:
        """Build from a JWK Set whose keys all have a `kid`.

        Raises
        ------
        SignatureFault
            An algorithm is not accepted, the set holds no usable key or a private one, or one has no `kid` of its own.
        """
        for algorithm in algorithms:
            if algorithm not in ALGORITHMS:
                raise SignatureFault(f"algorithm {algorithm!r} is not one of {', '.join(ALGORITHMS)}")
        try:
            check_registration(jwks)
            keys = public_keys(jwks)
        except JwtRefused as error:
            raise SignatureFault(str(error)) from None
        named = {key.kid: key for key in keys if key.kid}
        if len(named) < len(keys):
            raise SignatureFault("a key has no kid")
        for kid, key in named.items():
            if not set(_FOR_KEY[key.key_type]) & set(algorithms):
                raise SignatureFault(f"key {kid!r} is of kind {key.key_type}, which no named algorithm uses")
        return cls(named, tuple(algorithms), header)

    def verify(self, signature: str | None, body: bytes) -> AnswerSignature:
        """Return what is kept of a signature over `body`.

        Raises
        ------
        SignatureFault
            There is none, or it is not one of the configured keys' over exactly this body.
        """
        if not signature:
            raise SignatureFault(f"the answer has no {self.header}")
        if len(signature) > _LONGEST or not signature.isascii() or signature.count(".") != 2:
            raise SignatureFault("the signature is no detached JWS")
        protected, payload, signed = signature.split(".")
        if payload:
            raise SignatureFault("the signature brings a body of its own")
        header = _header(protected)
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            raise SignatureFault(f"the signature's algorithm {algorithm!r:.40} is not one of those agreed")
        if not isinstance(kid, str) or kid not in self.keys:
            raise SignatureFault(f"the signature's key {kid!r:.60} is not known")
        key = self.keys[kid]
        content = body if _is_unencoded(header) else urlsafe_b64encode(body)
        if algorithm not in _FOR_KEY[key.key_type] or not _is_right(algorithm, key, protected, content, signed):
            raise SignatureFault(f"the signature by key {kid!r:.60} is not right for this body")
        return AnswerSignature(kid, algorithm, hashlib.sha256(signature.encode()).hexdigest())


def _header(protected: str) -> Mapping[str, object]:
    try:
        header = json_of(urlsafe_b64decode(protected.encode()))
    except (JsonInvalid, ValueError):
        raise SignatureFault("the signature's header does not read") from None
    if not isinstance(header, dict):
        raise SignatureFault("the signature's header is no object")
    for name in _KEYS_OF_THE_MESSAGE:
        if name in header:
            raise SignatureFault(f"the signature's header has {name}, which is not accepted")
    return header


def _is_unencoded(header: Mapping[str, object]) -> bool:
    """Whether the body is signed as it is (RFC 7797); `crit` must then say so, and nothing else."""
    critical, encoded = header.get("crit"), header.get("b64", True)
    if type(encoded) is not bool:
        raise SignatureFault("the signature's b64 is neither true nor false")
    if critical is not None and critical != ["b64"]:
        raise SignatureFault("the signature's crit names what is not understood")
    if (critical is not None) != ("b64" in header):
        raise SignatureFault("the signature's b64 and crit do not go together")
    return not encoded


def _is_right(algorithm: str, key: Key, protected: str, content: bytes, signed: str) -> bool:
    try:
        raw = urlsafe_b64decode(signed.encode())
        return bool(jws.JWSRegistry.algorithms[algorithm].verify(protected.encode() + b"." + content, raw, key))
    except (JoseError, ValueError, TypeError):
        return False
