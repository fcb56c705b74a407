"""The two clients: the same steps, with and without waiting for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from types import TracebackType
from typing import Any, TypedDict, TypeVar, Unpack

import httpx

from creditlink_client.core import Core, Json, Pause, Pushed, Steps, Tokens, Waiting
from creditlink_client.keys import SigningKey
from creditlink_client.models import AuthorizationDetail, Explanation, Profile, ProfileRequest, Purposes

Result = TypeVar("Result")
SCOPE = "profile:create profile:read"
_TIMEOUT = 40.0
"""Longer than `Prefer: wait=20`."""


class CallOptions(TypedDict, total=False):
    """What a call may carry."""

    body: object
    params: Mapping[str, str | int]
    headers: Mapping[str, str]


class ClientOptions(TypedDict, total=False):
    """What a client may be told besides who it is."""

    redirect_uri: str | None
    dpop_key: SigningKey
    tries: int


class Client:
    """A registered client; blocks.

    Parameters
    ----------
    issuer : the platform's address, exactly as its metadata says
    client_id, key : as registered
    redirect_uri : where browsers come back to; not needed for the inbox
    dpop_key : the key that tokens are bound to; a new one for each client by default. Give one to go on with a
        refresh token after a restart
    tries : how often a request is sent at most
    http : to connect in a way of your own (proxies, certificates)
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        key: SigningKey,
        *,
        http: httpx.Client | None = None,
        **more: Unpack[ClientOptions],
    ) -> None:
        self.core = Core(issuer.rstrip("/"), client_id, key, **more)
        self.http = http or httpx.Client(timeout=_TIMEOUT)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def run(self, steps: Steps[Result]) -> Result:
        """Run steps to their end."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = steps.send(None)
                    continue
                try:
                    response = self.http.send(step)
                except httpx.TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def purposes(self) -> Purposes:
        """Read what may be asked of a firm, and how much of it."""
        found: Purposes = self.run(self.core.call(None, "GET", "/v1/purposes")).json()
        return found

    def push(self, details: AuthorizationDetail, *, scope: str = SCOPE, **more: str) -> Pushed:
        """Push a request; send the firm's browser to its `url`."""
        return self.run(self.core.push(details, scope, more))

    def exchange(self, pushed: Pushed, callback: str) -> Grant:
        """Exchange the code in the address that the browser came back to."""
        return Grant(self, self.run(self.core.exchange(pushed, callback)))

    def ask_in_inbox(
        self, details: AuthorizationDetail, *, login_hint: str, scope: str = SCOPE, **more: str
    ) -> Waiting:
        """Ask a firm in its inbox; `more` adds e.g. `binding_message`."""
        return self.run(self.core.ask_in_inbox(details, login_hint, scope, more))

    def wait_for(self, waiting: Waiting, *, seconds: float = 600) -> Grant:
        """Wait for the firm's answer."""
        return Grant(self, self.run(self.core.wait_for(waiting, seconds)))

    def own(self, scope: str) -> Grant:
        """Act in your institution's own name."""
        return Grant(self, self.run(self.core.own(scope)))

    def resume(self, refresh_token: str) -> Grant:
        """Go on under a consent, with the refresh token that you kept and the same `dpop_key`."""
        return Grant(self, Tokens("", 0, refresh_token=refresh_token))

    def introspect(self, token: str) -> Json:
        """Ask what a token is good for."""
        return self.run(self.core.about_token("/oauth/introspect", token))

    def revoke(self, token: str) -> None:
        """Give a token back; with a refresh token, everything that came from it."""
        self.run(self.core.about_token("/oauth/revoke", token))


