"""PKCE (RFC 7636): S256 for everybody, confidential clients too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7636.challenge import compare_s256_code_challenge

from creditlink.access.errors import InvalidRequestError

if TYPE_CHECKING:
    from creditlink.oauth.grants.code import CodeGrant
    from creditlink.oauth.tables import AuthorizationCode

_S256 = re.compile(r"[A-Za-z0-9_-]{43}\Z")  # base64url of 32 bytes


class S256(CodeChallenge):  # type: ignore[misc]  # Authlib has no types
    """Authlib's extension asks only public clients and falls back to `plain`; this one does neither."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    CODE_CHALLENGE_METHODS = {"S256": compare_s256_code_challenge}  # noqa: RUF012 (Authlib reads it from the class)

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        """Refuse a request without a challenge, or with any method but S256 (an absent one would mean plain)."""
        data = grant.request.payload.data
        if data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge_method must be S256")
        if not _S256.match(data.get("code_challenge") or ""):
            raise InvalidRequestError("code_challenge must be the base64url SHA-256 of the verifier")

    def get_authorization_code_challenge(self, authorization_code: AuthorizationCode) -> str:
        """Return the stored challenge; it is never empty, so Authlib always asks for the verifier."""
        return authorization_code.code_challenge

    def get_authorization_code_challenge_method(self, authorization_code: AuthorizationCode) -> str:
        """Return the only method."""
        return "S256"
