"""One HTTP exchange: the body is read to its end before a thread sees it, the application runs in a thread."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NotRequired, TypedDict
from urllib.parse import unquote_to_bytes
from uuid import uuid4
from wsgiref.types import WSGIApplication, WSGIEnvironment

import structlog

log = structlog.get_logger()

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
}
"""What every answer has, unless its view says otherwise."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")


class Scope(TypedDict):
    """A connection, as ASGI describes it."""

    type: str
    method: str
    path: str
    headers: Iterable[tuple[bytes, bytes]]
    http_version: NotRequired[str]
    scheme: NotRequired[str]
    raw_path: NotRequired[bytes]
    query_string: NotRequired[bytes]
    server: NotRequired[tuple[str, int] | None]
    client: NotRequired[tuple[str, int] | None]


class Incoming(TypedDict):
    """An event that the server sends to the application, as ASGI describes it."""

    type: str
    body: NotRequired[bytes]
    more_body: NotRequired[bool]


Receive = Callable[[], Awaitable[Incoming]]
Send = Callable[[Mapping[str, object]], Awaitable[None]]

# This much of a body that is too large is read and dropped: a client that still sends would not see the answer.
_DRAINED = 4 * 1024 * 1024


class Gone(Exception):
    """The client went away."""


@dataclass(frozen=True)
class OutgoingResponse:
    """An answer, ready to be sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    async def send(self, send: Send) -> None:
        """Send it."""
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": self.body})


def request_id_of(sent: str) -> str:
    """Return the id that a client sent for its request where it is well-formed, else a new one."""
    return sent if _REQUEST_ID.fullmatch(sent) else uuid4().hex


async def read_body(receive: Receive, *, most: int, seconds: float) -> tuple[bytes, int]:
    """Return the body and its length; of a body longer than `most`, only the length.

    Raises
    ------
    TimeoutError
        It did not arrive within `seconds`, however steadily it trickled.
    Gone
        The client left before its end.
    """
    parts: list[bytes] = []
    length, more = 0, True
    async with asyncio.timeout(seconds):
        while more and length <= _DRAINED:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            part, more = message.get("body", b""), message.get("more_body", False)
            length += len(part)
            if length <= most:
                parts.append(part)
            else:
                parts.clear()
    return b"".join(parts), length


def environ_of(scope: Scope, body: bytes, length: int) -> WSGIEnvironment:
    """Return a request as PEP 3333 describes it."""
    raw = scope.get("raw_path")
    path = unquote_to_bytes(raw) if raw else scope["path"].encode()
    host, port = scope.get("server") or ("localhost", 80)
    client = scope.get("client")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": client[0] if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").upper(), raw_value.decode("latin-1")
        if "_" in name or name in ("TRANSFER-ENCODING", "CONTENT-LENGTH"):
            continue  # X_Real_IP would pass for X-Real-IP; the length is the one that arrived
        key = "CONTENT_TYPE" if name == "CONTENT-TYPE" else f"HTTP_{name.replace('-', '_')}"
        joint = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value
    if length or any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
        environ["CONTENT_LENGTH"] = str(length)
    return environ


def run(
    application: WSGIApplication, environ: WSGIEnvironment, threads: ThreadPoolExecutor, freed: Callable[[], None]
) -> asyncio.Future[OutgoingResponse]:
    """Run the application in one of the threads; `freed` is called in the loop when the thread is free again.

    That is after the answer: what the application still does after sending it keeps the thread busy, not the client.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[OutgoingResponse] = loop.create_future()

    def tell(result: OutgoingResponse | BaseException) -> None:
        if answer.done():
            return
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def work() -> None:
        started: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., None]:
            started[:] = [(int(status.split(" ", 1)[0]), headers)]
            return lambda _data: None

        try:
            result: Iterable[bytes] = application(environ, start_response)
            try:
                body = b"".join(result)
                loop.call_soon_threadsafe(tell, OutgoingResponse(*started[0], body))
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            log.error("application_failed", error=type(error).__name__, exc_info=error)
            loop.call_soon_threadsafe(tell, error)
        finally:
            loop.call_soon_threadsafe(freed)

    threads.submit(work)
    return answer
