"""Polling for the answer to a request in the inbox (CIBA Core 1.0, section 10.1): tokens once, or why not (yet)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from authlib.oauth2.rfc6749 import UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from sqlalchemy import or_, select, update

from creditlink.access.errors import (
    AccessDeniedError,
    AuthorizationPending,
    GrantExpired,
    InvalidGrantError,
    InvalidRequestError,
    ProofRefused,
    SlowDown,
)
from creditlink.access.opaque import hash_of
from creditlink.consents import service as consents
from creditlink.consents.life.locking import keep_changes_out
from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent, ConsentEvent
from creditlink.oauth.clients.client import AUTH_METHOD, CIBA
from creditlink.oauth.tables import PushedRequest

if TYPE_CHECKING:
    from creditlink.oauth.requests import FormRequest

log = structlog.get_logger()


class PollGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no types
    """A grant of our own in Authlib's frame. Its checks, in order: client, key, request, interval, answer, claim."""

    GRANT_TYPE = CIBA
    TOKEN_ENDPOINT_AUTH_METHODS = (AUTH_METHOD,)
    request: FormRequest
    _pushed: PushedRequest

    def validate_token_request(self) -> None:
        """Let only the client that asked, with the key it asked with, and not too often."""
        client = self.authenticate_token_endpoint_client()
        self.request.client = client
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        if "auth_req_id" not in self.request.form:
            raise InvalidRequestError("auth_req_id is required")
        self.request.binding = self.server.sender_binding(self.request)
        pushed = self._own_request(self.request.form["auth_req_id"], client.client_id)
        if pushed is None:
            raise InvalidGrantError("the auth_req_id is not valid (any more)")
        if pushed.dpop_jkt is not None and pushed.dpop_jkt != self.request.binding.jkt:
            raise ProofRefused("the request is bound to another key")
        # The consent before the request: one order for everything that locks them.
        keep_changes_out(self.server.session, pushed.consent_id)
        self._wait_your_turn(pushed)
        self._pushed = pushed

    def create_token_response(self) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        """Issue once: of parallel polls exactly one gets past the claim."""
        pushed, session, now = self._pushed, self.server.session, self.server.now
        self._refuse_unless_granted(pushed)
        grant = consents.grant_for_token(session, pushed.consent_id, now=now)
        if grant is None:  # paused before its first use: it may yet be resumed
            raise AuthorizationPending
        claimed = session.scalar(
            update(PushedRequest)
            .where(PushedRequest.id == pushed.id, PushedRequest.decided_at.is_(None))
            .values(decided_at=now, outcome="approved")
            .returning(PushedRequest.id)
            .execution_options(synchronize_session=False)
        )
        if claimed is None:
            raise InvalidGrantError("the auth_req_id is not valid (any more)")
        self.request.origin_id, self.request.user = pushed.id, grant
        token = self.generate_token(user=grant, scope=" ".join(pushed.scopes), include_refresh_token=True)
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER

    def _own_request(self, auth_req_id: str, client_id: str) -> PushedRequest | None:
        """Return the client's own request; unknown, another client's and used up look the same."""
        pushed: PushedRequest | None = self.server.session.scalar(
            select(PushedRequest).where(
                PushedRequest.request_uri_hash == hash_of(auth_req_id),
                PushedRequest.client_id == client_id,
                PushedRequest.redirect_uri.is_(None),
            )
        )
        if pushed is not None and pushed.decided_at is not None:
            log.warning("auth_req_id_replayed", client_id=client_id, consent_id=str(pushed.consent_id))
            return None
        return pushed

    def _wait_your_turn(self, pushed: PushedRequest) -> None:
        """Note this poll; refuse it when the interval is not over, and start the interval again."""
        session, now = self.server.session, self.server.now
        earliest = now - timedelta(seconds=self.server.settings.poll_interval)
        noted = (
            update(PushedRequest)
            .where(PushedRequest.id == pushed.id)
            .values(polled_at=now)
            .returning(PushedRequest.id)
            .execution_options(synchronize_session=False)
        )
        in_time = or_(PushedRequest.polled_at.is_(None), PushedRequest.polled_at <= earliest)
        if session.scalar(noted.where(in_time)) is None:
            session.execute(noted)
            raise SlowDown

    def _refuse_unless_granted(self, pushed: PushedRequest) -> None:
        session, now = self.server.session, self.server.now
        consent = session.get_one(Consent, pushed.consent_id)
        if now >= pushed.expires_at:
            raise GrantExpired
        if consent.state == "REQUESTED":
            raise AuthorizationPending if now < consent.answer_until else GrantExpired
        if consent.state_at(now) in ALIVE:
            return
        reason = session.scalar(
            select(ConsentEvent.reason).where(ConsentEvent.consent_id == consent.id).order_by(ConsentEvent.id.desc())
        )
        if reason != "unanswered" and consent.state in ("REJECTED", "REVOKED"):
            raise AccessDeniedError
        raise GrantExpired
