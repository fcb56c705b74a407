"""A file that somebody handed in, handed out again: as a download, never as a page of ours."""

from __future__ import annotations

from urllib.parse import quote

import flask

from creditlink.kit.files.documents import KINDS


def handed_out(content: bytes, *, kind: str, name: str, plain: str) -> flask.Response:
    """Return a file as a download.

    Parameters
    ----------
    kind : of `documents.KINDS`.
    name : what the person called it, in any script.
    plain : what it is called without its ending where a client reads ASCII alone.
    """
    response = flask.Response(content, content_type=KINDS[kind])
    # A header holds ASCII alone: the name in Chinese goes in the form of RFC 6266.
    full = quote(name, safe="")
    response.headers["Content-Disposition"] = f"attachment; filename=\"{plain}.{kind}\"; filename*=UTF-8''{full}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
