"""What to send and what to do with the answer, without sending anything: both clients run these steps.

A flow is a generator. It yields a request, and is given the answer or has the transport's error thrown in; or it yields
a `Pause`, and is resumed after that time.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from creditlink_client.errors import CallbackRefused, NotAnswered, OAuthError, error_of
from creditlink_client.keys import SigningKey, assertion, base64url, generate_key, proof
from creditlink_client.models import AuthorizationDetail, Profile, ProfileRequest

Json: TypeAlias = dict[str, Any]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Steps: TypeAlias = Generator["httpx.Request | Pause", "httpx.Response | None", Result]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CIBA = "urn:openid:params:grant-type:ciba"
_AGAIN = (429, 503)
_EARLY_SECONDS = 10.0
"""A token that ends so soon is refreshed before it is used."""
_LONGEST_PAUSE = 60.0


@dataclass
class Tokens:
    """What the token endpoint gave; keep `refresh_token` to go on later, and `grant_id`, the consent's id."""

    access_token: str
    expires_at: float
    refresh_token: str | None = None
    scope: str = ""
    grant_id: str | None = None
    authorization_details: Sequence[AuthorizationDetail] = ()


@dataclass(frozen=True)
class Pushed:
    """A pushed request: send the firm's browser to `url`; keep the rest until it comes back."""

    url: str
    state: str
    verifier: str
    redirect_uri: str


@dataclass
class Waiting:
    """A request in the firm's inbox."""

    auth_req_id: str
    interval: float
    expires_at: float


