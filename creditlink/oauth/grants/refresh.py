"""Refreshing: a new access token under the same consent. The refresh token itself stays (FAPI 2.0: no rotation)."""

from __future__ import annotations

import json

from authlib.oauth2.rfc6749 import grants
from sqlalchemy import select

from creditlink.access.errors import AuthorizationDetailsRefused, InvalidGrantError, InvalidScopeError
from creditlink.access.opaque import hash_of
from creditlink.consents import service as consents
from creditlink.consents.life.locking import keep_changes_out
from creditlink.oauth.clients.client import AUTH_METHOD
from creditlink.oauth.tables import RefreshToken


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]  # Authlib has no types
    """Authlib's grant; the consent is checked again every time."""

    TOKEN_ENDPOINT_AUTH_METHODS = (AUTH_METHOD,)
    INCLUDE_NEW_REFRESH_TOKEN = False

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshToken:
        """Return the client's own token, neither expired nor revoked; the three other cases look the same."""
        session = self.server.session
        wanted = select(RefreshToken).where(
            RefreshToken.token_hash == hash_of(refresh_token),
            RefreshToken.client_id == self.request.client.client_id,
            RefreshToken.revoked_at.is_(None),
            RefreshToken.expires_at > self.server.now,
        )
        stored: RefreshToken | None = session.scalar(wanted)
        if stored is not None:
            # The consent before the token: issuing and revoking lock in this order. The token is read again once it
            # is locked: a revocation either came first, or waits for the new access token.
            keep_changes_out(session, stored.consent_id)
            again = wanted.with_for_update(read=True).execution_options(populate_existing=True)
            stored = session.scalar(again)
        if stored is None:
            raise InvalidGrantError("the refresh token is not valid")
        return stored

    def validate_token_request(self) -> None:
        """Let Authlib check client, token and scope; then the key and the details."""
        super().validate_token_request()
        self.request.binding = self.server.sender_binding(self.request)
        requested = self.request.payload.scope
        names = requested.split(" ") if requested else []
        if len(set(names)) != len(names) or "" in names:
            raise InvalidScopeError

    def authenticate_user(self, refresh_token: RefreshToken) -> object:
        """Return what the firm granted, if the consent is alive and covers the details asked for."""
        grant = consents.grant_for_token(self.server.session, refresh_token.consent_id, now=self.server.now)
        if grant is None or grant.institution_id != self.request.client.institution.id:
            raise InvalidGrantError("the consent is not active")
        self.request.origin_id = refresh_token.origin_id
        self.request.details = _narrower(self.request.form.get("authorization_details"), grant.authorization_details)
        return grant

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        """Keep it: it is bound to the client's authentication and ends with the consent."""


def _narrower(raw: str | None, granted: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the details for the new token: those granted, or the part of them that was requested."""
    if raw is None:
        return granted
    try:
        requested = json.loads(raw)
    except (ValueError, RecursionError):
        raise AuthorizationDetailsRefused("authorization_details is not valid JSON") from None
    if not isinstance(requested, list) or len(requested) != len(granted):
        raise AuthorizationDetailsRefused("authorization_details must be the granted ones or a part of them")
    narrowed = []
    for part, whole in zip(requested, granted, strict=True):
        if not isinstance(part, dict) or not is_within(part, whole):
            raise AuthorizationDetailsRefused("authorization_details go beyond what was granted")
        narrowed.append(whole | part)
    return narrowed


def is_within(part: dict[str, object], whole: dict[str, object]) -> bool:
    """Whether every member of `part` is in `whole` and no wider: arrays as subsets, all else equal."""
    for name, value in part.items():
        if name not in whole:
            return False
        granted = whole[name]
        if isinstance(granted, list):
            if not isinstance(value, list) or not value or not all(item in granted for item in value):
                return False
        elif type(value) is not type(granted) or value != granted:
            return False
    return part.get("type") == whole.get("type")
