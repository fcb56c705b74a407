"""JSON documents as they are walked and completed here. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, cast

Node: TypeAlias = dict[str, object]
"""An object of the document; its members are objects, lists and plain values."""

METHODS = ("get", "put", "post", "delete", "patch")


def node(parent: Mapping[str, object], name: str) -> Node:
    """Return the object that is a member of another; an empty one where there is none."""
    found = parent.get(name)
    return cast(Node, found) if isinstance(found, dict) else {}


def held(parent: Node, name: str) -> Node:
    """Return the object that is a member of another, which is put there where it is absent."""
    return cast(Node, parent.setdefault(name, {}))


def operations_of(document: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield method, path and operation, in the document's order."""
    for path, item in node(document, "paths").items():
        for method in METHODS:
            operation = node(cast(Node, item), method)
            if operation:
                yield method, path, operation


def objects_of(value: object) -> Iterator[Node]:
    """Yield every object in a document, the outer before the inner."""
    if isinstance(value, dict):
        yield cast(Node, value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in list(inner):
        yield from objects_of(one)
