"""The authorization server's addresses. Each answers from one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from creditlink.access import context
from creditlink.access.context import OAuthContext
from creditlink.access.errors import InvalidRequestError, OAuth2Error, TemporarilyUnavailable
from creditlink.access.guard import current_access, require_access
from creditlink.access.settings import load_oauth_settings
from creditlink.institutions.jwks import KeysNeeded
from creditlink.kit.clock import utc_now
from creditlink.kit.http.api import problem_response, public
from creditlink.kit.http.border import TextRefused
from creditlink.kit.postgres import db
from creditlink.kit.postgres.outage import answer_for
from creditlink.kit.processes import runtime
from creditlink.kit.processes.metrics import OAUTH_REFUSALS
from creditlink.kit.settings import Settings
from creditlink.oauth.endpoints import authorize, grant_management, metadata, token
from creditlink.oauth.requests import FormRequest, read_form
from creditlink.oauth.server import OAuthServer

blueprint = flask.Blueprint("oauth", __name__)

_PARAMETER = re.compile("[a-z_]{1,40}")
Endpoint = Callable[[OAuthServer, FormRequest], flask.Response]


def register(app: flask.Flask, settings: Settings) -> None:
    """Join the authorization server to the application."""
    runtime.of_app(app).put(OAuthContext(load_oauth_settings(settings), settings.secret_key))
    app.register_blueprint(blueprint)


@blueprint.get("/.well-known/oauth-authorization-server")
@public
def get_metadata() -> flask.Response:
    """Describe the server (RFC 8414)."""
    response = flask.jsonify(metadata.document(context.current().settings))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.post("/oauth/par")
@public
def push() -> flask.Response:
    """Take an authorization request (RFC 9126)."""
    return _answer(lambda server, request: server.create_endpoint_response("pushed_authorization_request", request))


@blueprint.post("/oauth/bc-authorize")
@public
def ask_in_inbox() -> flask.Response:
    """Take a request that waits in the firm's inbox (CIBA, poll mode)."""
    return _answer(lambda server, request: server.create_endpoint_response("backchannel_authentication", request))


@blueprint.get("/oauth/authorize")
@public
def begin() -> flask.Response:
    """Send the browser to the consent page."""
    with db.transaction() as session:
        return authorize.answer(session, flask.request, now=utc_now())


@blueprint.post("/oauth/token")
@public
def issue() -> flask.Response:
    """Exchange a code, refresh, or poll (RFC 6749 section 3.2)."""
    return _answer(token.answer)


@blueprint.post("/oauth/introspect")
@public
def introspect() -> flask.Response:
    """Say what the client's own token is good for (RFC 7662)."""
    return _answer(lambda server, request: server.create_endpoint_response("introspection", request))


@blueprint.post("/oauth/revoke")
@public
def revoke() -> flask.Response:
    """Revoke the client's own token (RFC 7009)."""
    return _answer(lambda server, request: server.create_endpoint_response("revocation", request))


@blueprint.get("/oauth/grants/<grant_id>")
@require_access(grant_management.QUERY)
def query_grant(grant_id: str) -> flask.Response:
    """Show the client's own grant (Grant Management)."""
    with db.transaction() as session:
        return flask.jsonify(grant_management.query(session, current_access(), grant_id, now=utc_now()))


@blueprint.delete("/oauth/grants/<grant_id>")
@require_access(grant_management.REVOKE)
def revoke_grant(grant_id: str) -> flask.Response:
    """Revoke the client's own grant, and with it every token (Grant Management)."""
    with db.transaction() as session:
        grant_management.revoke(session, current_access(), grant_id, now=utc_now())
    return flask.Response(status=204)


@blueprint.errorhandler(HTTPException)
def refuse_body(error: HTTPException) -> flask.Response:
    """Say in RFC 6749's form what is wrong with a body that was not read."""
    descriptions = {411: "the body needs a Content-Length", 413: "the body is too large"}
    return _refused(descriptions.get(error.code or 400, "the body cannot be read"), error.code or 400)


@blueprint.errorhandler(TextRefused)
def refuse_text(refused: TextRefused) -> flask.Response:
    """Name the first parameter that holds a character nothing could keep; a header or an odd name is not repeated."""
    name = refused.errors[0]["pointer"].removeprefix("/")
    name = name if _PARAMETER.fullmatch(name) else "a parameter or header"
    return _refused(f"{name} holds a character that is not accepted", 400)


def _refused(description: str, status: int) -> flask.Response:
    if flask.request.endpoint == "oauth.begin":  # a browser asks
        return authorize.no_such_request()
    return _refusal(InvalidRequestError(description, status_code=status))


def _answer(endpoint: Endpoint) -> flask.Response:
    """Read the parameters, open the one transaction, answer.

    An OAuth error is an answer like any other and commits: a used jti stays used, a replayed code stays
    revoked. Only an exception rolls back.
    """
    now = utc_now()
    try:
        form = read_form(flask.request)
    except OAuth2Error as error:
        return _refusal(error)
    try:
        return _in_transaction(endpoint, form)
    except KeysNeeded as needed:
        # The keys are fetched between two transactions: no database connection waits for a bank's server.
        context.current().remote_keys.fetch(needed.uri, now=now)
    try:
        return _in_transaction(endpoint, form)
    except KeysNeeded:
        return _refusal(InvalidRequestError("the client keys are not available", status_code=503))


def _in_transaction(endpoint: Endpoint, form: Mapping[str, str]) -> flask.Response:
    with db.transaction() as session:
        server = OAuthServer(session, context.current(), now=utc_now())
        sent = flask.request
        return endpoint(server, server.request(method=sent.method, path=sent.path, form=form, headers=sent.headers))


@blueprint.errorhandler(SQLAlchemyError)
@blueprint.errorhandler(500)
def fail(error: Exception) -> ResponseReturnValue:
    """Answer trouble of the database in RFC 6749's form, a bug as everywhere."""
    problem = answer_for(error)
    if problem.status != 503:
        return problem_response(problem)
    response = _refusal(TemporarilyUnavailable())
    response.headers.update(problem.headers)
    return response


def _refusal(error: OAuth2Error) -> flask.Response:
    route = flask.request.url_rule.rule if flask.request.url_rule else "(none)"
    OAUTH_REFUSALS.labels(f"{flask.request.method} {route}", error.error).inc()
    status, body, headers = error()
    response = flask.jsonify(body)
    response.status_code = status
    response.headers.update(headers)
    return response
