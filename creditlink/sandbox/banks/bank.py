"""A bank's side of the wire, over public HTTP only: what a bank's developer would write.

It imports nothing of the platform. The demo and the tests use it, and docs/integrate.md explains it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict
from urllib.parse import parse_qs, urlencode, urlsplit

from creditlink.sandbox.banks.keys import SigningKey, base64url, load_key, new_key, public_jwks
from creditlink.sandbox.banks.wire import BankError, BankWire, Tokens

__all__ = [
    "Authorization",
    "BankError",
    "DemoBank",
    "InboxRequest",
    "SigningKey",
    "Tokens",
    "load_key",
    "new_key",
    "public_jwks",
    "verified_webhook",
]


class PushAnswer(TypedDict):
    """What the platform answers to a pushed request."""

    request_uri: str


class InboxAnswer(TypedDict):
    """What the platform answers to a request for the firm's inbox."""

    auth_req_id: str
    expires_in: int
    interval: int


class TokenAnswer(TypedDict):
    """What the token endpoint answers, as far as the bank reads it."""

    access_token: str
    refresh_token: NotRequired[str]


@dataclass
class Authorization(Tokens):
    """One authorization through the firm's browser, from the push to its tokens."""

    request_uri: str
    state: str
    verifier: str
    redirect_uri: str


@dataclass
class InboxRequest(Tokens):
    """One request in the firm's inbox, from sending it to its tokens."""

    auth_req_id: str
    expires_in: int
    interval: int


class DemoBank(BankWire):
    """The flow from asking a firm to its tokens, and what the tokens are good for."""

    def push(
        self,
        authorization_details: Sequence[Mapping[str, object]],
        *,
        scope: str,
        state: str | None = None,
        **more: str,
    ) -> Authorization:
        """Push an authorization request; `more` adds parameters or replaces the usual ones."""
        verifier = secrets.token_urlsafe(48)
        state = state or secrets.token_urlsafe(16)
        form = {
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": state,
            "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "authorization_details": json.dumps(authorization_details, ensure_ascii=False),
        }
        answer: PushAnswer = self.post("/oauth/par", self.client_parameters() | form | more, dpop=True)
        return Authorization(answer["request_uri"], state, verifier, (form | more)["redirect_uri"])

    def authorize_url(self, authorization: Authorization) -> str:
        """Return the address to which the bank sends the firm's browser."""
        query = urlencode({"client_id": self.client_id, "request_uri": authorization.request_uri})
        return f"{self.issuer}/oauth/authorize?{query}"

    def code_from(self, callback: str, authorization: Authorization) -> str:
        """Return the code that came back to the redirect address.

        Raises
        ------
        BankError
            The firm declined, or the answer is not for this request or not of this server (mix-up).
        """
        answer = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        if answer.get("iss") != self.issuer or answer.get("state") != authorization.state:
            raise BankError(0, "the answer belongs to another request or another server")
        if "code" not in answer:
            raise BankError(0, answer)
        return answer["code"]

    def exchange(self, code: str, authorization: Authorization, **more: str) -> TokenAnswer:
        """Exchange the code for tokens bound to the bank's DPoP key."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": authorization.redirect_uri,
            "code_verifier": authorization.verifier,
        }
        return self._keep(authorization, self.post("/oauth/token", self.client_parameters() | form | more, dpop=True))

    def ask_in_inbox(
        self, authorization_details: Sequence[Mapping[str, object]], *, scope: str, login_hint: str, **more: str
    ) -> InboxRequest:
        """Put a request into the firm's inbox (CIBA); `more` adds e.g. `binding_message` or `requested_expiry`."""
        form = {
            "scope": scope,
            "login_hint": login_hint,
            "authorization_details": json.dumps(authorization_details, ensure_ascii=False),
        }
        answer: InboxAnswer = self.post("/oauth/bc-authorize", self.client_parameters() | form | more, dpop=True)
        return InboxRequest(answer["auth_req_id"], answer["expires_in"], answer["interval"])

    def poll(self, waiting: InboxRequest, **more: str) -> bool:
        """Ask once whether the firm has answered; True with its tokens, False while it has not.

        Ask again after `waiting.interval` seconds, which grows when the platform says `slow_down`.

        Raises
        ------
        BankError
            The firm declined (`access_denied`), did not answer (`expired_token`), or the request is used up.
        """
        form = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": waiting.auth_req_id}
        try:
            answer: TokenAnswer = self.post("/oauth/token", self.client_parameters() | form | more, dpop=True)
        except BankError as error:
            if error.code == "slow_down":
                waiting.interval += 5
            if error.code in ("authorization_pending", "slow_down"):
                return False
            raise
        self._keep(waiting, answer)
        return True

    def refresh(self, authorization: Tokens, **more: str) -> TokenAnswer:
        """Get a new access token under the same consent."""
        form = {"grant_type": "refresh_token", "refresh_token": authorization.refresh_token or ""}
        return self._keep(authorization, self.post("/oauth/token", self.client_parameters() | form | more, dpop=True))

    def in_own_name(self, *, scope: str) -> Tokens:
        """Get a token for what needs no firm's consent: the bank's products, requests addressed to it."""
        own = Tokens()
        form = {"grant_type": "client_credentials", "scope": scope}
        self._keep(own, self.post("/oauth/token", self.client_parameters() | form, dpop=True))
        return own

    def pick_up(self, application: str, own: Tokens) -> InboxRequest:
        """Get the tokens of the consent that a firm gave with its application for financing.

        Raises
        ------
        BankError
            The application is not before this bank, or its consent is over.
        """
        response = self.call("POST", f"/v1/financing/applications/{application}/authorization", own)
        if response.is_error:
            raise BankError(response.status_code, response.json())
        waiting = InboxRequest(response.json()["auth_req_id"], expires_in=600, interval=5)
        self.poll(waiting)
        return waiting

    def introspect(self, token: str) -> dict[str, object]:
        """Ask what a token is good for."""
        answer: dict[str, object] = self.post("/oauth/introspect", self.client_parameters() | {"token": token})
        return answer

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        self.post("/oauth/revoke", self.client_parameters() | {"token": token})

    @staticmethod
    def _keep(authorization: Tokens, answer: TokenAnswer) -> TokenAnswer:
        authorization.access_token = answer["access_token"]
        authorization.refresh_token = answer.get("refresh_token", authorization.refresh_token)
        authorization.answer = answer
        return answer


def verified_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float, tolerance: float = 300.0
) -> dict[str, object]:
    """Return the event in a webhook whose signature is valid (Standard Webhooks).

    Anybody who knows the address can send anything to it: what comes is an event or a `BankError`, never another error.

    Raises
    ------
    BankError
        It is not signed with `secret`, is more than `tolerance` seconds old (sent again, say), or is no event.
    """
    sent = {str(name).lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (
        _plain(sent.get(f"webhook-{name}")) for name in ("id", "timestamp", "signature")
    )
    # Twelve digits are the year 33658; isdigit() alone would let ² through.
    if not (timestamp.isdigit() and len(timestamp) <= 12) or abs(now - int(timestamp)) > tolerance:
        raise BankError(0, "the webhook is not of now")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise BankError(0, "our own secret is not whsec_ and base64")
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    if not message_id or not any(hmac.compare_digest(expected, one.encode()) for one in signatures.split()):
        raise BankError(0, "the webhook is not signed with our secret")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise BankError(0, "the webhook is signed, but it is not a JSON object")
    return event


def _plain(value: object) -> str:
    """Return a header's text; empty where it is absent, no text, or has characters that no header of ours has."""
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else ""
