"""HTTP to an office: time limits, bounded retries, and errors told apart."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from ssl import SSLContext
from typing import Protocol, TypeVar

import httpx
import stamina

from creditlink.kit.clock import utc_now
from creditlink.kit.files.text import printable
from creditlink.records.offices.budget import retry_after
from creditlink.records.offices.signatures import AnswerForged, AnswerSignature, SignatureFault, SignatureKeys
from creditlink.records.pulls.delivery import Delivery, Status, StoredSignatures

T = TypeVar("T")

_TOTAL_DIGITS = 9
_MAX_BODY_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class TimeLimits:
    """How long an office may take, and how often it is asked again after a passing fault."""

    connect_seconds: float = 2.0
    read_seconds: float = 10.0
    attempts: int = 3
    wait_seconds: float = 0.2
    wait_max_seconds: float = 2.0
    jitter_seconds: float = 0.2
    total_seconds: float = 30.0  # for one request, all attempts together
    firm_seconds: float = 60.0  # for everything that one firm's pull asks of the office
    slots: int = 4  # pulls that may wait for the office at once, in one worker


class Failure(Exception):
    """The office did not answer as its manual says; `status` is what the pull will report."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status
        self.reason = printable(reason)  # part of it may be the office's


class Passing(Failure):
    """A failure worth asking again for: time-out, 5xx, a torn or unreadable answer."""


@dataclass(frozen=True, slots=True)
class SourceResponse:
    """What an office answered, read to its end."""

    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def unmarked(self) -> bytes:
        """Return the content without the byte order mark that some systems put before UTF-8: no row begins with it."""
        return self.content.removeprefix(codecs.BOM_UTF8)


class PullStopped(Exception):
    """The consent no longer allows the pull."""


class Gate(Protocol):
    """Keeps what an office allows: how often it is asked, and its wish to be left alone."""

    def admit(self, patience: float, rest_patience: float) -> None:
        """Wait for the turn of one request.

        Raises
        ------
        Failure
            It would take longer than `patience` seconds, or `rest_patience` where the office wants a rest.
        """
        ...

    def rest(self, seconds: float) -> None:
        """Leave the office alone for so long, in every process."""
        ...


class OpenGate:
    """Lets every request through: for an office that says nothing of limits, and for tests."""

    def admit(self, patience: float, rest_patience: float) -> None:
        """Let it through."""

    def rest(self, seconds: float) -> None:
        """Note nothing."""


class Heard:
    """What came of one conversation with an office, whatever its connector makes of it."""

    def __init__(self) -> None:
        self.forged: str | None = None
        self.held_until: datetime | None = None  # refused by the gate
        self._keys: set[str] = set()
        self._sha = hashlib.sha256()
        self._signed = 0

    def take(self, signature: AnswerSignature) -> None:
        """Take in the signature of one answer."""
        self._keys.add(signature.key_id)
        self._sha.update(bytes.fromhex(signature.sha256))
        self._signed += 1

    @property
    def signatures(self) -> StoredSignatures | None:
        """Return what is kept of the signatures; None: there were none."""
        if not self._signed:
            return None
        return {"key_ids": sorted(self._keys), "answers": self._signed, "sha256": self._sha.hexdigest()}


_heard: ContextVar[Heard | None] = ContextVar("heard", default=None)


@contextmanager
def listening() -> Iterator[Heard]:
    """Keep what is heard within the block, in this thread."""
    heard = Heard()
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def heard_now() -> Heard | None:
    """Return what is kept of the conversation under way in this thread."""
    return _heard.get()


Proceed = Callable[[], bool]
"""Asked before and after every request; False stops the pull."""


class Connector(Protocol):
    """One office's dialect."""

    source: str

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return everything the office holds on a firm for the months `since` to `until`, both included.

        Failures of the office are in the delivery, resource by resource, not raised.

        Raises
        ------
        PullStopped
            `proceed` said no; nothing read so far may be used.
        """
        ...

    def close(self) -> None:
        """Close the kept connections."""
        ...


_loop_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _on_loop(work: Coroutine[object, None, T]) -> T:
    """Run a coroutine on the process's one loop and wait for it.

    Only a loop can end an exchange on time: a socket's own time-out begins again with every byte that trickles in.
    """
    global _loop
    with _loop_lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="offices", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(work, _loop).result()


@cache
def _tls() -> SSLContext:
    """Return what every office's certificate is checked against, read once in a process: each reading takes long."""
    return httpx.create_ssl_context(trust_env=False)


