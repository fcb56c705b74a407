"""Limits at the door: senders without a token by their address, and what every answer says of what is left."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests as TooManyHttp

from creditlink.access.errors import TemporarilyUnavailable
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import TooManyRequests
from creditlink.kit.http import visit
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.metering import admission, rates, stores
from creditlink.metering.limiter import Limiter
from creditlink.portal.public import outside

_FREE = ("/health/", "/metrics", "/portal/static/", "/reference/static/")
"""The operator's probes, and files that a page needs: they cost next to nothing."""


def join(app: flask.Flask, settings: Settings) -> None:
    """Give an application its limits."""
    usual = settings.parsed(rates.FILE, rates.parse)
    times = settings.limits_times
    runtime.of_app(app).put(Limiter(usual.times(times) if times else None, stores.store_of(settings)))
    app.before_request(_by_address)
    app.after_request(admission.tell)


def _by_address() -> ResponseReturnValue | None:
    """Refuse an address that asks too often where no token says who asks; a token's own limits are the guard's."""
    kind = _kind_of(flask.request)
    if kind is None:
        return None
    try:
        flask.g.admitted = runtime.part(Limiter).admit_address(kind, flask.request.remote_addr, utc_now())
    except TooManyRequests as problem:
        return _refused(problem)
    return None


def _kind_of(request: flask.Request) -> str | None:
    """Return which of the rates by address is for a request; None: none of them."""
    path = request.path
    if path.startswith(_FREE) or visit.is_within(request.environ):
        return None
    if path.startswith("/oauth/"):
        return "authorization"
    if path.startswith("/portal"):
        return "pages"
    view = flask.current_app.view_functions.get(request.endpoint or "")
    return None if getattr(view, "required_scope", None) is not None else "open"


def _refused(problem: TooManyRequests) -> ResponseReturnValue:
    """Answer in the form that whoever asks expects: a page, RFC 6749's body, or a problem."""
    if flask.request.path.startswith("/oauth/") and flask.request.method == "POST":
        _, body, _ = TemporarilyUnavailable()()
        answer = flask.jsonify(dict(body) | {"error_description": problem.title})
        answer.status_code = problem.status
    elif outside.is_browser(flask.request):
        answer = flask.make_response(outside.error_page(TooManyHttp()))
    else:
        raise problem
    answer.headers.update(problem.headers)
    return answer
