"""An OpenAPI document as people read it: sections, operations, fields, a sample of each body. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from markupsafe import Markup, escape

Json: TypeAlias = Mapping[str, object]
_METHODS = ("get", "post", "put", "patch", "delete")
_REF = "#/components/schemas/"
_DEEPEST = 5
_SAMPLES = {
    "date": "2026-11-30", "date-time": "2026-11-30T02:00:00Z", "uuid": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "uri": "https://bank.example/hooks", "email": "a@bank.example",
}  # fmt: skip


@dataclass(frozen=True)
class FieldShown:
    """A parameter, or a member of a body."""

    name: str
    kind: str  # of what type, in words
    is_required: bool
    text: Markup
    limits: str
    schema: str | None  # the schema that describes it, by name
    place: str = ""  # of a parameter: path, query or header


@dataclass(frozen=True)
class AnswerShown:
    """One answer of an operation."""

    status: str
    text: Markup
    schema: str | None


@dataclass(frozen=True)
class OperationShown:
    """One operation: what it asks for and what it answers."""

    method: str
    path: str
    title: str
    text: Sequence[Markup]
    scopes: Sequence[str]
    parameters: Sequence[FieldShown]
    body: str | None  # a schema by name
    sample: str  # of the body
    answers: Sequence[AnswerShown]
    answer_sample: str

    @property
    def anchor(self) -> str:
        """Return the operation's place in its page."""
        return f"{self.method}{re.sub(r'[^a-z0-9]+', '-', self.path.lower()).rstrip('-')}"


@dataclass(frozen=True)
class SchemaShown:
    """A body or a part of one."""

    name: str
    text: Sequence[Markup]
    fields: Sequence[FieldShown]


@dataclass(frozen=True)
class SectionShown:
    """What belongs together: operations, and every schema that they speak of."""

    name: str
    text: Markup
    operations: Sequence[OperationShown]
    schemas: Sequence[SchemaShown]


def sections_of(document: Json) -> Mapping[str, SectionShown]:
    """Return the sections of a document by name, in its order."""
    schemas, headers = _schemas(document), _dict(_dict(document, "components"), "parameters")
    found: dict[str, list[OperationShown]] = {str(tag["name"]): [] for tag in _list(document, "tags")}
    for path, item in _dict(document, "paths").items():
        shared = _list(cast(Json, item), "parameters")
        for method in _METHODS:
            operation = cast(Json, item).get(method)
            if isinstance(operation, Mapping):
                named = [_resolved(one, headers) for one in [*shared, *_list(operation, "parameters")]]
                shown = _operation(method, path, operation, named, schemas)
                for tag in cast(Sequence[str], operation.get("tags", ())):
                    found.setdefault(tag, []).append(shown)
    texts = {str(tag["name"]): str(tag.get("description", "")) for tag in _list(document, "tags")}
    return {
        name: SectionShown(name, inline(texts.get(name, "")), operations, _spoken_of(operations, schemas))
        for name, operations in found.items()
        if operations
    }


def paragraphs(text: str) -> list[Markup]:
    """Return a description's paragraphs."""
    return [inline(" ".join(one.split())) for one in re.split(r"\n\s*\n", text) if one.strip()]


