"""create_app(): the one place where parts are joined."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import flask
import structlog
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Map

from creditlink import __version__
from creditlink.consents.life.refusals import record_refusal
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Problem
from creditlink.kit.http import border, visit
from creditlink.kit.http.api import Api, problem_response, public
from creditlink.kit.keyring import keys_of
from creditlink.kit.postgres import db
from creditlink.kit.postgres.outage import answer_for
from creditlink.kit.processes import runtime
from creditlink.kit.processes.log import configure_logging
from creditlink.kit.processes.metrics import REQUEST_SECONDS, REQUESTS
from creditlink.kit.settings import Settings
from creditlink.portal.firm.known.reports import verify
from creditlink.portal.public import outside
from creditlink.portal.site import FILE_PATHS
from creditlink.status.recorder import Recorder
from creditlink.web import compression, health, limits, reference, security
from creditlink.web.contract import pages as problem_pages
from creditlink.web.contract.completion import completed
from creditlink.web.front import exchange
from creditlink.web.wiring import register_slices

log = structlog.get_logger()

_ID, _BEGAN = "creditlink.request_id", "creditlink.began"  # in a request's environment
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Number(IntegerConverter):
    """A whole number in an address, as large as may be counted on from; beyond that there is nothing of ours."""

    def __init__(self, map: Map) -> None:  # noqa: A002 (Werkzeug's name)
        super().__init__(map, max=2**31 - 1)


def create_app(settings: Settings, database: db.Database) -> flask.Flask:
    """Return the WSGI application: API, authorization server and pages.

    The database is a parameter so that tests and commands can choose theirs.
    """
    configure_logging(settings)
    db.configure(database, role="api")
    app = flask.Flask("creditlink.web", static_folder=None)
    app.request_class = border.Request
    app.config.update(
        SECRET_KEY=keys_of(settings.secret_key).first.secret,  # Flask wants one; no cookie of ours is signed with it
        WTF_CSRF_SECRET_KEY=settings.secret_key,  # all of its keys: a form may be open while they change
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        MAX_FORM_MEMORY_SIZE=settings.max_body_bytes,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.issuer.startswith("https"),
        API_TITLE="CreditLink",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
    )
    app.url_map.converters["int"] = _Number
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    runtime.install(app).put(settings)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # as Flask documents
    _observe(app)
    limits.join(app, settings)
    app.before_request(lambda: _guard(settings.max_upload_bytes))
    app.register_error_handler(Problem, _refused)
    app.register_error_handler(Exception, _unexpected)
    app.register_error_handler(500, _unexpected)  # what happens outside of a view: a session that is not stored, say
    app.wsgi_app = _identified(app.wsgi_app)  # type: ignore[assignment,method-assign]  # as Flask documents
    api = Api(app, spec_kwargs=reference.openapi_options(settings))
    api.complete = partial(completed, app)
    register_slices(app, api, settings)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(reference.blueprint)
    app.register_blueprint(security.blueprint)
    app.register_blueprint(problem_pages.blueprint)
    app.add_url_rule("/", "root", public(outside.root))
    app.add_url_rule("/verify", "verify", public(verify.short))
    app.add_url_rule("/verify/<token>", "verify_report", public(verify.short))
    app.register_error_handler(HTTPException, lambda error: _http_error(api, error))
    app.after_request(compression.compress)
    return app


def _guard(upload_bytes: int) -> None:
    """Refuse what no route may see; the pages that take files take a larger body."""
    if flask.request.method == "POST" and FILE_PATHS.fullmatch(flask.request.path):
        flask.request.max_content_length = upload_bytes
    border.guard(flask.request)


def _identified(inner: WSGIApplication) -> WSGIApplication:
    """Give every request an id before anything in it can fail."""

    def outer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = exchange.request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        environ[_ID] = request_id
        environ.setdefault(_BEGAN, time.perf_counter())  # a request that waited runs again, but began only once
        return inner(environ, start_response)

    return outer


def _observe(app: flask.Flask) -> None:
    """Give every answer its request's id, a log line and a measured time."""
    recorder = Recorder()
    runtime.of_app(app).put(recorder)

    @app.after_request
    def end(response: flask.Response) -> flask.Response:
        seconds = time.perf_counter() - flask.request.environ[_BEGAN]
        route = flask.request.url_rule.rule if flask.request.url_rule else "(none)"
        response.headers["X-Request-ID"] = flask.request.environ[_ID]
        for name, value in exchange.SAFE_HEADERS.items():
            response.headers.setdefault(name, value)
        seen = visit.of(flask.request.environ)
        if seen is not None and seen.awaited is not None:
            return response  # it is not sent: the request will run again
        # Senders may write any method: each unknown one would stay a time series for good.
        method = flask.request.method if flask.request.method in _METHODS else "other"
        REQUESTS.labels(method, route, response.status_code).inc()
        REQUEST_SECONDS.labels(route).observe(seconds)
        recorder.observe(route, response.status_code, seconds, utc_now())
        response.call_on_close(lambda: recorder.write(utc_now()))
        if not route.startswith("/health") and route != "/metrics":
            log.info(
                "request",
                method=method,
                route=route,
                status=response.status_code,
                ms=round(seconds * 1e3, 1),
            )
        return response


def _refused(problem: Problem) -> ResponseReturnValue:
    """Answer a problem; where it refuses a bank a firm's data, record evidence first."""
    access = flask.g.get("access")
    if access is not None:
        route = flask.request.url_rule.rule if flask.request.url_rule else "(none)"
        why = flask.g.get("refused_for")
        record_refusal(
            access, access.client_id, problem, route=f"{flask.request.method} {route}", now=utc_now(), why=why
        )
    return problem_response(problem)


def _http_error(api: Api, error: HTTPException) -> ResponseReturnValue:
    """Answer a browser with a page, and a program with a problem."""
    if outside.is_browser(flask.request):
        return outside.error_page(error)
    problem: ResponseReturnValue = api.handle_http_exception(error)
    return problem


def _unexpected(error: Exception) -> ResponseReturnValue:
    """Answer trouble with the database with 503, and a bug with a plain 500; both carry the request id."""
    return problem_response(answer_for(error))
