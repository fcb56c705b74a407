"""The ASGI application around the WSGI one: slow bodies, waiting and queues hold no thread, health is never starved."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from wsgiref.types import WSGIApplication, WSGIEnvironment

import structlog

from creditlink.kit.errors import Overloaded, Problem, RequestTimeout
from creditlink.kit.http import visit
from creditlink.kit.http.visit import Visit
from creditlink.kit.processes.metrics import REQUESTS
from creditlink.web.front import exchange
from creditlink.web.front.about import Callers
from creditlink.web.front.exchange import Gone, OutgoingResponse, Receive, Scope, Send
from creditlink.web.front.news import News
from creditlink.web.front.queue import FairQueue, QueueFull

log = structlog.get_logger()

_OPERATORS = ("/health/ready", "/metrics")
_KNOWN_TOKENS = 10_000


@dataclass(frozen=True)
class Bounds:
    """How much the front takes on."""

    threads: int = 4
    body_bytes: int = 262_144
    body_seconds: float = 10.0
    upload_paths: re.Pattern[str] = re.compile("(?!)")  # the addresses that take larger bodies; none by default
    upload_bytes: int = 4_194_304
    upload_seconds: float = 60.0
    uploading: int = 16  # such bodies that arrive at once
    reading: int = 256  # bodies that arrive at once
    queued: int = 256  # requests that wait for a thread
    queued_each: int = 64  # of one caller
    queued_seconds: float = 5.0
    waiting: int = 256  # requests that wait for records
    proxies: int = 0  # trusted ones, which set X-Forwarded-For


class Front:
    """Serves a WSGI application.

    Parameters
    ----------
    application : it finds `visit.Visit` in its environment
    pages : what a browser is shown where no thread can be spared, by language
    callers : the callers of the last seconds, in every process of the server
    """

    def __init__(
        self, application: WSGIApplication, news: News, bounds: Bounds, pages: Mapping[str, bytes], callers: Callers
    ) -> None:
        self._application, self._news, self._bounds, self._pages = application, news, bounds, pages
        self._threads = ThreadPoolExecutor(bounds.threads, thread_name_prefix="request")
        self._queue = FairQueue(
            bounds.threads,
            most=bounds.queued,
            most_each=bounds.queued_each,
            patience=bounds.queued_seconds,
            callers=callers,
        )
        # Threads of its own: however busy or stuck the others are, the operator gets an answer.
        self._operators_threads = ThreadPoolExecutor(2, thread_name_prefix="operator")
        self._operators_queue = FairQueue(2, most=8, most_each=8, patience=bounds.queued_seconds)
        self._reading = self._uploading = self._waiting = 0
        self._known: OrderedDict[str, tuple[str, int]] = OrderedDict()  # caller and weight by token
        self._listening: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._listening = asyncio.ensure_future(self._news.listen())
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._listening is not None:
                    self._listening.cancel()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        request_id = exchange.request_id_of(headers.get(b"x-request-id", b"").decode("latin-1"))
        path = scope["path"]
        if path == "/health/live" and scope["method"] in ("GET", "HEAD"):
            await _plain(200, request_id, {"status": "live"}, scope["method"]).send(send)
            return
        try:
            read = self._upload if self._bounds.upload_paths.fullmatch(path) else self._body
            body, length = await read(scope, headers, receive)
            environ = exchange.environ_of(scope, body, length)
            environ["HTTP_X_REQUEST_ID"] = request_id
            answer = await self._answer(environ, body, path, headers, receive)
        except Gone:
            return
        except TimeoutError:
            answer = self._refusal(RequestTimeout(headers={"Connection": "close"}), scope, headers, request_id)
        except QueueFull:
            answer = self._refusal(Overloaded(), scope, headers, request_id)
        except Exception as error:  # the application answers its own errors; this is the front's or the server's
            log.error("front_failed", error=type(error).__name__, exc_info=error, request_id=request_id)
            answer = self._refusal(Problem(), scope, headers, request_id)
        await answer.send(send)

    async def _body(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> tuple[bytes, int]:
        if b"content-length" not in headers and b"transfer-encoding" not in headers and scope["http_version"] != "2":
            return b"", 0
        if self._reading >= self._bounds.reading:
            raise QueueFull
        self._reading += 1
        try:
            return await exchange.read_body(receive, most=self._bounds.body_bytes, seconds=self._bounds.body_seconds)
        finally:
            self._reading -= 1

    async def _upload(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> tuple[bytes, int]:
        if scope["method"] != "POST":
            return await self._body(scope, headers, receive)
        # Few at once, since anybody may send one before we can know who it is.
        if self._uploading >= self._bounds.uploading:
            raise QueueFull
        self._uploading += 1
        try:
            return await exchange.read_body(
                receive, most=self._bounds.upload_bytes, seconds=self._bounds.upload_seconds
            )
        finally:
            self._uploading -= 1

    async def _answer(
        self, environ: WSGIEnvironment, body: bytes, path: str, headers: Mapping[bytes, bytes], receive: Receive
    ) -> OutgoingResponse:
        """Run the request until its answer is final."""
        of_operators = path in _OPERATORS
        queue = self._operators_queue if of_operators else self._queue
        threads = self._operators_threads if of_operators else self._threads
        seen = environ[visit.KEY] = Visit(may_wait=self._waiting < self._bounds.waiting)
        token = headers.get(b"authorization", b"")
        caller, weight = self._caller(token, environ)
        while True:
            await queue.enter(caller, weight)
            answer = await exchange.run(self._application, environ, threads, partial(queue.leave, caller))
            if seen.caller is not None and token:
                caller, weight = self._learn(token, seen.caller, seen.weight)
            if seen.awaited is None or seen.until is None:
                return answer
            await self._wait(seen.awaited, seen.until, receive)
            seen.awaited = None
            environ["wsgi.input"].seek(0)

    async def _wait(self, event: str, until: float, receive: Receive) -> None:
        """Wait for an event without a thread, a transaction or a connection, and no longer than the client waits."""
        self._waiting += 1
        gone = asyncio.ensure_future(receive())
        heard = asyncio.ensure_future(self._news.wait(event, until))
        try:
            await asyncio.wait({gone, heard}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and gone.result()["type"] == "http.disconnect":
                raise Gone
            await heard
        finally:
            self._waiting -= 1
            for task in (gone, heard):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _caller(self, token: bytes, environ: WSGIEnvironment) -> tuple[str, int]:
        """Return in whose name a request waits, and its weight: the bank that its token belonged to, else the sender.

        It decides who waits for whom and nothing else.
        """
        known = self._known.get(_digest(token)) if token else None
        if known is not None:
            return known
        address = str(environ.get("REMOTE_ADDR", ""))
        if self._bounds.proxies:
            hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
            address = hops[-self._bounds.proxies] if len(hops) >= self._bounds.proxies else address
        # An unknown token may be anything, but senders without a valid one seldom send any.
        return f"{'new' if token else 'at'}:{address}", 1

    def _learn(self, token: bytes, institution: str, weight: int) -> tuple[str, int]:
        key = _digest(token)
        self._known[key] = (f"institution:{institution}", weight)
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_TOKENS:
            self._known.popitem(last=False)
        return self._known[key]

    def _refusal(
        self, problem: Problem, scope: Scope, headers: Mapping[bytes, bytes], request_id: str
    ) -> OutgoingResponse:
        """Return the answer where no thread can give one, in the form that the caller expects."""
        method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "PATCH", "DELETE") else "other"
        REQUESTS.labels(method, "(front)", problem.status).inc()
        log.warning("refused_at_the_front", problem=problem.slug, request_id=request_id)
        if scope["path"].startswith("/portal/"):
            chinese = headers.get(b"accept-language", b"zh").strip().lower().startswith(b"zh")
            page = self._pages["zh" if chinese else "en"]
            return _answer(problem.status, request_id, "text/html; charset=utf-8", page, problem.headers)
        if scope["path"].startswith("/oauth/") and problem.status == Overloaded.status:
            body = {"error": "temporarily_unavailable", "error_description": problem.title}
            return _answer(problem.status, request_id, "application/json", _json(body), problem.headers)
        document = _json(problem.body(request_id))
        return _answer(problem.status, request_id, "application/problem+json", document, problem.headers)


def _digest(token: bytes) -> str:
    return hashlib.sha256(token).hexdigest()


def _plain(status: int, request_id: str, body: dict[str, str], method: str) -> OutgoingResponse:
    answer = _answer(status, request_id, "application/json", _json(body), {})
    return answer if method != "HEAD" else OutgoingResponse(status, answer.headers, b"")


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"


def _answer(status: int, request_id: str, kind: str, body: bytes, more: Mapping[str, str]) -> OutgoingResponse:
    headers = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "X-Request-ID": request_id,
        **exchange.SAFE_HEADERS,
        **(
            {"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'"}
            if "html" in kind
            else {}
        ),
        **more,
    }
    return OutgoingResponse(status, list(headers.items()), body)