class Wire:
    """One office's HTTP client, shared by the threads of a process."""

    def __init__(
        self,
        base_url: str,
        limits: TimeLimits,
        *,
        auth: httpx.Auth | None = None,
        gate: Gate | None = None,
        signed_by: SignatureKeys | None = None,
    ) -> None:
        self.limits = limits
        self._gate = gate or OpenGate()
        self._signed_by = signed_by
        self._client = httpx.AsyncClient(
            base_url=base_url,
            auth=auth,
            verify=_tls(),
            timeout=httpx.Timeout(limits.read_seconds, connect=limits.connect_seconds),
            follow_redirects=False,
            trust_env=False,  # offices are reached directly, never through a proxy of the environment
            headers={"Accept-Encoding": "identity", "User-Agent": "creditlink"},
        )

    def ask(
        self, build: Callable[[httpx.AsyncClient], httpx.Request], read: Callable[[SourceResponse], T], proceed: Proceed
    ) -> T:
        """Send a request built again for each attempt and return what `read` makes of the answer.

        Raises
        ------
        Failure
            The last attempt failed, or the office refused.
        PullStopped
            `proceed` said no before or after a request.
        AnswerForged
            The office signs its answers, and this one is not signed as it must be.
        """
        limits = self.limits
        deadline = time.monotonic() + limits.total_seconds
        for attempt in stamina.retry_context(
            on=Passing,
            attempts=limits.attempts,
            timeout=limits.total_seconds,
            wait_initial=limits.wait_seconds,
            wait_max=limits.wait_max_seconds,
            wait_jitter=limits.jitter_seconds,
        ):
            with attempt:
                if not proceed():
                    raise PullStopped
                self._gate.admit(max(0.0, deadline - time.monotonic()), limits.wait_max_seconds)
                answer = self._answer(_on_loop(self._exchange(self._built(build), deadline - time.monotonic())))
                if not proceed():
                    raise PullStopped
                return read(answer)
        raise AssertionError("stamina gives at least one attempt")

    def _answer(self, answer: SourceResponse) -> SourceResponse:
        """Return an answer that may be read, or raise what it is instead."""
        if answer.status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            seconds = retry_after(answer.headers.get("Retry-After"), utc_now())
            if seconds is not None:
                self._gate.rest(seconds)
        if answer.status == httpx.codes.GATEWAY_TIMEOUT:
            raise Passing("TIMEOUT", "the office reports a time-out")
        if answer.status >= 500 or answer.status == httpx.codes.TOO_MANY_REQUESTS:
            raise Passing("DOWN", f"the office answers {answer.status}")
        if self._signed_by is not None:
            self._check_signature(self._signed_by, answer)
        return answer

    def _check_signature(self, keys: SignatureKeys, answer: SourceResponse) -> None:
        heard = heard_now()
        try:
            signature = keys.verify(answer.headers.get(keys.header), answer.content)
        except SignatureFault as error:
            reason = f"{error} (the office answers {answer.status})"
            if heard is not None:
                heard.forged = reason
            raise AnswerForged(reason) from None
        if heard is not None:
            heard.take(signature)

    def _built(self, build: Callable[[httpx.AsyncClient], httpx.Request]) -> httpx.Request:
        try:
            return build(self._client)
        except (httpx.InvalidURL, ValueError):
            # Where the next page is, the office says.
            raise Failure("DOWN", "the office names a next page that cannot be asked for") from None

    async def _exchange(self, request: httpx.Request, seconds: float) -> SourceResponse:
        """Send a request and read the answer to its end, all within `seconds`."""
        body = bytearray()
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                response = await self._client.send(request, stream=True)
                try:
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > _MAX_BODY_BYTES:
                            raise Failure("DOWN", f"the answer exceeds {_MAX_BODY_BYTES} bytes")
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Passing("TIMEOUT", "the answer does not end in time") from None
        except httpx.TimeoutException:
            raise Passing("TIMEOUT", "no answer in time") from None
        except httpx.HTTPError as error:
            # The library's own words may hold the address, and the address holds the firm's code.
            raise Passing("DOWN", f"connection failed ({type(error).__name__})") from None
        return SourceResponse(response.status_code, response.headers, bytes(body))

    def close(self) -> None:
        """Close the kept connections."""
        _on_loop(self._client.aclose())


def total_of(value: object) -> int:
    """Return the number of rows that an office says it holds.

    Raises
    ------
    Passing
        It is none that an office could hold.
    """
    text = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    if not (text.isascii() and text.isdigit() and len(text) <= _TOTAL_DIGITS):
        raise Passing("DOWN", "the answer does not say how many rows there are")
    return int(text)


def refused(answer: SourceResponse, code: str) -> Failure:
    """Return the failure for a 4xx answer: the office does not let us, and asking again will not help."""
    return Failure("DENIED", f"the office refuses: {answer.status} {code}"[:120])


class Digest:
    """SHA-256 over the answers in the order they came."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, answer: SourceResponse) -> None:
        """Take in one answer."""
        self._sha.update(hashlib.sha256(answer.content).digest())

    def hexdigest(self) -> str:
        """Return the digest so far."""
        return self._sha.hexdigest()
