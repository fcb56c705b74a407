"""Schemas as generators of clients need them: enums with names, parts in their place, members that are always there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from creditlink.web.contract.nodes import Node, held, node, objects_of, operations_of

_SPOKEN: Mapping[str, str] = {
    "A+": "A_PLUS", "<": "LESS", "<=": "AT_MOST", "==": "EQUAL", ">": "MORE", ">=": "AT_LEAST",
}  # fmt: skip
_ALWAYS_THERE = ("id", "items", "next_cursor")
"""Members that every answer which has them has always: no member of ours is left out for being null."""
_REF = "#/components/schemas/"


_EXAMPLES: Mapping[str, Node] = {
    "ProfileRequest": {"amount_fen": 100_000_000, "term_months": 12},
    "ReportRequest": {
        "profile_id": "prf_6f1a0c2b6d0e4a56a7b6f7f0a6a1d2c3",
        "recipient": "顺德农商银行",
        "purpose": "流动资金贷款",
    },
    "Acknowledgement": {"action": "recomputed"},
}
"""What a body may be, where the first value of each member would make an odd one."""


def complete(document: Node) -> None:
    """Name the values of enums that are no names, hoist parts of embedded schemas, say what is always there."""
    _hoist(document)
    node(node(document, "components"), "schemas").pop("PaginationMetadata", None)  # smorest's, which nothing here uses
    for one in objects_of(document):
        values = one.get("enum")
        if isinstance(values, list) and any(value in _SPOKEN for value in values):
            one["x-enum-varnames"] = [_SPOKEN.get(str(v), str(v).upper()) for v in values if v is not None]
    schemas = node(node(document, "components"), "schemas")
    for name, example in _EXAMPLES.items():
        cast(Node, schemas[name])["example"] = dict(example)
    for name in _answered(document, schemas):
        schema = cast(Node, schemas[name])
        there = [member for member in _ALWAYS_THERE if member in node(schema, "properties")]
        if there:
            schema["required"] = sorted({*cast(list[str], schema.get("required", [])), *there})


def _answered(document: Node, schemas: Node) -> set[str]:
    """Return the schemas that are spoken of by answers and by no request."""
    asked, answered = set[str](), set[str]()
    for _, _, operation in operations_of(document):
        asked |= _reached(operation.get("requestBody"), schemas)
        answered |= _reached(operation.get("responses"), schemas)
    return answered - asked


def _reached(value: object, schemas: Node) -> set[str]:
    found, waiting = set[str](), list(_named(value))
    while waiting:
        name = waiting.pop()
        if name not in found and name in schemas:
            found.add(name)
            waiting += _named(schemas[name])
    return found


def _named(value: object) -> Iterator[str]:
    for one in objects_of(value):
        ref = one.get("$ref")
        if isinstance(ref, str) and ref.startswith(_REF):
            yield ref.removeprefix(_REF)


def _hoist(document: Node) -> None:
    """Make a schema with parts of its own, as a file has it, and its parts schemas of the document."""
    schemas = held(held(document, "components"), "schemas")
    for _, _, operation in operations_of(document):
        for media in node(node(operation, "requestBody"), "content").values():
            schema = node(cast(Node, media), "schema")
            if "$defs" not in schema:
                continue
            name = re.sub(r"\W", "", str(schema.get("title", "")).title()) or "Body"
            parts = cast(Node, schema.pop("$defs"))
            for about in ("$schema", "$id", "title"):
                schema.pop(about, None)
            places = {f"#/$defs/{part}": f"{_REF}{name}{part.title()}" for part in parts}
            schemas[name] = schema
            schemas.update({f"{name}{part.title()}": whole for part, whole in parts.items()})
            for one in [one for whole in (schema, parts) for one in objects_of(whole)]:
                if one.get("$ref") in places:
                    one["$ref"] = places[str(one["$ref"])]
            cast(Node, media)["schema"] = {"$ref": f"{_REF}{name}"}
