"""The authorization server: Authlib's, through its extension points, one per request.

Creating it for each request costs a few dictionary entries and avoids ambient state: the session,
the clock and the client rows are this request's, so a suspension takes effect at once in every process.
docs/adr/0008-authlib-through-its-hooks.md says what is Authlib's and what is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

import flask
import structlog
from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidClientError, UnsupportedGrantTypeError
from authlib.oauth2.rfc9207 import IssuerParameter
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from creditlink.access import binding, dpop
from creditlink.access.binding import Binding
from creditlink.access.context import OAuthContext
from creditlink.access.errors import ClientRefused, NonceNeeded, OAuth2Error, ProofRefused
from creditlink.access.scopes import SCOPES
from creditlink.kit.processes.metrics import OAUTH_REFUSALS
from creditlink.oauth import evidence
from creditlink.oauth.clients.assertion import ClientAssertion
from creditlink.oauth.clients.client import AUTH_METHOD, OAuthClient, active_client
from creditlink.oauth.clients.pkce import S256
from creditlink.oauth.endpoints.backchannel import BackchannelAuthentication
from creditlink.oauth.endpoints.introspect import Introspection
from creditlink.oauth.endpoints.par import PushedAuthorization
from creditlink.oauth.endpoints.revoke import Revocation
from creditlink.oauth.endpoints.token import Token, new_token, save_token
from creditlink.oauth.grants.code import CodeGrant
from creditlink.oauth.grants.institution import InstitutionGrant
from creditlink.oauth.grants.poll import PollGrant
from creditlink.oauth.grants.refresh import RefreshGrant
from creditlink.oauth.requests import FormRequest

log = structlog.get_logger()


class _Issuer(IssuerParameter):  # type: ignore[misc]  # Authlib has no types
    """`iss` in every authorization response, errors too (RFC 9207)."""

    def __init__(self, server: OAuthServer) -> None:
        self._issuer = server.settings.issuer
        self(server)

    def get_issuer(self) -> str:
        return self._issuer


class OAuthServer(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """Authlib's server with one request's session, clock and client."""

    def __init__(self, session: Session, context: OAuthContext, *, now: datetime) -> None:
        super().__init__(scopes_supported=list(SCOPES))
        self.session = session
        self.context = context
        self.settings = context.settings
        self.now = now
        self._clients: dict[str, OAuthClient | None] = {}
        assertion = ClientAssertion(session, context.settings, context.remote_keys, now)
        self.register_client_auth_method(AUTH_METHOD, assertion)
        self.register_token_generator("default", new_token)
        self.register_grant(CodeGrant, [S256()])
        self.register_grant(RefreshGrant)
        self.register_grant(InstitutionGrant)
        self.register_grant(PollGrant)
        self.register_endpoint(PushedAuthorization)
        self.register_endpoint(BackchannelAuthentication)
        self.register_endpoint(Introspection)
        self.register_endpoint(Revocation)
        self.register_extension(_Issuer)

    def request(self, *, method: str, path: str, form: Mapping[str, str], headers: Headers) -> FormRequest:
        """Return Authlib's request, as addressed to the issuer's public address."""
        return FormRequest(method=method, uri=self.settings.issuer + path, form=form, headers=headers)

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """Return the request: it is already of our kind."""
        return request

    def query_client(self, client_id: str) -> OAuthClient | None:
        """Return the active client of an active institution; read once per request."""
        if client_id not in self._clients:
            found = active_client(self.session, client_id)
            is_foreign = found is not None and found.is_sandbox and not self.settings.sandbox_clients
            self._clients[client_id] = None if is_foreign else found
        return self._clients[client_id]

    def authenticate_client(self, request: FormRequest, methods: list[str], endpoint: str = "token") -> OAuthClient:
        """Return the authenticated client.

        Raises
        ------
        ClientRefused
            No or wrong authentication; the reason is only in the log.
        """
        try:
            client: OAuthClient = super().authenticate_client(request, methods, endpoint)
        except InvalidClientError:
            raise ClientRefused from None
        request.client = client
        return client

    def sender_binding(self, request: FormRequest) -> Binding:
        """Return the key that the new token will be bound to.

        Raises
        ------
        ProofRefused, NonceNeeded
            There is no valid proof, and no certificate where the proxy terminates mutual TLS.
        """
        raw = binding.proof_header(request.headers)
        if raw is not None:
            rules = binding.proof_rules(self.settings, self.context.secret, self.now)
            proof = binding.use_proof(
                self.session, raw, method=request.method, url=request.uri, rules=rules, now=self.now
            )
            return Binding(jkt=proof.jkt)
        thumbprint = binding.certificate_thumbprint(request.headers, self.settings)
        if thumbprint is None:
            raise ProofRefused("a DPoP proof is needed")
        return Binding(x5t_s256=thumbprint)

    def save_token(self, token: Token, request: FormRequest) -> None:
        """Store the new token, hashed; see `token.save_token`."""
        save_token(self, token, request)

    def handle_response(
        self, status: int, body: dict[str, object] | str, headers: list[tuple[str, str]]
    ) -> flask.Response:
        """Return the HTTP response; a redirect is 303, so that no browser repeats a POST elsewhere."""
        text = flask.json.dumps(body) if isinstance(body, dict) else body
        response = flask.Response(text, status=303 if status == 302 else status, headers=headers)
        response.headers["Cache-Control"] = "no-store"
        if self.settings.dpop_nonce:
            fresh, _ = dpop.nonces(self.context.secret, self.now, self.settings.dpop_nonce_life)
            response.headers["DPoP-Nonce"] = fresh
        return response

    def handle_error_response(self, request: FormRequest, error: OAuth2Error) -> flask.Response:
        """Return the RFC 6749 error; an error of the back channel never redirects."""
        if isinstance(error, UnsupportedGrantTypeError):
            # Authlib's text repeats what was sent.
            error = OAuth2Error("grant_type is not supported", error=error.error, status_code=error.status_code)
        self.note_refusal(request, error.error, error.status_code, reason=error.description)
        response: flask.Response = super().handle_error_response(request, error)
        return response

    def note_refusal(self, request: FormRequest, error: str, status: int, *, reason: str | None = None) -> None:
        """Count a refusal, log it, and leave evidence with the firm whose consent it is about.

        Call it last: it locks the head of the firm's chain of evidence until the transaction ends.
        """
        if error == NonceNeeded.error:
            return
        route = f"{request.method} {urlsplit(request.uri).path}"
        client_id = getattr(request.client, "client_id", None)
        OAUTH_REFUSALS.labels(route, error).inc()
        log.info("oauth_refused", error=error, reason=reason, client_id=client_id)
        evidence.note(
            self.session, request.form, error=error, status=status, route=route, client_id=client_id, now=self.now
        )

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Send nothing: there are no listeners."""
