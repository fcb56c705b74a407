"""Writes `creditlink_client/models.py`: the schemas of the OpenAPI document, as types. `python generate_models.py`."""

from __future__ import annotations

import json
import keyword
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "openapi.json"
TARGET = HERE / "creditlink_client" / "models.py"
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_HEAD = '''"""The API's bodies as types. Generated from docs/openapi.json by generate_models.py: do not edit."""

from __future__ import annotations

from typing import Any, Literal, Required, TypedDict
'''


def written(document: Mapping[str, Any]) -> str:
    """Return the module's text."""
    parts, webhooks = [_HEAD], json.dumps(document["webhooks"])  # events are read as they come
    for name, schema in sorted(document["components"]["schemas"].items()):
        if f'"#/components/schemas/{name}"' not in webhooks:
            parts.append(_model(name, schema))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _model(name: str, schema: Mapping[str, Any]) -> str:
    members = schema.get("properties", {})
    if schema.get("type") != "object" or not all(_is_name(member) for member in members):
        return f"{name} = {_type(schema) if schema.get('type') != 'object' else 'dict[str, Any]'}"
    required = set(schema.get("required", ()))
    words = " ".join(str(schema.get("description") or name).split()).replace("\\", "\\\\").replace('"', "'")
    first, *rest = textwrap.wrap(words, 100)
    lines = [f"class {name}(TypedDict, total=False):", f'    """{first}' + ('"""' if not rest else "")]
    lines += [f"    {line}" for line in rest] + (['    """'] if rest else [])
    for member, one in members.items():
        kind = _type(one)
        lines.append(f"    {member}: " + (f"Required[{kind}]" if member in required else kind))
    return "\n".join(lines)


def _is_name(member: str) -> bool:
    return member.isidentifier() and not keyword.iskeyword(member)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(one) for one in schema[several]))
    if "enum" in schema:
        values = [f'"{one}"' if isinstance(one, str) else repr(one) for one in schema["enum"]]
        return f"Literal[{', '.join(values)}]"
    kinds = schema.get("type", [])
    found = [_of(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " | ".join(found) or "Any"


def _of(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "array":
        return f"list[{_type(schema.get('items', {}))}]"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"dict[str, {_type(inner) if isinstance(inner, Mapping) else 'Any'}]"
    return _PLAIN[kind]


if __name__ == "__main__":
    TARGET.write_text(written(json.loads(DOCUMENT.read_text())))
