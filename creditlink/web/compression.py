"""Compression of answers for clients that accept gzip: whole texts above a certain size."""

from __future__ import annotations

import gzip

import flask

_TYPES = ("text/", "application/json", "application/problem+json", "application/javascript", "image/svg+xml")
_LEAST_BYTES = 1024
_LEVEL = 5


def compress(response: flask.Response) -> flask.Response:
    """Compress an answer with gzip where that helps and the caller accepts it.

    The only secret in a page is a form token, signed afresh for every page: so the size of an answer says nothing about
    it.
    """
    if not (response.content_type or "").startswith(_TYPES) or response.status_code in (204, 206, 304):
        return response
    response.vary.add("Accept-Encoding")
    if (
        (response.is_streamed and not response.direct_passthrough)
        or response.headers.get("Content-Encoding")
        or not flask.request.accept_encodings["gzip"]
    ):
        return response
    response.direct_passthrough = False
    source = response.response
    body = response.get_data()
    if hasattr(source, "close"):
        source.close()  # a file that is sent from memory now
    if len(body) < _LEAST_BYTES:
        return response
    response.set_data(gzip.compress(body, _LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    etag, _ = response.get_etag()
    if etag:
        response.set_etag(etag, weak=True)  # other bytes, the same content
    return response
