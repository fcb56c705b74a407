"""DPoP proofs (RFC 9449): proof that the sender holds a private key. Pure; the caller checks for replay."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from creditlink.access import keys
from creditlink.access.keys import JwtRefused
from creditlink.kit.keyring import Secret, keys_of

_DEFAULT_PORTS = {"https": 443, "http": 80}


class NonceMissing(JwtRefused):
    """The proof is fine but lacks a fresh nonce of the server."""


@dataclass(frozen=True)
class ProofRules:
    """How old a proof may be, how far ahead its clock, and which nonces are fresh (None: no nonce is required)."""

    age: int
    ahead: int
    nonces: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Proof:
    """What a valid proof shows: the holder of the key with thumbprint `jkt` sent this request."""

    jkt: str
    jti: str
    expires_at: datetime  # from then on the proof is too old by itself


def check_proof(
    raw: str, *, method: str, url: str, now: datetime, rules: ProofRules, access_token: str | None = None
) -> Proof:
    """Return what the proof proves.

    Parameters
    ----------
    raw : the `DPoP` header's value
    method, url : of the request; query and fragment of `url` do not count
    access_token : with it, the proof must carry its hash (`ath`)

    Raises
    ------
    JwtRefused
        RFC 9449 section 4.3, one check after the other.
    NonceMissing
        Only the nonce is missing or stale.

    Source: RFC 9449 section 4.3.
    """
    token = keys.read_jwt(raw, may_embed_key=True)
    if token.header.get("typ") != "dpop+jwt":
        raise JwtRefused("typ must be dpop+jwt", "typ")
    key = keys.public_key(token.header.get("jwk"))
    keys.verify(token, [key])
    claims = token.claims
    jti = keys.jti_of(claims)
    if claims.get("htm") != method:
        raise JwtRefused("htm is another method", "htm")
    if not _same_target(claims.get("htu"), url):
        raise JwtRefused("htu is another address", "htu")
    issued = keys.whole_seconds(claims, ("iat",)).get("iat")
    at = now.timestamp()
    if issued is None or issued > at + rules.ahead or issued <= at - rules.age:
        raise JwtRefused("iat is outside the window", "iat")
    if access_token is not None:
        ath = claims.get("ath")
        if not isinstance(ath, str) or not hmac.compare_digest(ath.encode(), token_hash(access_token).encode()):
            raise JwtRefused("ath is the hash of another token", "ath")
    if rules.nonces is not None and claims.get("nonce") not in rules.nonces:
        raise NonceMissing("nonce missing or stale", "nonce")
    expires_at = datetime.fromtimestamp(issued, UTC) + timedelta(seconds=rules.age + 1)
    return Proof(key.thumbprint(), jti, expires_at)


def token_hash(access_token: str) -> str:
    """Return `ath` of a token. Source: RFC 9449 section 4.2."""
    return thumbprint(access_token.encode())


def thumbprint(content: bytes) -> str:
    """Return base64url of SHA-256, without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def nonces(secret: Secret, now: datetime, life: int) -> tuple[str, str]:
    """Return the nonce to give out now and the one before it, which is still accepted.

    They follow from the secrets and the clock, so every process knows them without asking another.
    """
    bucket = int(now.timestamp()) // life
    return _nonce(secret, bucket, life), _nonce(secret, bucket - 1, life)


def _nonce(secret: Secret, bucket: int, life: int) -> str:
    # By the key that was in force when its time began: a rotation in between makes nobody's nonce void.
    key = keys_of(secret).current(datetime.fromtimestamp(bucket * life, UTC))
    digest = hmac.new(key.secret.encode(), f"dpop-nonce:{bucket}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:18]).decode()


def _same_target(htu: object, url: str) -> bool:
    if not isinstance(htu, str):
        return False
    try:
        return _target(htu) == _target(url)
    except ValueError:
        return False


def _target(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("userinfo in htu")
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme), parts.path or "/"
