"""Client authentication with `private_key_jwt` (RFC 7523), as FAPI 2.0 narrows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc.jwk import Key
from sqlalchemy.orm import Session

from creditlink.access import keys, replay
from creditlink.access.errors import ClientRefused
from creditlink.access.keys import JwtRefused
from creditlink.access.settings import OAuthSettings
from creditlink.institutions.jwks import RemoteKeys
from creditlink.kit.http import why
from creditlink.oauth.clients.client import AUTH_METHOD, OAuthClient

if TYPE_CHECKING:
    from creditlink.oauth.requests import FormRequest

log = structlog.get_logger()


class ClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    """Authlib's method with our key rules, the issuer as the one audience, and jti once across processes."""

    CLIENT_AUTH_METHOD = AUTH_METHOD

    def __init__(self, session: Session, settings: OAuthSettings, remote: RemoteKeys, now: datetime) -> None:
        super().__init__()
        self._session = session
        self._settings = settings
        self._remote = remote
        self._now = now
        self._kid: str | None = None

    def __call__(self, query_client: Callable[[str], OAuthClient | None], request: FormRequest) -> OAuthClient | None:
        """Return the authenticated client, or None when no assertion was sent.

        Raises
        ------
        ClientRefused
            Whatever was wrong: the same answer.
        """
        try:
            client: OAuthClient | None = super().__call__(query_client, request)
        except InvalidClientError as error:
            log.warning("client_refused", reason=error.description)
            why.note(f"client assertion: {error.description}")
            raise ClientRefused from None
        if client is not None and request.form.get("client_id", client.client_id) != client.client_id:
            log.warning("client_refused", reason="client_id differs from the assertion", client_id=client.client_id)
            why.note("client_id of the form differs from sub of the assertion", "client_id")
            raise ClientRefused
        if client is None:
            why.note("no client_assertion, or its client_assertion_type is not jwt-bearer", "client_assertion")
        return client

    def extract_assertion(self, assertion: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Return header and claims before verification, within our limits on size, depth and algorithm."""
        try:
            token = keys.read_jwt(assertion)
        except JwtRefused as error:
            raise _refused(error) from None
        why.claim(token.claims.get("sub"))
        kid = token.header.get("kid")
        self._kid = kid if isinstance(kid, str) else None
        return token.header, token.claims

    def resolve_client_public_key(self, client: OAuthClient) -> Sequence[Key]:
        """Return the client's registered keys; of a `jwks_uri`, those fetched lately."""
        try:
            if client.row.jwks_uri is None:
                return keys.public_keys(client.row.jwks)
            return keys.public_keys(self._remote.lookup(client.row.jwks_uri, kid=self._kid, now=self._now))
        except JwtRefused as error:
            raise _refused(error) from None

    def process_assertion_claims(self, assertion: str, resolve_key: Sequence[Key]) -> Mapping[str, object]:
        """Verify the signature, then every claim."""
        try:
            token = keys.read_jwt(assertion)
            keys.verify(token, resolve_key)
            self._check(token.claims)
        except JwtRefused as error:
            raise _refused(error) from None
        return token.claims

    def _check(self, claims: Mapping[str, object]) -> None:
        if claims.get("iss") != claims.get("sub"):
            raise JwtRefused("iss and sub differ", "iss")
        # FAPI 2.0 section 5.3.2.1: the issuer as one string; a list or the token endpoint invites mix-up.
        if claims.get("aud") != self._settings.issuer:
            raise JwtRefused(_wrong_audience(claims.get("aud")), "aud")
        jti = keys.jti_of(claims)
        times = keys.whole_seconds(claims, ("exp", "nbf", "iat"))
        at = self._now.timestamp()
        if "exp" not in times or times["exp"] <= at:
            raise JwtRefused("exp is over: the assertion has expired", "exp")
        if times["exp"] > at + self._settings.assertion_age:
            raise JwtRefused(f"exp is more than {self._settings.assertion_age} seconds ahead", "exp")
        if any(times[name] > at + self._settings.clock_ahead for name in ("nbf", "iat") if name in times):
            raise JwtRefused("nbf or iat is ahead of our clock", "iat")
        # The clock may step back by as much as it may be ahead: remember the jti a little longer.
        until = datetime.fromtimestamp(times["exp"], UTC) + timedelta(seconds=self._settings.clock_ahead)
        if not replay.first_use(self._session, "assertion", str(claims["sub"]), jti, expires_at=until):
            raise JwtRefused("jti was used before", "jti")


def _wrong_audience(aud: object) -> str:
    """Say what `aud` is instead of the issuer; the value itself is not repeated."""
    found = "absent" if aud is None else "an array" if isinstance(aud, list) else "another value"
    return f"aud is not the issuer as one string: it is {found}"


def _refused(error: JwtRefused) -> InvalidClientError:
    why.note(f"client assertion: {error}", error.check)
    # The reason is ours; a kid or claim from outside never gets into it, so it is ASCII without quotes.
    text = "".join(c for c in str(error) if " " <= c <= "~" and c not in '"\\')
    return InvalidClientError(description=text)
