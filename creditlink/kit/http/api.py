"""The API's own Api, Blueprint and Schema: problem+json, strict bodies, scopes in OpenAPI."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date
from functools import partial
from http import HTTPStatus
from itertools import islice
from threading import Lock
from typing import ClassVar, TypeVar

import flask
import flask_smorest
import marshmallow as ma
import structlog
from flask.typing import ResponseReturnValue
from flask_smorest.utils import deepupdate
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException

from creditlink.kit import errors
from creditlink.kit.clock import day_from
from creditlink.kit.errors import Problem
from creditlink.kit.files.text import flaws, pointer, printable
from creditlink.kit.files.textfile import JsonInvalid, json_of

_MOST_NAMED = 20
PROBLEM_JSON = "application/problem+json"
View = TypeVar("View", bound=Callable[..., object])

# What Flask and Werkzeug raise by themselves, as our problem types.
_BY_STATUS: dict[int, type[Problem]] = {
    400: errors.MalformedBody,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.BodyTooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.InvalidRequest,
}


class Schema(ma.Schema):
    """Base of all bodies and parameters: unknown fields are refused by name."""

    loads_into: ClassVar[Callable[..., object] | None] = None
    """The dataclass that a view gets, its fields those of the schema; None: the view gets a dict."""

    class Meta:
        """Strictness."""

        unknown = ma.RAISE
        ordered = True

    @ma.post_load
    def _load_into(self, fields: dict[str, object], **_: object) -> object:
        # Through the class: a plain function there would be bound.
        into = type(self).loads_into
        return fields if into is None else into(**fields)


class FieldProblemSchema(ma.Schema):
    """One field that is wrong; of a file also its line and the like."""

    class Meta:
        """Further members tell the place in a file."""

        unknown = ma.INCLUDE

    pointer = ma.fields.String(metadata={"description": "Where, as a JSON pointer"})
    detail = ma.fields.String(metadata={"description": "What it must be"})


class ProblemSchema(ma.Schema):
    """An RFC 9457 problem document."""

    class Meta:
        """Some problem types have members of their own."""

        unknown = ma.INCLUDE

    type = ma.fields.String(required=True, metadata={"description": "Which problem: the address of the page about it"})
    title = ma.fields.String(required=True, metadata={"description": "The problem type in words"})
    status = ma.fields.Integer(required=True, metadata={"description": "The HTTP status"})
    detail = ma.fields.String(metadata={"description": "What happened this time"})
    request_id = ma.fields.String(metadata={"description": "Quote it when you ask us"})
    errors = ma.fields.List(ma.fields.Nested(FieldProblemSchema), metadata={"description": "Every field that is wrong"})
    reason = ma.fields.String(metadata={"description": "Machine-readable reason of a refused consent"})
    attribute = ma.fields.String(metadata={"description": "The consent's attribute whose limit is reached"})


class Day(ma.fields.Date):
    """A day as `YYYY-MM-DD`: what OpenAPI calls a date, and no other form of ISO 8601."""

    def _deserialize(self, value: object, attr: str | None, data: object, **_: object) -> date:
        try:
            return day_from(value)
        except ValueError:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None


class Parser(FlaskParser):
    """Reads JSON strictly: it refuses a body that repeats a member or holds a value we cannot store."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": ma.RAISE}  # noqa: RUF012 (webargs reads it from the class)

    def load_json(self, req: flask.Request, schema: ma.Schema) -> object:
        """Return the parsed body."""
        if not req.is_json:
            if not req.get_data():
                return ma.missing
            raise errors.UnsupportedMediaType("send application/json")
        try:
            body = json_of(req.get_data())
        except UnicodeDecodeError:
            raise errors.MalformedBody("the body is not UTF-8") from None
        except JsonInvalid as error:
            raise errors.MalformedBody(f"the body is not valid JSON: {printable(str(error))}") from None
        found = [{"pointer": pointer(where), "detail": wrong} for where, wrong in islice(flaws(body), _MOST_NAMED)]
        if found:
            raise errors.InvalidRequest(errors=found)
        return body


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # the library has no types
    """A slice's routes. `problems` states what a route may refuse; `arguments` are strict."""

    ARGUMENTS_PARSER = Parser()

    def register_views_in_doc(self, api: Api, *about: object, **more: object) -> None:
        """Leave it to the first reader of the document: it takes nearly half of an application's start."""
        api.undocumented.append(partial(super().register_views_in_doc, api, *about, **more))

    def problems(self, *kinds: type[Problem]) -> Callable[[View], View]:
        """Document the problem types that the route may answer."""

        def decorate(view: View) -> View:
            by_status: dict[int, list[type[Problem]]] = {}
            for kind in kinds:
                by_status.setdefault(kind.status, []).append(kind)
            for status, same in by_status.items():
                description = "; ".join(f"{kind.title} (`{kind.slug}`)" for kind in same)
                view = self.alt_response(
                    status,
                    schema=ProblemSchema,
                    description=description,
                    examples={kind.slug: {"$ref": f"#/components/examples/{kind.slug}"} for kind in same},
                    content_type=PROBLEM_JSON,
                )(view)
            return view

        return decorate

    def reads(self, *headers: str) -> Callable[[View], View]:
        """Document the request's headers that the route reads; `web.contract` knows each by name."""

        def decorate(view: View) -> View:
            routed: View = self.doc(**{"x-reads": list(headers)})(view)
            return routed

        return decorate


