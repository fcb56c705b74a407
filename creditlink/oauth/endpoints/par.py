"""Pushed authorization requests (RFC 9126): the only way to begin."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from authlib.consts import default_json_headers
from authlib.oauth2.rfc6749 import Endpoint

from creditlink.access import binding
from creditlink.access.errors import (
    AuthorizationDetailsRefused,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    ProofRefused,
    RequestNotSupported,
)
from creditlink.access.opaque import REQUEST_URI, hash_of, new_secret
from creditlink.consents import service as consents
from creditlink.consents.agreement import details as consent_details
from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.faults import DetailsRefused
from creditlink.consents.agreement.limits import FairUse
from creditlink.consents.agreement.served import ServedCategories
from creditlink.kit.processes import runtime
from creditlink.oauth.clients.client import AUTH_METHOD, OAuthClient
from creditlink.oauth.grants.amend import amended_consent, merged
from creditlink.oauth.tables import PushedRequest

if TYPE_CHECKING:
    from creditlink.oauth.requests import FormRequest

_LONGEST_STATE = 4096


class PushedAuthorization(Endpoint):  # type: ignore[misc]  # Authlib has no types
    """Authenticates the client, runs Authlib's own checks of an authorization request, stores what passed."""

    ENDPOINT_NAME = "pushed_authorization_request"

    def create_endpoint_response(self, request: FormRequest) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        """Answer with a `request_uri`, or with the first error; an error here never redirects."""
        try:
            return self._push(request)
        except OAuth2Error as error:
            error.redirect_uri = error.state = None
            raise

    def _push(self, request: FormRequest) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        client = self.server.authenticate_client(request, [AUTH_METHOD], self.ENDPOINT_NAME)
        form = request.form
        _check_shape(form)
        grant = self.server.get_authorization_grant(request)
        redirect_uri = grant.validate_consent_request()  # address, response type, scope, PKCE
        jkt = self._code_key(request)
        details = read_details(form, client, now=self.server.now)
        former = amended_consent(self.server.session, form, client.client_id, now=self.server.now)
        if former is not None and form["grant_management_action"] == "merge":
            details = merged(details, former, runtime.part(ServedCategories))
        consent = consents.request_consent(
            self.server.session, client=client.row, details=details, amends=former, now=self.server.now
        )
        request_uri = new_secret(REQUEST_URI)
        life = self.server.settings.request_uri_life
        self.server.session.add(
            PushedRequest(
                request_uri_hash=hash_of(request_uri),
                client_id=client.client_id,
                consent_id=consent.id,
                redirect_uri=redirect_uri,
                scopes=request.scope.split(" "),
                state=form.get("state"),
                code_challenge=form["code_challenge"],
                dpop_jkt=jkt,
                details=details.as_json(),
                created_at=self.server.now,
                expires_at=self.server.now + timedelta(seconds=life),
            )
        )
        return 201, {"request_uri": request_uri, "expires_in": life}, default_json_headers

    def _code_key(self, request: FormRequest) -> str | None:
        """Return the key the code will be bound to: `dpop_jkt`, or the key of a proof sent along."""
        named = request.form.get("dpop_jkt")
        if named is not None and not binding.is_thumbprint(named):
            raise InvalidRequestError("dpop_jkt must be a base64url SHA-256 thumbprint")
        if binding.proof_header(request.headers) is None:
            return named
        proven: str | None = self.server.sender_binding(request).jkt
        if named is not None and named != proven:
            raise ProofRefused("dpop_jkt is the thumbprint of another key")
        return proven


def _check_shape(form: dict[str, str]) -> None:
    if "client_id" not in form:
        raise InvalidRequestError("client_id is required")
    if "request_uri" in form:
        raise InvalidRequestError("request_uri is not accepted here")
    if "request" in form:
        raise RequestNotSupported
    if "response_type" not in form:
        raise InvalidRequestError("response_type is required")
    if form["response_type"] != "code":
        # Not left to Authlib: its error repeats the value, and cannot be built from one with odd characters.
        raise OAuth2Error("response_type is not supported", error="unsupported_response_type")
    if form.get("response_mode", "query") != "query":
        raise InvalidRequestError("response_mode must be query")
    if "scope" not in form:
        raise InvalidScopeError("scope is required")
    state = form.get("state", "")
    # RFC 6749 appendix A.5; anything else could not be given back unchanged.
    if len(state) > _LONGEST_STATE or not all(" " <= c <= "~" for c in state):
        raise InvalidRequestError("state must be at most 4096 printable ASCII characters")


def read_details(form: dict[str, str], client: OAuthClient, *, now: datetime) -> AuthorizationDetails:
    """Return the checked `authorization_details`.

    Raises
    ------
    InvalidRequestError, AuthorizationDetailsRefused
        Of shape, or of meaning with the index; 412 where a fair-use limit is exceeded.
    """
    raw = form.get("authorization_details")
    if raw is None:
        raise InvalidRequestError("authorization_details is required")
    try:
        return consent_details.parse(
            raw,
            client=client.row,
            fair_use=runtime.part(FairUse),
            served=runtime.part(ServedCategories),
            now=now,
        )
    except DetailsRefused as refused:
        if refused.error == "invalid_request":
            raise InvalidRequestError(refused.description) from None
        raise AuthorizationDetailsRefused(
            refused.description,
            status_code=refused.status,
            attribute=refused.attribute,
            faults=[fault.as_json() for fault in refused.faults],
        ) from None