@dataclass
class Core:
    """One registered client: who it is, and the key that its tokens are bound to."""

    issuer: str
    client_id: str
    key: SigningKey
    redirect_uri: str | None = None
    dpop_key: SigningKey = field(default_factory=generate_key)
    tries: int = 5
    chance: Callable[[], float] = random.random
    clock: Callable[[], float] = time.time
    nonce: str | None = None

    # What every request goes through.

    def send(
        self,
        method: str,
        path: str,
        *,
        tokens: Tokens | None = None,
        form: Mapping[str, str] | None = None,
        body: object = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool | None = None,
    ) -> Steps[httpx.Response]:
        """Send a request, again where that is safe: with the server's nonce, after a 429 or 503, after a lost line.

        `is_repeatable`: whether a request of which no answer came may be sent again; by default reads, and what has an
        Idempotency-Key.
        """
        sent_headers = dict(headers or {})
        if is_repeatable is None:
            is_repeatable = method in ("GET", "PUT", "DELETE") or "Idempotency-Key" in sent_headers
        has_nonce_tried, tries = False, 0
        while True:
            tries += 1
            request = self._request(method, path, tokens, form, body, params, sent_headers)
            try:
                response = yield request
            except httpx.TransportError:
                if not is_repeatable or tries >= self.tries:
                    raise
                yield Pause(self._pause(None, tries))
                continue
            assert response is not None  # noqa: S101 (a request is answered, or an error is thrown in)
            offered, before = response.headers.get("DPoP-Nonce"), self.nonce
            self.nonce = offered or self.nonce
            if response.status_code in (400, 401) and offered not in (None, before) and not has_nonce_tried:
                has_nonce_tried = "use_dpop_nonce" in response.text + response.headers.get("WWW-Authenticate", "")
                if has_nonce_tried:
                    continue
            if response.status_code in _AGAIN and tries < self.tries:
                yield Pause(self._pause(response.headers.get("Retry-After"), tries))
                continue
            return response

    def _request(
        self,
        method: str,
        path: str,
        tokens: Tokens | None,
        form: Mapping[str, str] | None,
        body: object,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str],
    ) -> httpx.Request:
        token = None if tokens is None else tokens.access_token
        url = self.issuer + path
        made = {"DPoP": proof(self.dpop_key, method, url, token=token, nonce=self.nonce), **headers}
        if token is not None:
            made["Authorization"] = f"DPoP {token}"
        if form is not None:
            # A fresh assertion each time: its jti is good once.
            mine = {"client_id": self.client_id, "client_assertion_type": _ASSERTION_TYPE}
            signed = {**form, **mine, "client_assertion": assertion(self.key, self.client_id, self.issuer)}
            return httpx.Request(method, url, headers=made, data=signed)
        if body is not None:
            return httpx.Request(method, url, headers=made, params=params, json=body)
        return httpx.Request(method, url, headers=made, params=params)

    def _pause(self, retry_after: str | None, tries: int) -> float:
        """Return how long to wait: what the server says and up to a quarter more, else twice as long each time."""
        if retry_after is not None and retry_after.isdigit():
            return min(float(retry_after), _LONGEST_PAUSE) * (1 + self.chance() / 4)
        return min(0.25 * 2.0**tries, 8.0) * (0.5 + self.chance() / 2)

    def _form(
        self, path: str, form: Mapping[str, str], *, is_repeatable: bool = True, sent: object = None
    ) -> Steps[Json]:
        response = yield from self.send("POST", path, form=form, is_repeatable=is_repeatable)
        if response.is_error:
            raise error_of(response, sent)
        answer: Json = response.json() if response.content else {}
        return answer

    # Asking a firm.

    def push(self, details: AuthorizationDetail, scope: str, more: Mapping[str, str]) -> Steps[Pushed]:
        """Push an authorization request (RFC 9126, PKCE)."""
        if self.redirect_uri is None:
            raise ValueError("a client that goes through a browser needs its redirect_uri")
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        form = {
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": state,
            "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "authorization_details": json.dumps([details]),
            **more,
        }
        answer = yield from self._form("/oauth/par", form, sent=[details])
        query = urlencode({"client_id": self.client_id, "request_uri": answer["request_uri"]})
        return Pushed(f"{self.issuer}/oauth/authorize?{query}", state, verifier, self.redirect_uri)

    def exchange(self, pushed: Pushed, callback: str) -> Steps[Tokens]:
        """Exchange the code in the address that the browser came back to. It is sent once: a second time ends all."""
        sent = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        if sent.get("iss") != self.issuer or not secrets.compare_digest(sent.get("state", ""), pushed.state):
            raise CallbackRefused("the answer belongs to another request or another server")
        if "code" not in sent:
            raise OAuthError(0, {"error": sent.get("error", "no_code"), "error_description": "the firm did not agree"})
        form = {
            "grant_type": "authorization_code",
            "code": sent["code"],
            "redirect_uri": pushed.redirect_uri,
            "code_verifier": pushed.verifier,
        }
        return self._tokens((yield from self._form("/oauth/token", form, is_repeatable=False)))

    def ask_in_inbox(
        self, details: AuthorizationDetail, login_hint: str, scope: str, more: Mapping[str, str]
    ) -> Steps[Waiting]:
        """Put a request into the firm's inbox (CIBA, poll mode)."""
        form = {"scope": scope, "login_hint": login_hint, "authorization_details": json.dumps([details]), **more}
        answer = yield from self._form("/oauth/bc-authorize", form, is_repeatable=False, sent=[details])
        return Waiting(answer["auth_req_id"], float(answer["interval"]), self.clock() + answer["expires_in"])

    def wait_for(self, waiting: Waiting, seconds: float) -> Steps[Tokens]:
        """Poll until the firm has answered."""
        until = min(self.clock() + seconds, waiting.expires_at)
        while True:
            form = {"grant_type": _CIBA, "auth_req_id": waiting.auth_req_id}
            try:
                return self._tokens((yield from self._form("/oauth/token", form, is_repeatable=False)))
            except OAuthError as error:
                if error.code == "slow_down":
                    waiting.interval += 5
                elif error.code != "authorization_pending":
                    raise
            if self.clock() + waiting.interval > until:
                raise NotAnswered(f"the firm has not answered within {seconds:.0f} seconds")
            yield Pause(waiting.interval)

    def own(self, scope: str) -> Steps[Tokens]:
        """Get a token for what needs no firm's consent."""
        return self._tokens(
            (yield from self._form("/oauth/token", {"grant_type": "client_credentials", "scope": scope}))
        )

    def refresh(self, tokens: Tokens) -> Steps[None]:
        """Get a new access token: under the same consent, or in your own name."""
        if tokens.refresh_token is None:
            fresh = yield from self.own(tokens.scope)
        else:
            form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
            fresh = self._tokens((yield from self._form("/oauth/token", form)))
        tokens.access_token, tokens.expires_at = fresh.access_token, fresh.expires_at
        tokens.scope = fresh.scope
        tokens.grant_id = fresh.grant_id or tokens.grant_id
        tokens.authorization_details = fresh.authorization_details or tokens.authorization_details

    def _tokens(self, answer: Json) -> Tokens:
        return Tokens(
            access_token=answer["access_token"],
            expires_at=self.clock() + answer["expires_in"],
            refresh_token=answer.get("refresh_token"),
            scope=answer.get("scope", ""),
            grant_id=answer.get("grant_id"),
            authorization_details=answer.get("authorization_details", ()),
        )

    def about_token(self, path: str, token: str) -> Steps[Json]:
        """Introspect or revoke a token."""
        return (yield from self._form(path, {"token": token}))

    # Calling the API.

    def call(
        self,
        tokens: Tokens | None,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Steps[httpx.Response]:
        """Call the API; a token that is over, or was refused, is refreshed once.

        Raises
        ------
        ProblemError
            The platform refused.
        """
        if tokens is not None and tokens.expires_at - self.clock() < _EARLY_SECONDS:
            yield from self.refresh(tokens)
        response = yield from self.send(method, path, tokens=tokens, body=body, params=params, headers=headers)
        if response.status_code == 401 and tokens is not None:
            yield from self.refresh(tokens)
            response = yield from self.send(method, path, tokens=tokens, body=body, params=params, headers=headers)
        if response.is_error:
            raise error_of(response, body)
        return response

    def create_profile(self, tokens: Tokens, wanted: ProfileRequest, key: str | None, seconds: float) -> Steps[Profile]:
        """Compute a profile; while the offices are asked, ask again with the same key."""
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(24), "Prefer": "wait=20"}
        until = self.clock() + seconds
        while True:
            response = yield from self.call(tokens, "POST", "/v1/profiles", body=wanted, headers=headers)
            if response.status_code == 201:
                made: Profile = response.json()
                return made
            pause = self._pause(response.headers.get("Retry-After"), 1)
            if self.clock() + pause > until:
                raise NotAnswered(f"the offices have not answered within {seconds:.0f} seconds")
            yield Pause(pause)
