"""Revocation of tokens (RFC 7009). A consent is revoked by the firm, or through Grant Management."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from authlib.oauth2.rfc7009 import RevocationEndpoint
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from creditlink.access.errors import InvalidRequestError
from creditlink.access.opaque import hash_of
from creditlink.access.tables import AccessToken
from creditlink.oauth.clients.client import AUTH_METHOD, OAuthClient
from creditlink.oauth.tables import RefreshToken

if TYPE_CHECKING:
    from creditlink.oauth.requests import FormRequest


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib has no types
    """Authlib's endpoint gives away whether a foreign token exists; ours answers 200 either way."""

    CLIENT_AUTH_METHODS = (AUTH_METHOD,)

    def authenticate_token(self, request: FormRequest, client: OAuthClient) -> AccessToken | RefreshToken | None:
        """Return the client's own token; the hint may be wrong or unknown and is not needed."""
        if "token" not in request.form:
            raise InvalidRequestError("token is required")
        own = own_token(self.server.session, request.form["token"], client.client_id)
        if own is None:  # the answer is the same as after a revocation; the token's firm has evidence of the attempt
            self.server.note_refusal(request, "inactive", 200)
        return own

    def revoke_token(self, token: AccessToken | RefreshToken, request: FormRequest) -> None:
        """Revoke it; with a refresh token everything that came from it."""
        now = self.server.now
        if isinstance(token, RefreshToken):
            revoke_origin(self.server.session, token.origin_id, now=now)
        elif token.revoked_at is None:
            token.revoked_at = now


def own_token(session: Session, token: str, client_id: str) -> AccessToken | RefreshToken | None:
    """Return the access or refresh token that was issued to this client, in any state."""
    found = any_token(session, token)
    return found if found is not None and found.client_id == client_id else None


def any_token(session: Session, token: str) -> AccessToken | RefreshToken | None:
    """Return the access or refresh token of any client, in any state."""
    wanted = hash_of(token)
    access = session.scalar(select(AccessToken).where(AccessToken.token_hash == wanted))
    return access or session.scalar(select(RefreshToken).where(RefreshToken.token_hash == wanted))


def revoke_origin(session: Session, origin_id: UUID, *, now: datetime) -> None:
    """Revoke every token from one authorization."""
    for table in (RefreshToken, AccessToken):
        session.execute(
            update(table)
            .where(table.origin_id == origin_id, table.revoked_at.is_(None))
            .values(revoked_at=now)
            .execution_options(synchronize_session=False)
        )
