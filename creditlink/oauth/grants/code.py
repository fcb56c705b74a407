"""The authorization code: created when the firm approves, exchanged once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from authlib.oauth2.rfc6749 import grants
from sqlalchemy import select, update

from creditlink.access.errors import InvalidGrantError, InvalidRequestError, ProofRefused
from creditlink.access.opaque import CODE, hash_of, new_secret
from creditlink.consents import service as consents
from creditlink.consents.life.locking import keep_changes_out
from creditlink.oauth.clients.client import AUTH_METHOD, OAuthClient
from creditlink.oauth.endpoints.revoke import revoke_origin
from creditlink.oauth.tables import AuthorizationCode

if TYPE_CHECKING:
    from creditlink.oauth.requests import FormRequest

log = structlog.get_logger()


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """Authlib's grant; ours are the storage, the atomic claim and the sender constraint."""

    TOKEN_ENDPOINT_AUTH_METHODS = (AUTH_METHOD,)

    @staticmethod
    def validate_authorization_redirect_uri(request: FormRequest, client: OAuthClient) -> str:
        """Return the address: required, and registered exactly so."""
        address: str | None = request.payload.redirect_uri
        if address is None or not client.check_redirect_uri(address):
            raise InvalidRequestError("redirect_uri must be given and registered exactly so")
        return address

    def generate_authorization_code(self) -> str:
        """Return a new code."""
        return new_secret(CODE)

    def save_authorization_code(self, code: str, request: FormRequest) -> None:
        """Store the code, hashed, with everything it is bound to."""
        pushed, account, now = request.pushed, request.account, self.server.now
        assert pushed is not None and account is not None  # noqa: S101, PT018 (set when the firm decides; for the type checker)
        self.server.session.add(
            AuthorizationCode(
                code_hash=hash_of(code),
                pushed_request_id=pushed.id,
                client_id=pushed.client_id,
                consent_id=pushed.consent_id,
                account_id=account.id,
                redirect_uri=pushed.redirect_uri,
                scopes=pushed.scopes,
                code_challenge=pushed.code_challenge,
                dpop_jkt=pushed.dpop_jkt,
                created_at=now,
                expires_at=now + timedelta(seconds=self.server.settings.code_life),
                used_at=None,
            )
        )

    def query_authorization_code(self, code: str, client: OAuthClient) -> AuthorizationCode | None:
        """Return the client's own unused code.

        A code that was used before is refused, and what it gave is revoked: one of the two users is a thief.
        """
        stored: AuthorizationCode | None = self.server.session.scalar(
            select(AuthorizationCode).where(
                AuthorizationCode.code_hash == hash_of(code), AuthorizationCode.client_id == client.client_id
            )
        )
        if stored is not None:  # the consent before the code and the tokens: one order for everything that locks them
            keep_changes_out(self.server.session, stored.consent_id)
        if stored is None or stored.expires_at <= self.server.now:
            if stored is not None and stored.used_at is not None:
                self._replayed(stored)
            return None
        if stored.used_at is not None:
            self._replayed(stored)
            raise InvalidGrantError("the code was used before")
        return stored

    def validate_token_request(self) -> None:
        """Let Authlib check client, code, redirect_uri and PKCE; then the key."""
        super().validate_token_request()
        self.request.binding = self.server.sender_binding(self.request)
        bound_to = self.request.authorization_code.dpop_jkt
        if bound_to is not None and self.request.binding.jkt != bound_to:
            raise ProofRefused("the code is bound to another key")

    def create_token_response(self) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        """Claim the code, then issue: of parallel exchanges exactly one gets past the claim."""
        code = self.request.authorization_code
        claimed = self.server.session.scalar(
            update(AuthorizationCode)
            .where(AuthorizationCode.id == code.id, AuthorizationCode.used_at.is_(None))
            .values(used_at=self.server.now)
            .returning(AuthorizationCode.id)
            .execution_options(synchronize_session=False)
        )
        if claimed is None:
            self._replayed(code)
            raise InvalidGrantError("the code was used before")
        self.request.origin_id = code.pushed_request_id
        response: tuple[int, dict[str, object], list[tuple[str, str]]] = super().create_token_response()
        return response

    def authenticate_user(self, authorization_code: AuthorizationCode) -> object:
        """Return what the firm granted, if the consent is still alive."""
        grant = consents.grant_for_token(self.server.session, authorization_code.consent_id, now=self.server.now)
        if grant is None or grant.institution_id != self.request.client.institution.id:
            raise InvalidGrantError("the consent is not active")
        return grant

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Keep it: a replay must be recognised. The worker sweeps it out later."""

    def _replayed(self, code: AuthorizationCode) -> None:
        log.warning("code_replayed", client_id=code.client_id, consent_id=str(code.consent_id))
        revoke_origin(self.server.session, code.pushed_request_id, now=self.server.now)
