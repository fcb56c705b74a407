"""A bank's keys: creating them, keeping them as a JWK, registering them as a JWK Set, signing with them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from joserfc import jwk, jws, jwt
from joserfc.jwk import ECKey, KeyParameters, OKPKey, RSAKey

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

SigningKey = ECKey | RSAKey | OKPKey


class _SigningRegistry(jws.JWSRegistry):
    """Signs with PS256 and EdDSA too, which joserfc does not offer by default."""

    def get_alg(self, name: str) -> JWSAlgModel:
        return self.algorithms[name]


_REGISTRY = _SigningRegistry(strict_check_header=False)


def new_key(algorithm: str = "ES256", kid: str | None = None) -> SigningKey:
    """Return a new private key for `ES256`, `PS256` or `EdDSA`."""
    parameters: KeyParameters = {"use": "sig", "alg": algorithm, "kid": kid or secrets.token_hex(4)}
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", parameters=parameters, private=True)
    if algorithm == "PS256":
        return RSAKey.generate_key(2048, parameters=parameters, private=True)
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519", parameters=parameters, private=True)
    raise ValueError(f"algorithm {algorithm!r} is none of ES256, PS256, EdDSA")


def public_jwks(*keys: SigningKey) -> dict[str, object]:
    """Return the JWK Set to register."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def load_key(text: str) -> SigningKey:
    """Return the private key of a JWK in JSON."""
    key = jwk.import_key(json.loads(text))
    if not isinstance(key, ECKey | RSAKey | OKPKey) or not key.is_private:
        raise ValueError("not a private EC, RSA or OKP key")
    return key


def algorithm_of(key: SigningKey) -> str:
    """Return the algorithm that a key signs with."""
    return {"EC": "ES256", "RSA": "PS256", "OKP": "EdDSA"}[key.key_type]


def sign(header: Mapping[str, object], claims: Mapping[str, object], key: SigningKey) -> str:
    """Return a signed JWT in compact form."""
    return jwt.encode(dict(header), dict(claims), key, registry=_REGISTRY, default_type=None)


def base64url(raw: bytes) -> str:
    """Return bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