def inline(text: str) -> Markup:
    """Return a text with its code and its emphasis marked; everything else in it is escaped."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", marked))  # noqa: S704 (escaped above)


def _operation(
    method: str, path: str, operation: Json, named: Sequence[Json], schemas: Mapping[str, Json]
) -> OperationShown:
    body = _content(cast(Json, operation.get("requestBody", {})))
    answers, good = [], None
    for status, answer in _dict(operation, "responses").items():
        # What every operation may answer is said once, in the document: there it is a reference.
        if isinstance(answer, Mapping) and "description" in answer and status != "default":
            schema = _content(answer)
            name = None if schema is None else _name(schema)
            answers.append(AnswerShown(status, inline(str(answer.get("description", ""))), name))
            if status.startswith("2") and schema is not None and status != "202":
                good = schema
    security = cast(Sequence[Mapping[str, Sequence[str]]], operation.get("security", ()))
    return OperationShown(
        method=method,
        path=path,
        title=str(operation.get("summary", "")),
        text=paragraphs(str(operation.get("description", ""))),
        scopes=list(dict.fromkeys(scope for one in security for scopes in one.values() for scope in scopes)),
        parameters=[
            _field(str(one["name"]), cast(Json, one.get("schema", {})), required=bool(one.get("required")),
                   text=str(one.get("description", "")), place=str(one.get("in", "")))
            for one in named
        ],
        body=None if body is None else _name(body),
        sample="" if body is None else _sample(body, schemas),
        answers=sorted(answers, key=lambda one: one.status),
        answer_sample="" if good is None else _sample(good, schemas),
    )  # fmt: skip


def _resolved(parameter: Json, headers: Json) -> Json:
    """Return a parameter, or the one that it refers to."""
    name = str(parameter.get("$ref", "")).rpartition("/")[2]
    return cast(Json, headers[name]) if name in headers else parameter


def _content(holder: Json) -> Json | None:
    """Return the schema of a body or an answer, of whichever type of content it is."""
    for media in _dict(holder, "content").values():
        schema = cast(Json, media).get("schema")
        if isinstance(schema, Mapping):
            return schema
    return None


def _field(name: str, schema: Json, *, required: bool, text: str = "", place: str = "") -> FieldShown:
    words = text or str(schema.get("description", ""))
    return FieldShown(name, _kind(schema), required, inline(words), _limits(schema), _name(schema), place)


def _kind(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_kind(one) for one in _list(schema, several))
    kind = schema.get("type", "any")
    kinds = [str(one) for one in kind] if isinstance(kind, list) else [str(kind)]
    items = schema.get("items")
    if isinstance(items, Mapping):
        kinds = [f"array of {_kind(items)}" if one == "array" else one for one in kinds]
    if "format" in schema:
        kinds[0] += f" ({schema['format']})"
    return " or ".join(kinds)


def _limits(schema: Json) -> str:
    inner = schema.get("items")
    within = inner if isinstance(inner, Mapping) else {}
    said = []
    for name, words in (
        ("minimum", "at least {}"), ("maximum", "at most {}"), ("minLength", "{} characters or more"),
        ("maxLength", "{} characters at most"), ("minItems", "{} or more"), ("maxItems", "{} at most"),
        ("pattern", "{}"), ("default", "default {}"),
    ):  # fmt: skip
        if name in schema:
            said.append(words.format(json.dumps(schema[name], ensure_ascii=False).strip('"')))
    choices = schema.get("enum", within.get("enum"))
    if isinstance(choices, list):
        said.append("one of " + ", ".join(str(one) for one in choices if one is not None))
    return "; ".join(said)


def _name(schema: Json) -> str | None:
    """Return the name of the schema that a member or a body is of, through arrays and alternatives."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    inner = schema.get("items")
    for one in [*([inner] if isinstance(inner, Mapping) else []), *_list(schema, "anyOf"), *_list(schema, "allOf")]:
        if (name := _name(one)) is not None:
            return name
    return None


def _spoken_of(operations: Sequence[OperationShown], schemas: Mapping[str, Json]) -> list[SchemaShown]:
    """Return every schema that operations speak of, and those that these speak of."""
    waiting = [name for one in operations for name in (one.body, *(answer.schema for answer in one.answers)) if name]
    found: dict[str, SchemaShown] = {}
    while waiting:
        name = waiting.pop(0)
        if name in found or name not in schemas:
            continue
        shown = found[name] = _schema(name, schemas[name])
        waiting += [one.schema for one in shown.fields if one.schema]
    return sorted(found.values(), key=lambda one: one.name)


def _schema(name: str, schema: Json) -> SchemaShown:
    required = cast(Sequence[str], schema.get("required", ()))
    fields = [
        _field(member, cast(Json, one), required=member in required)
        for member, one in _dict(schema, "properties").items()
    ]
    return SchemaShown(name, paragraphs(str(schema.get("description", ""))), fields)


def _sample(schema: Json, schemas: Mapping[str, Json]) -> str:
    return json.dumps(_value(schema, schemas, 0), ensure_ascii=False, indent=2)


def _value(schema: Json, schemas: Mapping[str, Json], depth: int) -> object:
    """Return a value of a schema: the first choice, the least number, one of a list; deep down, nothing."""
    if "$ref" in schema:
        return _value(schemas.get(str(schema["$ref"]).removeprefix(_REF), {}), schemas, depth)
    for first in (*_list(schema, "anyOf"), *_list(schema, "allOf"), *_list(schema, "oneOf")):
        return _value(first, schemas, depth)
    choices = schema.get("enum")
    if isinstance(choices, list):
        return choices[0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        members = _dict(schema, "properties").items() if depth < _DEEPEST else ()
        return {name: _value(cast(Json, one), schemas, depth + 1) for name, one in members}
    if kind == "array":
        inner = schema.get("items")
        return [_value(inner, schemas, depth + 1)] if isinstance(inner, Mapping) and depth < _DEEPEST else []
    if kind in ("integer", "number"):
        return schema.get("default", schema.get("minimum", 1))
    if kind == "boolean":
        return schema.get("default", False)
    return schema.get("default", _SAMPLES.get(str(schema.get("format", "")), "…")) if kind == "string" else None


def _schemas(document: Json) -> Mapping[str, Json]:
    return cast(Mapping[str, Json], _dict(_dict(document, "components"), "schemas"))


def _dict(holder: Json, name: str) -> Json:
    found = holder.get(name)
    return found if isinstance(found, Mapping) else {}


def _list(holder: Json, name: str) -> list[Json]:
    return list(_each(holder.get(name)))


def _each(found: object) -> Iterator[Json]:
    for one in found if isinstance(found, list) else ():
        if isinstance(one, Mapping):
            yield one
