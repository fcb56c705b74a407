"""Your key: made, read, registered, and what it signs."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc import jwk, jws, jwt
from joserfc.jwk import ECKey, KeyParameters, OKPKey, RSAKey

SigningKey = ECKey | RSAKey | OKPKey
_ALGORITHMS = {"EC": "ES256", "RSA": "PS256", "OKP": "EdDSA"}
_LIFE = 60


class _Registry(jws.JWSRegistry):
    """Signs with PS256 and EdDSA too, which joserfc leaves out by default."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def generate_key(kid: str | None = None) -> ECKey:
    """Return a new private key (ES256). Keep `key.as_dict(private=True)` where you keep secrets."""
    parameters: KeyParameters = {"use": "sig", "alg": "ES256", "kid": kid or secrets.token_hex(8)}
    return ECKey.generate_key("P-256", parameters=parameters, private=True)


def load_key(source: str | Path | Mapping[str, object], kid: str | None = None) -> SigningKey:
    """Return the private key in a JWK (an object, its text, a file) or in a PEM file.

    Raises
    ------
    ValueError
        It is no private EC, RSA or Ed25519 key.
    """
    if isinstance(source, Mapping):
        key = jwk.import_key(json.loads(json.dumps(dict(source))))
    else:
        text = source.read_text() if isinstance(source, Path) else source
        key = _of_pem(text, kid) if text.lstrip().startswith("-----") else jwk.import_key(json.loads(text))
    if not isinstance(key, ECKey | RSAKey | OKPKey) or not key.is_private:
        raise ValueError("not a private EC, RSA or Ed25519 key")
    return key


def _of_pem(text: str, kid: str | None) -> SigningKey:
    parameters: KeyParameters = {} if kid is None else {"kid": kid}
    for kind in (ECKey, RSAKey, OKPKey):
        try:
            return kind.import_key(text, parameters)
        except (ValueError, TypeError):
            continue
    raise ValueError("not a private EC, RSA or Ed25519 key")


def public_jwks(*keys: SigningKey) -> dict[str, object]:
    """Return the JWK set to register: the public halves. While a key is replaced, both are in it."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def assertion(key: SigningKey, client_id: str, issuer: str) -> str:
    """Return a fresh client assertion (RFC 7523)."""
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": issuer, "jti": secrets.token_urlsafe(16), "iat": now}
    return _sign({"alg": _ALGORITHMS[key.key_type], "kid": key.kid}, {**claims, "exp": now + _LIFE}, key)


def proof(key: SigningKey, method: str, url: str, *, token: str | None, nonce: str | None) -> str:
    """Return a fresh proof that you hold the key (RFC 9449)."""
    claims: dict[str, object] = {
        "jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(time.time()),
    }  # fmt: skip
    if token is not None:
        claims["ath"] = base64url(hashlib.sha256(token.encode()).digest())
    if nonce is not None:
        claims["nonce"] = nonce
    public = {name: value for name, value in key.as_dict(private=False).items() if name not in ("use", "alg", "kid")}
    return _sign({"typ": "dpop+jwt", "alg": _ALGORITHMS[key.key_type], "jwk": public}, claims, key)


def base64url(raw: bytes) -> str:
    """Return bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _sign(header: Mapping[str, object], claims: Mapping[str, object], key: SigningKey) -> str:
    registry = _Registry(strict_check_header=False)
    return jwt.encode(dict(header), dict(claims), key, registry=registry, default_type=None)
