"""What an access token is bound to: a DPoP key, or a client certificate seen by a trusted proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from creditlink.access import dpop, replay
from creditlink.access.dpop import Proof, ProofRules
from creditlink.access.errors import NonceNeeded, ProofRefused
from creditlink.access.keys import JwtRefused
from creditlink.access.settings import OAuthSettings
from creditlink.kit.http import why
from creditlink.kit.keyring import Secret

log = structlog.get_logger()

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}\Z")


@dataclass(frozen=True)
class Binding:
    """Exactly one of the two is set."""

    jkt: str | None = None
    x5t_s256: str | None = None

    def confirmation(self) -> dict[str, str]:
        """Return the `cnf` member of an introspection answer."""
        return {"jkt": self.jkt} if self.jkt else {"x5t#S256": self.x5t_s256 or ""}


def proof_rules(settings: OAuthSettings, secret: Secret, now: datetime) -> ProofRules:
    """Return what a proof must satisfy at `now`."""
    fresh = dpop.nonces(secret, now, settings.dpop_nonce_life) if settings.dpop_nonce else None
    return ProofRules(settings.proof_age, settings.clock_ahead, fresh)


def use_proof(
    session: Session,
    raw: str,
    *,
    method: str,
    url: str,
    rules: ProofRules,
    now: datetime,
    access_token: str | None = None,
) -> Proof:
    """Check a DPoP proof and use it up.

    Raises
    ------
    ProofRefused, NonceNeeded
        It is not valid for this request, or was seen before by any process.
    """
    try:
        proof = dpop.check_proof(raw, method=method, url=url, now=now, rules=rules, access_token=access_token)
    except dpop.NonceMissing as error:
        why.note(f"DPoP proof: {error}", error.check)
        raise NonceNeeded from None
    except JwtRefused as error:
        log.info("proof_refused", reason=str(error))
        why.note(f"DPoP proof: {error}", error.check)
        raise ProofRefused from None
    if not replay.first_use(session, "proof", proof.jkt, proof.jti, expires_at=proof.expires_at):
        log.warning("proof_refused", reason="jti was used before")
        why.note("DPoP proof: jti was used before", "jti")
        raise ProofRefused
    return proof


def proof_header(headers: Headers) -> str | None:
    """Return the `DPoP` header; two of them arrive joined by a comma and do not parse."""
    return headers.get("DPoP")


def certificate_thumbprint(headers: Headers, settings: OAuthSettings) -> str | None:
    """Return SHA-256 (base64url) of the client certificate that the trusted proxy saw, if there is one.

    Source: RFC 8705 section 3.1.
    """
    if not settings.mtls_header:
        return None
    pem = headers.get(settings.mtls_header)
    if not pem:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(unquote(pem).encode("ascii"))
    except ValueError:
        log.warning("certificate_unreadable")
        return None
    return dpop.thumbprint(certificate.public_bytes(Encoding.DER))


def is_thumbprint(value: str) -> bool:
    """Whether it has the form of a SHA-256 thumbprint."""
    return bool(_THUMBPRINT.match(value))
