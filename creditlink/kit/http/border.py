"""What every request must satisfy before a route sees it: a whole body within the limit, and text we can store."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import IO

import flask
from werkzeug.exceptions import BadRequest, ClientDisconnected, LengthRequired, RequestEntityTooLarge
from werkzeug.utils import cached_property

from creditlink.kit.errors import InvalidRequest, NotFound
from creditlink.kit.files.text import flaw, printable

_CHUNK = 65_536
# This much of a refused body is read and dropped: a client still sending would otherwise see a broken connection.
_DRAINED = 4 * 1024 * 1024
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class TextRefused(InvalidRequest):
    """A query parameter, form field or header holds a character that we cannot store."""


class Request(flask.Request):
    """A request whose body is read once, whole, or not at all.

    Werkzeug's own stream returns what it has when the limit is reached, so it would silently cut off a body sent in
    chunks; and where the server ends the stream itself, a body that breaks off would count as whole.
    """

    @cached_property
    def stream(self) -> IO[bytes]:
        """Return the body.

        Raises
        ------
        RequestEntityTooLarge, ClientDisconnected, LengthRequired, BadRequest
            It exceeds the limit, ends before its declared length, or its length cannot be known.
        """
        return io.BytesIO(self._whole_body(self.max_content_length))

    def _whole_body(self, most: int | None) -> bytes:
        ends = bool(self.environ.get("wsgi.input_terminated"))
        chunked = bool(self.headers.get("Transfer-Encoding"))
        # RFC 9112 section 6.3: where a server can read chunks, they override a Content-Length.
        declared = None if chunked and ends else self._declared_length()
        if declared is None and not ends:
            if chunked:
                raise LengthRequired("this server cannot read a body without Content-Length")
            return b""
        limit = declared if most is None else most
        if limit is None:
            raise LengthRequired("a body without Content-Length needs a limit")
        source: IO[bytes] = self.environ["wsgi.input"]
        if declared is not None and declared > limit:
            _drain(source, declared)
            raise RequestEntityTooLarge
        body = _read(source, declared if declared is not None and not ends else limit + 1)
        if len(body) > limit:
            _drain(source, _DRAINED)
            raise RequestEntityTooLarge
        if declared is not None and len(body) != declared:
            raise ClientDisconnected(f"the body has {len(body)} of {declared} bytes")
        return body

    def _declared_length(self) -> int | None:
        sent = self.environ.get("CONTENT_LENGTH") or None
        if sent is None:
            return None
        if not (sent.isascii() and sent.isdigit() and len(sent) < 19):
            raise BadRequest("Content-Length is not a whole number")
        return int(sent)


def _read(source: IO[bytes], most: int) -> bytes:
    body = bytearray()
    try:
        while len(body) < most:
            part = source.read(min(_CHUNK, most - len(body)))
            if not part:
                break
            body += part
    except (OSError, ValueError):
        raise ClientDisconnected("the body does not end") from None
    return bytes(body)


def _drain(source: IO[bytes], most: int) -> None:
    left = min(most, _DRAINED)
    try:
        while left > 0 and (part := source.read(min(_CHUNK, left))):
            left -= len(part)
    except (OSError, ValueError):
        return  # the sender has gone already


def guard(request: flask.Request) -> None:
    """Refuse a request before its route: its body, then what it says.

    JSON is looked at where it is parsed (`api.Parser`), a file where its lines are.

    Raises
    ------
    HTTPException
        The body; see `Request.stream`.
    NotFound
        The path holds a character that none of our ids or names contains.
    TextRefused
        Naming each query parameter, form field or header.
    """
    request.get_data()  # kept, and parsed as a form or as JSON from what is kept
    if flaw(request.path) is not None:
        raise NotFound
    flaws = list(_flaws(request.headers.items(), "/headers"))
    flaws += _flaws(request.args.items(multi=True), "")
    if request.mimetype in _FORMS:
        flaws += _flaws(request.form.items(multi=True), "")
        flaws += _flaws(((name, file.filename or "") for name, file in request.files.items(multi=True)), "")
    if flaws:
        raise TextRefused(errors=flaws)


def _flaws(pairs: Iterable[tuple[str, str]], place: str) -> Iterator[dict[str, str]]:
    for name, value in pairs:
        wrong = flaw(name)
        if wrong is not None:
            yield {"pointer": f"{place}/{printable(name)}", "detail": f"the name {wrong}"}
        wrong = flaw(value)
        if wrong is not None:
            yield {"pointer": f"{place}/{printable(name)}", "detail": wrong}
