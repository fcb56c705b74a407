"""Asking a firm that is not at its browser: the request waits in its inbox and the bank polls.

After OpenID Connect CIBA Core 1.0, poll mode, without its ID tokens: the result is a consent and
tokens, not a sign-in. docs/adr says what was left out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from authlib.consts import default_json_headers
from authlib.oauth2.rfc6749 import Endpoint
from sqlalchemy.orm import Session

from creditlink.access.errors import (
    AuthorizationDetailsRefused,
    InvalidBindingMessage,
    InvalidRequestError,
    InvalidScopeError,
    RequestNotSupported,
    TooManyWaiting,
)
from creditlink.access.opaque import AUTH_REQ_ID, hash_of, new_secret
from creditlink.consents import listing
from creditlink.consents import service as consents
from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.served import ServedCategories
from creditlink.kit import uscc as uscc_rules
from creditlink.kit.processes import runtime
from creditlink.oauth.clients.client import AUTH_METHOD, OAuthClient
from creditlink.oauth.endpoints.par import read_details
from creditlink.oauth.grants.amend import amended_consent, merged
from creditlink.oauth.tables import PushedRequest

if TYPE_CHECKING:
    from creditlink.oauth.requests import FormRequest

# Between the firm's last moment to answer and the bank's last moment to fetch the answer.
FETCH_WITHIN = timedelta(minutes=5)
# This many requests of one institution may wait for one firm: an inbox is no place to advertise.
MOST_WAITING = 5
LONGEST_BINDING_MESSAGE = 64
_OTHER_HINTS = ("login_hint_token", "id_token_hint")


class BackchannelAuthentication(Endpoint):  # type: ignore[misc]  # Authlib has no types
    """Authenticates the client, checks the request, and puts it into the inbox of those who act for the firm."""

    ENDPOINT_NAME = "backchannel_authentication"

    def create_endpoint_response(self, request: FormRequest) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        """Answer with an `auth_req_id`, whether or not there is such a firm: nobody learns who has an account."""
        client: OAuthClient = self.server.authenticate_client(request, [AUTH_METHOD], self.ENDPOINT_NAME)
        session, now, form = self.server.session, self.server.now, request.form
        scopes = _scopes(form, client)
        message = _binding_message(form)
        wait = _wait(form, timedelta(seconds=self.server.settings.backchannel_life))
        details = read_details(form, client, now=now)
        if details.valid_until < now + consents.INBOX_AT_LEAST:
            raise AuthorizationDetailsRefused("valid_until leaves the firm less than 30 minutes to answer")
        uscc = _uscc_of_hint(session, form, details, client)
        former = amended_consent(session, form, client.client_id, now=now)
        if former is not None and form["grant_management_action"] == "merge":
            details = merged(details, former, runtime.part(ServedCategories))
        if consents.count_waiting(session, client.institution.id, uscc, now) >= MOST_WAITING:
            raise TooManyWaiting
        jkt = self.server.sender_binding(request).jkt
        consent = consents.request_consent(
            session,
            client=client.row,
            details=details,
            amends=former,
            now=now,
            channel="inbox",
            answer_until=now + wait,
            asked_uscc=uscc,
        )
        auth_req_id, expires_at = new_secret(AUTH_REQ_ID), consent.answer_until + FETCH_WITHIN
        session.add(
            PushedRequest(
                request_uri_hash=hash_of(auth_req_id),
                client_id=client.client_id,
                consent_id=consent.id,
                redirect_uri=None,
                scopes=scopes,
                state=None,
                code_challenge=None,
                dpop_jkt=jkt,
                binding_message=message,
                details=details.as_json(),
                created_at=now,
                expires_at=expires_at,
            )
        )
        body = {
            "auth_req_id": auth_req_id,
            "expires_in": int((expires_at - now).total_seconds()),
            "interval": self.server.settings.poll_interval,
        }
        return 200, body, default_json_headers


def _scopes(form: dict[str, str], client: OAuthClient) -> list[str]:
    if "request" in form:
        raise RequestNotSupported
    if "scope" not in form:
        raise InvalidScopeError("scope is required")
    allowed = client.get_allowed_scope(form["scope"])
    if allowed is None:
        raise InvalidScopeError("the scope is unknown or not open to this client")
    return allowed.split(" ")


def _binding_message(form: dict[str, str]) -> str | None:
    message = form.get("binding_message")
    if message is not None and (len(message) > LONGEST_BINDING_MESSAGE or not message.isprintable()):
        raise InvalidBindingMessage
    return message


def _wait(form: dict[str, str], longest: timedelta) -> timedelta:
    """Return how long the firm may take: as requested, but at least half an hour, and at most as long as we keep it."""
    requested = form.get("requested_expiry")
    if requested is None:
        return longest
    if not (requested.isascii() and requested.isdigit() and 1 <= len(requested) <= 9 and int(requested) > 0):
        raise InvalidRequestError("requested_expiry must be a positive whole number of seconds")
    return min(max(timedelta(seconds=int(requested)) - FETCH_WITHIN, consents.INBOX_AT_LEAST), longest)


def _uscc_of_hint(session: Session, form: dict[str, str], details: AuthorizationDetails, client: OAuthClient) -> str:
    """Return the code of the firm that the hint names, or a text that names no firm and gets the same answer.

    The hint is a USCC or the id that this institution, and no other, knows the firm by. With the id no USCC is
    taken in the details: whether the two are one firm is not for the bank to try out.
    """
    if any(name in form for name in _OTHER_HINTS) or "login_hint" not in form:
        raise InvalidRequestError("login_hint is required, and no other hint is accepted")
    hint = form["login_hint"]
    if hint.startswith("ent_"):
        if details.uscc is not None:
            raise InvalidRequestError("name the firm once: by its id in login_hint or by its USCC")
        enterprise_id = listing.enterprise_behind(
            session, client.institution.id, client.institution.pairwise_salt, hint
        )
        return consents.uscc_of(session, enterprise_id) or hint[:40]
    checked = uscc_rules.check(hint)
    if not hint.isascii() or not checked.well_formed:
        raise InvalidRequestError("login_hint must be a USCC or the id of a firm of yours")
    if details.uscc not in (None, checked.uscc):
        raise InvalidRequestError("login_hint and uscc name different firms")
    return checked.uscc
