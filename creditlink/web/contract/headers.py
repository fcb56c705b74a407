"""Headers of requests and answers, each described once, and which operations have them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import cast

from creditlink.web.contract.nodes import Node, held, node, operations_of

_PROVEN = "DPoP"


def _text(description: str, **more: object) -> Node:
    return {"description": description, "schema": {"type": "string", **more}}


REQUEST: Mapping[str, Node] = {
    "Idempotency-Key": _text(
        "8 to 128 printable ASCII characters of your choice: the same request with the same key is done once, however "
        "often it is sent", minLength=8, maxLength=130, examples=["7d444840-9dc0-11d1-b245-5ffdce74fad2"],
    ),
    "Prefer": _text("`wait=N`: wait up to N seconds (20 at most) for the answer (RFC 7240)", examples=["wait=20"]),
    "If-None-Match": _text("The `ETag` of the copy that you have: 304 while it is good", examples=['"5f1c2a"']),
    "DPoP": _text("The proof of the token's key (RFC 9449); absent where a certificate proves it"),
    "Accept": _text("`application/pdf` for the sealed pages of a report, `text/csv` for the lines of a statement"),
}  # fmt: skip
"""What a request may carry, by name; a route says by `Blueprint.reads` that it reads one."""

ANSWER: Mapping[str, Node] = {
    "X-Request-ID": _text("Names the request: quote it when you ask us"),
    "Location": _text("Where what was made is, or how the work on it stands"),
    "Retry-After": {"description": "Seconds to wait before the next try", "schema": {"type": "integer"}},
    "Preference-Applied": _text("The preference that counted (RFC 7240)"),
    "CreditLink-Uses-Left": _text("New computations that the consent has left: `total=1`, or `month=4, day=0`"),
    "ETag": _text("The version of this answer"),
    "WWW-Authenticate": _text("The scheme and the error (RFC 6750, RFC 9449)"),
    "DPoP-Nonce": _text("The nonce for your next proof, where the server asks for one"),
    "RateLimit": _text("What is left of each policy, and in how many seconds it is whole again"),
    "RateLimit-Policy": _text("The policies that hold: how many calls in how many seconds"),
}

_OF_STATUS: Mapping[str, Sequence[str]] = {
    "401": ("WWW-Authenticate", "DPoP-Nonce"),
    "429": ("Retry-After", "RateLimit", "RateLimit-Policy"),
    "503": ("Retry-After",),
    "304": ("ETag",),
}
_OF_OPERATION: Mapping[tuple[str, str], Sequence[str]] = {
    ("createProfile", "201"): ("Location", "Preference-Applied"),
    ("createProfile", "202"): ("Location", "Preference-Applied", "Retry-After"),
    ("createReport", "201"): ("Location",),
    ("openLoad", "202"): ("Location",),
    ("addRows", "202"): ("Location",),
}
_COUNTED_TAGS = frozenset({"profiles", "changes", "registered", "review"})
"""Whose operations say how many uses the consent has left."""
_TOLD = "CreditLink-Uses-Left"


def describe(document: Node) -> None:
    """Give every operation the headers that it reads, and every answer those that it carries."""
    for _, _, operation in operations_of(document):
        _describe_request(document, operation)
        for status, answer in node(operation, "responses").items():
            for name in _sent(operation, status, cast(Node, answer)):
                _refer(document, cast(Node, answer), name)


def _describe_request(document: Node, operation: Node) -> None:
    reads = cast(list[str], operation.pop("x-reads", []))
    if any("dpop" in one for one in cast(Sequence[Node], operation["security"])):
        reads = [*reads, _PROVEN]
    if "304" in node(operation, "responses"):
        reads = [*reads, "If-None-Match"]
    known = held(held(document, "components"), "parameters")
    parameters = cast(list[Node], operation.setdefault("parameters", [])) if reads else []
    for name in reads:
        known.setdefault(_part(name), {"name": name, "in": "header", "required": False, **deepcopy(REQUEST[name])})
        parameters.append({"$ref": f"#/components/parameters/{_part(name)}"})


def _sent(operation: Node, status: str, answer: Node) -> list[str]:
    if "$ref" in answer:
        return []
    found = ["X-Request-ID", *_OF_STATUS.get(status, ())]
    found += _OF_OPERATION.get((str(operation.get("operationId")), status), ())
    if status.startswith("2") and "304" in node(operation, "responses"):
        found.append("ETag")
    is_counted = _COUNTED_TAGS & set(cast(Sequence[str], operation.get("tags", ()))) or operation["operationId"] in (
        "showPull",
    )
    if is_counted and status.startswith("2"):
        found.append(_TOLD)
    return found


def of_shared(document: Node, answer: Node, status: str) -> None:
    """Give an answer that many operations share the headers of its status."""
    for name in ("X-Request-ID", *_OF_STATUS.get(status, ())):
        _refer(document, answer, name)


def _refer(document: Node, answer: Node, name: str) -> None:
    held(held(document, "components"), "headers").setdefault(_part(name), deepcopy(ANSWER[name]))
    held(answer, "headers").setdefault(name, {"$ref": f"#/components/headers/{_part(name)}"})


def _part(name: str) -> str:
    return name.replace("-", "")
