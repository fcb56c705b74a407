"""Introspection (RFC 7662): a client asks about its own tokens; of all others it learns nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from creditlink.access.binding import Binding
from creditlink.access.errors import InvalidRequestError
from creditlink.access.tables import AccessToken
from creditlink.consents import service as consents
from creditlink.kit.ids import external
from creditlink.oauth.clients.client import AUTH_METHOD, OAuthClient
from creditlink.oauth.endpoints.revoke import own_token
from creditlink.oauth.tables import RefreshToken

if TYPE_CHECKING:
    from creditlink.oauth.requests import FormRequest


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib has no types
    """Authlib's endpoint over our tables; the consent is read again each time."""

    CLIENT_AUTH_METHODS = (AUTH_METHOD,)

    def create_endpoint_response(self, request: FormRequest) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        """Answer; that a token is not good (any more) is evidence with its firm."""
        status, body, headers = super().create_endpoint_response(request)
        if not body["active"]:
            self.server.note_refusal(request, "inactive", status)
        return status, body, headers

    def authenticate_token(self, request: FormRequest, client: OAuthClient) -> AccessToken | RefreshToken | None:
        """Return the client's own token. Unknown, foreign and dead ones all look the same: inactive."""
        if "token" not in request.form:
            raise InvalidRequestError("token is required")
        return own_token(self.server.session, request.form["token"], client.client_id)

    def create_introspection_payload(self, token: AccessToken | RefreshToken | None) -> dict[str, object]:
        """Return what the token is good for now, or only that it is not active."""
        now = self.server.now
        if token is None or token.revoked_at is not None or token.expires_at <= now:
            return {"active": False}
        body: dict[str, object] = {
            "active": True,
            "iss": self.server.settings.issuer,
            "client_id": token.client_id,
            "scope": " ".join(token.scopes),
            "iat": int(token.created_at.timestamp()),
            "exp": int(token.expires_at.timestamp()),
        }
        if token.consent_id is not None:
            grant = consents.grant_of(self.server.session, token.consent_id, now=now)
            if grant is None:
                return {"active": False}
            details = grant.authorization_details if isinstance(token, RefreshToken) else token.details
            body |= {"grant_id": external("cns", token.consent_id), "authorization_details": details}
        if isinstance(token, RefreshToken):
            return body
        bound = Binding(jkt=token.jkt, x5t_s256=token.x5t_s256)
        return body | {"token_type": "DPoP" if token.jkt else "Bearer", "cnf": bound.confirmation()}