class Grant:
    """What a firm granted, or your own name: tokens that renew themselves."""

    def __init__(self, client: Client, tokens: Tokens) -> None:
        self.client = client
        self.tokens = tokens

    def call(self, method: str, path: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Call any operation of the API."""
        return self.client.run(self.client.core.call(self.tokens, method, path, **options))

    def create_profile(
        self, wanted: ProfileRequest | None = None, *, idempotency_key: str | None = None, seconds: float = 120
    ) -> Profile:
        """Compute the firm's profile; waits while its offices are asked."""
        steps = self.client.core.create_profile(self.tokens, wanted or {}, idempotency_key, seconds)
        return self.client.run(steps)

    def profile(self, profile_id: str) -> Profile:
        """Read a profile as it was computed."""
        found: Profile = self.call("GET", f"/v1/profiles/{profile_id}").json()
        return found

    def explanation(self, profile_id: str) -> Explanation:
        """Read every indicator's value and exact contribution."""
        found: Explanation = self.call("GET", f"/v1/profiles/{profile_id}/explanation").json()
        return found

    def matches(self, profile_id: str, **params: str | int) -> Iterator[Json]:
        """Read the products in order, page after page."""
        return self.pages(f"/v1/profiles/{profile_id}/matches", "products", **params)

    def pages(self, path: str, member: str = "items", **params: str | int) -> Iterator[Any]:
        """Read a list to its end: every item, page after page."""
        cursor: str | None = None
        while True:
            asked = params if cursor is None else {**params, "cursor": cursor}
            page = self.call("GET", path, params=asked).json()
            yield from page[member] or ()
            cursor = page["next_cursor"]
            if cursor is None:
                return


class AsyncClient:
    """As `Client`, for asyncio."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        key: SigningKey,
        *,
        http: httpx.AsyncClient | None = None,
        **more: Unpack[ClientOptions],
    ) -> None:
        self.core = Core(issuer.rstrip("/"), client_id, key, **more)
        self.http = http or httpx.AsyncClient(timeout=_TIMEOUT)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def run(self, steps: Steps[Result]) -> Result:
        """Run steps to their end."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = steps.send(None)
                    continue
                try:
                    response = await self.http.send(step)
                except httpx.TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    async def purposes(self) -> Purposes:
        """Read what may be asked of a firm, and how much of it."""
        found: Purposes = (await self.run(self.core.call(None, "GET", "/v1/purposes"))).json()
        return found

    async def push(self, details: AuthorizationDetail, *, scope: str = SCOPE, **more: str) -> Pushed:
        """Push a request; send the firm's browser to its `url`."""
        return await self.run(self.core.push(details, scope, more))

    async def exchange(self, pushed: Pushed, callback: str) -> AsyncGrant:
        """Exchange the code in the address that the browser came back to."""
        return AsyncGrant(self, await self.run(self.core.exchange(pushed, callback)))

    async def ask_in_inbox(
        self, details: AuthorizationDetail, *, login_hint: str, scope: str = SCOPE, **more: str
    ) -> Waiting:
        """Ask a firm in its inbox; `more` adds e.g. `binding_message`."""
        return await self.run(self.core.ask_in_inbox(details, login_hint, scope, more))

    async def wait_for(self, waiting: Waiting, *, seconds: float = 600) -> AsyncGrant:
        """Wait for the firm's answer."""
        return AsyncGrant(self, await self.run(self.core.wait_for(waiting, seconds)))

    async def own(self, scope: str) -> AsyncGrant:
        """Act in your institution's own name."""
        return AsyncGrant(self, await self.run(self.core.own(scope)))

    def resume(self, refresh_token: str) -> AsyncGrant:
        """Go on under a consent, with the refresh token that you kept and the same `dpop_key`."""
        return AsyncGrant(self, Tokens("", 0, refresh_token=refresh_token))

    async def introspect(self, token: str) -> Json:
        """Ask what a token is good for."""
        return await self.run(self.core.about_token("/oauth/introspect", token))

    async def revoke(self, token: str) -> None:
        """Give a token back; with a refresh token, everything that came from it."""
        await self.run(self.core.about_token("/oauth/revoke", token))


class AsyncGrant:
    """As `Grant`, for asyncio."""

    def __init__(self, client: AsyncClient, tokens: Tokens) -> None:
        self.client = client
        self.tokens = tokens

    async def call(self, method: str, path: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Call any operation of the API."""
        return await self.client.run(self.client.core.call(self.tokens, method, path, **options))

    async def create_profile(
        self, wanted: ProfileRequest | None = None, *, idempotency_key: str | None = None, seconds: float = 120
    ) -> Profile:
        """Compute the firm's profile; waits while its offices are asked."""
        steps = self.client.core.create_profile(self.tokens, wanted or {}, idempotency_key, seconds)
        return await self.client.run(steps)

    async def profile(self, profile_id: str) -> Profile:
        """Read a profile as it was computed."""
        found: Profile = (await self.call("GET", f"/v1/profiles/{profile_id}")).json()
        return found

    async def explanation(self, profile_id: str) -> Explanation:
        """Read every indicator's value and exact contribution."""
        found: Explanation = (await self.call("GET", f"/v1/profiles/{profile_id}/explanation")).json()
        return found

    def matches(self, profile_id: str, **params: str | int) -> AsyncIterator[Json]:
        """Read the products in order, page after page."""
        return self.pages(f"/v1/profiles/{profile_id}/matches", "products", **params)

    async def pages(self, path: str, member: str = "items", **params: str | int) -> AsyncIterator[Any]:
        """Read a list to its end: every item, page after page."""
        cursor: str | None = None
        while True:
            asked = params if cursor is None else {**params, "cursor": cursor}
            page = (await self.call("GET", path, params=asked)).json()
            for one in page[member] or ():
                yield one
            cursor = page["next_cursor"]
            if cursor is None:
                return