def document_security(view: View, scope: str) -> View:
    """State in OpenAPI, and for the convention tests, that `view` needs an access token with `scope`."""
    view.required_scope = scope  # type: ignore[attr-defined]  # functions carry it for the guard tests
    doc = deepcopy(getattr(view, "_apidoc", {}))
    view._apidoc = deepupdate(doc, {"manual_doc": {"security": [{"oauth2": [scope]}]}})  # type: ignore[attr-defined]  # smorest's own hook
    return view


def public(view: View) -> View:
    """Mark a route as open to everybody, on purpose."""
    view.required_scope = None  # type: ignore[attr-defined]  # see document_security
    return view


class Api(flask_smorest.Api):  # type: ignore[misc]  # the library has no types
    """Registers blueprints, makes OpenAPI 3.1, answers every error as a problem."""

    ERROR_SCHEMA = ProblemSchema

    def __init__(self, *about: object, **more: object) -> None:
        self.undocumented: deque[Callable[[], None]] = deque()
        self.complete: Callable[[dict[str, object]], object] = lambda document: document
        self._documented: bytes | None = None
        self._documenting = Lock()
        super().__init__(*about, **more)

    def _openapi_json(self) -> flask.Response:
        with self._documenting:
            while self.undocumented:
                self.undocumented.popleft()()
            if self._documented is None:
                self._documented = json.dumps(self.complete(self.spec.to_dict()), indent=2).encode()
        return flask.Response(self._documented, content_type="application/json")

    def _register_responses(self) -> None:
        # smorest documents its default answers, errors all of them, as application/json.
        usual: str = self.DEFAULT_RESPONSE_CONTENT_TYPE  # type: ignore[has-type]  # the library has no types
        self.DEFAULT_RESPONSE_CONTENT_TYPE = PROBLEM_JSON
        super()._register_responses()
        self.DEFAULT_RESPONSE_CONTENT_TYPE = usual

    def handle_http_exception(self, error: HTTPException) -> ResponseReturnValue:
        """Answer what Flask, Werkzeug or webargs raised."""
        return problem_response(_from_http(error))


def _from_http(error: HTTPException) -> Problem:
    status = error.code or 500
    data: Mapping[str, object] = getattr(error, "data", None) or {}
    kind = _BY_STATUS.get(status)
    if kind is None:
        unnamed = Problem()
        unnamed.status = status  # type: ignore[misc]  # an instance may narrow the class's status
        unnamed.title = HTTPStatus(status).phrase  # type: ignore[misc]  # as above
        unnamed.slug = HTTPStatus(status).phrase.lower().replace(" ", "-")  # type: ignore[misc]  # as above
        return unnamed
    methods = getattr(error, "valid_methods", None)
    headers = {"Allow": ", ".join(sorted(methods))} if methods else {}
    messages = data.get("messages")
    if not isinstance(messages, Mapping):
        return kind(headers=headers)
    # webargs says where it looked; for body and query the field alone is named, as everywhere else.
    found = [
        error for place, inner in messages.items() for error in field_errors(inner, _PLACES.get(place, f"/{place}"))
    ]
    return kind(errors=found, headers=headers)


_PLACES = {"json": "", "query": ""}


def field_errors(messages: object, pointer: str = "") -> list[dict[str, str]]:
    """Return marshmallow's nested messages as a flat list of `{pointer, detail}`."""
    if isinstance(messages, Mapping):
        flat: list[dict[str, str]] = []
        for key, inner in messages.items():
            step = "" if key == "_schema" else f"/{key}"
            flat += field_errors(inner, pointer + step)
        return flat
    if isinstance(messages, list):
        return [{"pointer": pointer or "/", "detail": str(message)} for message in messages]
    return [{"pointer": pointer or "/", "detail": str(messages)}]


def problem_response(problem: Problem) -> ResponseReturnValue:
    """Return the response for a problem, with the request's id in it."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    response = flask.jsonify(problem.body(request_id))
    response.status_code = problem.status
    response.content_type = PROBLEM_JSON
    response.headers.update(problem.headers)
    return response
