"""The errors of the OAuth endpoints: RFC 6749 bodies, constant ASCII texts that repeat nothing of the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
)

__all__ = [
    "AccessDeniedError",
    "AuthorizationDetailsRefused",
    "AuthorizationPending",
    "ClientRefused",
    "GrantExpired",
    "InvalidBindingMessage",
    "InvalidGrantError",
    "InvalidGrantId",
    "InvalidRequestError",
    "InvalidScopeError",
    "NonceNeeded",
    "OAuth2Error",
    "ProofRefused",
    "RequestNotSupported",
    "SlowDown",
    "TemporarilyUnavailable",
    "TooManyWaiting",
    "WrongMediaType",
]


class ClientRefused(InvalidClientError):  # type: ignore[misc]  # Authlib has no types
    """Unknown, suspended, wrong key, wrong assertion: one answer, so that nobody can tell which clients exist."""

    description = "client authentication failed"
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        """Return headers without Authlib's `WWW-Authenticate: Basic`: we know no passwords."""
        return [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class AuthorizationDetailsRefused(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The authorization details mean something that is not allowed (RFC 9396 section 5)."""

    error = "invalid_authorization_details"

    def __init__(
        self,
        description: str,
        *,
        status_code: int = 400,
        attribute: str | None = None,
        faults: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(description, status_code=status_code)
        self.attribute = attribute
        self.faults = list(faults)

    def get_body(self) -> list[tuple[str, object]]:
        """Return the body; with the name of the fair-use limit that would be exceeded, and every single fault."""
        body: list[tuple[str, object]] = list(super().get_body())
        body += [("attribute", self.attribute)] if self.attribute else []
        return [*body, ("errors", self.faults)] if self.faults else body


class ProofRefused(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The DPoP proof is absent, malformed, for something else, too old or was seen before."""

    error = "invalid_dpop_proof"
    description = "the DPoP proof is not valid for this request"


class NonceNeeded(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The proof lacks the server's nonce, which is in the `DPoP-Nonce` header of this answer."""

    error = "use_dpop_nonce"
    description = "repeat the request with the nonce of the DPoP-Nonce header"


class InvalidGrantId(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The grant to be managed is unknown or not the client's own."""

    error = "invalid_grant_id"
    description = "the grant is unknown or cannot be changed"


class AuthorizationPending(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The firm has not decided yet."""

    error = "authorization_pending"
    description = "the firm has not decided yet"


class SlowDown(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """Polled before the interval was over."""

    error = "slow_down"
    description = "poll less often"


class GrantExpired(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The firm did not answer in time."""

    error = "expired_token"
    description = "the request was not answered in time"


class InvalidBindingMessage(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The binding message cannot be shown."""

    error = "invalid_binding_message"
    description = "binding_message must be at most 64 printable characters"


class TooManyWaiting(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The institution has as many requests in one inbox as it may have; it can tell from its own requests alone."""

    error = "temporarily_unavailable"
    description = "too many requests of your institution wait for this firm already"
    status_code = 429


class TemporarilyUnavailable(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The database is in trouble; the same request may be sent again."""

    error = "temporarily_unavailable"
    description = "the service cannot answer now, send the request again later"
    status_code = 503


class RequestNotSupported(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """A request object was sent (RFC 9101); only the authenticated push counts here."""

    error = "request_not_supported"
    description = "request objects are not supported"


class WrongMediaType(InvalidRequestError):  # type: ignore[misc]  # Authlib has no types
    """The body is not a form."""

    description = "send application/x-www-form-urlencoded"
    status_code = 415
