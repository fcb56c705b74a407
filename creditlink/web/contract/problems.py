"""Every error that an operation may answer, with an example of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from creditlink.access.guard import InvalidTokenRequest
from creditlink.kit import errors
from creditlink.kit.errors import Problem
from creditlink.kit.http.api import PROBLEM_JSON
from creditlink.metering.fields import QuotaUsedUp
from creditlink.web.contract import headers
from creditlink.web.contract.nodes import Node, held, node, objects_of, operations_of

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_MORE: Mapping[type[Problem], Node] = {
    errors.InvalidRequest: {"errors": [{"pointer": "/amount_fen", "detail": "Must be greater than or equal to 100."}]},
    errors.ConsentRefused: {"reason": "revoked"},
    errors.LimitExceeded: {"attribute": "pulls_per_month"},
    errors.TooManyRequests: {"violated-policies": ["client"]},
    QuotaUsedUp: {"violated-policies": ["calls-a-month"]},
    errors.RecordsUnavailable: {"missing": ["tax"], "sources": {"tax": "source_down"}},
}
_EVERYWHERE: tuple[type[Problem], ...] = (
    errors.InvalidRequest, Problem, errors.DatabaseUnavailable, errors.DatabaseBusy, errors.Overloaded,
    errors.AuditUnavailable,
)  # fmt: skip
_OF_TOKENS: tuple[type[Problem], ...] = (InvalidTokenRequest, errors.TooManyRequests, QuotaUsedUp)
_OF_BODIES: tuple[type[Problem], ...] = (
    errors.MalformedBody, errors.RequestTimeout, errors.BodyTooLarge, errors.UnsupportedMediaType,
)  # fmt: skip


def kinds() -> Sequence[type[Problem]]:
    """Return every problem type, by its slug; a class that only narrows another has no type of its own."""
    return sorted({kind for kind in _below(Problem) if "slug" in vars(kind)}, key=lambda kind: kind.slug)


def _below(kind: type[Problem]) -> Iterator[type[Problem]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _below(inner)


def complete(document: Node) -> None:
    """Add to each operation of the API what any may answer, and give each problem its example."""
    for _, path, operation in operations_of(document):
        if not path.startswith("/v1/"):
            continue
        common = [*_EVERYWHERE]
        common += _OF_TOKENS if operation.get("security") else ()
        common += _OF_BODIES if "requestBody" in operation else ()
        _add(document, operation, common)
    used = {
        str(one["$ref"]).rpartition("/")[2] for one in objects_of(document) if "/examples/" in str(one.get("$ref", ""))
    }
    examples = held(held(document, "components"), "examples")
    examples.update(
        {kind.slug: {"summary": kind.title, "value": example(kind)} for kind in kinds() if kind.slug in used}
    )


def _add(document: Node, operation: Node, common: Sequence[type[Problem]]) -> None:
    answers = node(operation, "responses")
    for status in dict.fromkeys(str(kind.status) for kind in common):
        if status not in answers:
            same = [kind for kind in common if str(kind.status) == status]
            answers[status] = {"$ref": f"#/components/responses/{_shared(document, status, same)}"}


def _shared(document: Node, status: str, same: Sequence[type[Problem]]) -> str:
    """Return the name of the answer that is these problems, which is added where it is new."""
    name = "Or".join(kind.__name__ for kind in same) if len(same) < 3 else f"Problem{status}"
    known = held(held(document, "components"), "responses")
    if name not in known:
        answer: Node = {
            "description": "; ".join(f"{kind.title} (`{kind.slug}`)" for kind in same),
            "content": {PROBLEM_JSON: {"schema": dict(_PROBLEM), "examples": named(*same)}},
        }
        headers.of_shared(document, answer, status)
        known[name] = answer
    return name


def named(*same: type[Problem]) -> Node:
    """Return the examples of some problems, by reference."""
    return {kind.slug: {"$ref": f"#/components/examples/{kind.slug}"} for kind in same}


def example(kind: type[Problem]) -> Node:
    """Return the body that a problem may have."""
    return {**kind().body("7d4448409dc011d1b2455ffdce74fad2"), **_MORE.get(kind, {})}
