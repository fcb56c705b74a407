"""HTTP into the application that serves the page: the same entry, middleware and guard as from the network.

It is in this thread: were it a connection, a server busy with pages would wait for itself. It has contexts of its own,
so that nothing of the page reaches the call, and nothing of the call the page.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import flask
import httpx

from creditlink.kit.http.visit import WITHIN


class WithinTransport(httpx.BaseTransport):
    """Gives a request to a WSGI application, as a server does."""

    def __init__(self, app: flask.Flask) -> None:
        def marked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ[WITHIN] = True
            return app.wsgi_app(environ, start_response)

        self._wsgi = httpx.WSGITransport(app=marked)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the application's answer, read to its end."""
        return contextvars.Context().run(self._answer, request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        response = self._wsgi.handle_request(request)
        response.read()
        return response


def client_of(app: flask.Flask, issuer: str) -> httpx.Client:
    """Return what calls the application at its public address."""
    # Compressing what never leaves the process would take longer than most calls.
    plain = {"Accept-Encoding": "identity"}
    return httpx.Client(transport=WithinTransport(app), base_url=issuer, headers=plain, timeout=30, trust_env=False)
