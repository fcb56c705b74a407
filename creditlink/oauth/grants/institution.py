"""A token of the institution itself (RFC 6749 section 4.4): its products, requests addressed to it, its own consents.

No firm is behind such a token, so it opens no firm's data: `consents.live_consent` refuses it. FAPI 2.0 allows the
grant for confidential clients with sender-constrained tokens; there is no refresh token.
"""

from __future__ import annotations

from authlib.oauth2.rfc6749 import grants

from creditlink.access.errors import InvalidScopeError
from creditlink.access.scopes import INSTITUTION_SCOPES
from creditlink.oauth.clients.client import AUTH_METHOD


class InstitutionGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    """Authlib's grant; ours are the scopes that it gives and the sender constraint."""

    TOKEN_ENDPOINT_AUTH_METHODS = (AUTH_METHOD,)

    def validate_token_request(self) -> None:
        """Let Authlib check client and scope; then check that no scope needs a firm's consent, and the key.

        Raises
        ------
        InvalidScopeError
            No scope, one that opens a firm's data, or one that is not the client's.
        """
        super().validate_token_request()
        names = (self.request.payload.scope or "").split(" ")
        if not all(name in INSTITUTION_SCOPES for name in names) or len(set(names)) != len(names):
            raise InvalidScopeError
        if self.request.client.get_allowed_scope(" ".join(names)) is None:
            raise InvalidScopeError
        self.request.binding = self.server.sender_binding(self.request)
