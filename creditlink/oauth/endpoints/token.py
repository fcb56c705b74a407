"""Tokens: opaque, short-lived, bound to a key, stored hashed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NotRequired, TypedDict
from uuid import uuid4

import flask

from creditlink.access.errors import InvalidRequestError
from creditlink.access.opaque import ACCESS_TOKEN, REFRESH_TOKEN, hash_of, new_secret
from creditlink.access.tables import AccessToken
from creditlink.kit.ids import external
from creditlink.oauth.tables import RefreshToken

if TYPE_CHECKING:
    from creditlink.oauth.clients.client import OAuthClient
    from creditlink.oauth.requests import FormRequest
    from creditlink.oauth.server import OAuthServer


class Token(TypedDict):
    """The answer of the token endpoint, from its first members to the last."""

    access_token: str
    scope: str
    refresh_token: NotRequired[str]
    token_type: NotRequired[str]
    expires_in: NotRequired[int]
    authorization_details: NotRequired[list[dict[str, object]]]
    grant_id: NotRequired[str]


def answer(server: OAuthServer, request: FormRequest) -> flask.Response:
    """Answer a request to the token endpoint."""
    if request.payload.grant_type is None:
        return server.handle_error_response(request, InvalidRequestError("grant_type is required"))
    response: flask.Response = server.create_token_response(request)
    return response


def new_token(
    grant_type: str,
    client: OAuthClient,
    user: object = None,
    scope: str | None = None,
    expires_in: int | None = None,
    include_refresh_token: bool = True,
) -> Token:
    """Return a new token as Authlib passes it on; type and lifetime are known when it is saved."""
    token: Token = {"access_token": new_secret(ACCESS_TOKEN), "scope": scope or ""}
    if include_refresh_token:
        token["refresh_token"] = new_secret(REFRESH_TOKEN)
    return token


def save_token(server: OAuthServer, token: Token, request: FormRequest) -> None:
    """Store the token, hashed, and complete the answer: type, lifetime, what was granted, the grant's id."""
    session, now, grant = server.session, server.now, request.user
    expires_at = now + timedelta(seconds=server.settings.access_token_life)
    if grant is not None:
        expires_at = min(expires_at, grant.expires_at)  # C4: neither token outlives the consent
    refresh_id = request.refresh_token.id if request.refresh_token is not None else None
    if "refresh_token" in token:
        refresh = RefreshToken(
            token_hash=hash_of(token["refresh_token"]),
            client_id=request.client.client_id,
            consent_id=grant.consent_id,
            origin_id=request.origin_id,
            scopes=token["scope"].split(" "),
            created_at=now,
            expires_at=grant.expires_at,
            revoked_at=None,
        )
        session.add(refresh)
        session.flush()  # its id goes into the access token's row
        refresh_id = refresh.id
    granted = [] if grant is None else grant.authorization_details
    details = request.details if request.details is not None else granted
    session.add(
        AccessToken(
            token_hash=hash_of(token["access_token"]),
            client_id=request.client.client_id,
            institution_id=request.client.institution.id,
            consent_id=None if grant is None else grant.consent_id,
            origin_id=request.origin_id or uuid4(),
            refresh_token_id=refresh_id,
            scopes=token["scope"].split(" "),
            details=details,
            jkt=request.binding.jkt,
            x5t_s256=request.binding.x5t_s256,
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
        )
    )
    token["token_type"] = "DPoP" if request.binding.jkt else "Bearer"
    token["expires_in"] = int((expires_at - now).total_seconds())
    if grant is not None:
        token["authorization_details"] = details
        token["grant_id"] = external("cns", grant.consent_id)
