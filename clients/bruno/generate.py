"""Writes the Bruno collection anew from the OpenAPI document. `python clients/bruno/generate.py`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "openapi.json"
SCRIPT = (HERE / "sign.js").read_text()
_DEEPEST = 4
_SAMPLES = {
    "date": "2026-11-30",
    "date-time": "2026-12-20T00:00:00+08:00",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_FILLED = {
    "client_id": "{{client_id}}", "client_assertion": "{{client_assertion}}", "redirect_uri": "{{redirect_uri}}",
    "login_hint": "{{uscc}}", "authorization_details": "{{authorization_details}}",
    "refresh_token": "{{refresh_token}}", "token": "{{access_token}}", "scope": "profile:create profile:read",
    "auth_req_id": "{{auth_req_id}}",
}  # fmt: skip


def written(document: Mapping[str, Any]) -> dict[str, str]:
    """Return file -> text of the whole collection."""
    files = {
        "bruno.json": json.dumps({"version": "1", "name": "CreditLink", "type": "collection"}, indent=2) + "\n",
        "collection.bru": _block("script:pre-request", SCRIPT),
        "environments/sandbox.bru": _block("vars", "issuer: http://127.0.0.1:8000\nclient_id: \nkid: \nuscc: \n"
                                           "redirect_uri: \nauthorization_details: \nrefresh_token: \nauth_req_id: ")
        + "\nvars:secret [\n  private_jwk,\n  access_token\n]\n",
    }  # fmt: skip
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                shared = [*item.get("parameters", ()), *operation.get("parameters", ())]
                files[f"{operation['tags'][0]}/{operation['operationId']}.bru"] = _request(
                    document, method, path, operation, [_whole(document, one) for one in shared]
                )
    return files


def _request(
    document: Mapping[str, Any],
    method: str,
    path: str,
    operation: Mapping[str, Any],
    parameters: list[Mapping[str, Any]],
) -> str:
    kind, body = _body(document, operation)
    query = [one["name"] for one in parameters if one["in"] == "query"]
    required = [one["name"] for one in parameters if one["in"] == "query" and one.get("required")]
    url = "{{issuer}}" + path.replace("{", "{{").replace("}", "}}")
    url += "?" + "&".join(f"{name}={{{{{name}}}}}" for name in required) if required else ""
    headers = "\n".join(
        f"~{one['name']}: {one['schema'].get('examples', [''])[0]}"
        for one in parameters
        if one["in"] == "header" and one["name"] != "DPoP"
    )
    parts = [
        _block("meta", f"name: {operation['operationId']}\ntype: http"),
        _block(method, f"url: {url}\nbody: {kind}\nauth: none"),
        _block("params:query", "\n".join(f"{'' if name in required else '~'}{name}: " for name in query))
        if query
        else "",
        _block("headers", headers) if headers else "",
        _block(f"body:{kind}", body) if body else "",
        _block("docs", "\n\n".join(filter(None, [operation.get("summary"), operation.get("description")]))),
    ]
    return "\n".join(part for part in parts if part)


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> tuple[str, str]:
    content = operation.get("requestBody", {}).get("content", {})
    for media, about in content.items():
        value = _sample(document, about.get("schema", {}), 0)
        if media == "application/json":
            return "json", json.dumps(value, ensure_ascii=False, indent=2)
        if media == "application/x-www-form-urlencoded":
            needed = _whole(document, about["schema"]).get("required", ())
            marks = {name: "" if name in needed else "~" for name in value}
            return "form-urlencoded", "\n".join(
                f"{marks[name]}{name}: {_FILLED.get(name, one)}" for name, one in value.items()
            )
        return "text", ""
    return "none", ""


def _sample(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    schema = _whole(document, schema)
    for example in [schema["example"]] if "example" in schema else schema.get("examples", [])[:1]:
        return example
    for first in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        return _sample(document, first, depth)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        members = schema.get("properties", {}) if depth < _DEEPEST else {}
        needed = set(schema.get("required", ())) or (set() if depth else set(members))
        return {name: _sample(document, one, depth + 1) for name, one in members.items() if name in needed}
    if kind == "array":
        return [_sample(document, schema.get("items", {}), depth + 1)] if depth < _DEEPEST else []
    if kind in ("integer", "number"):
        return schema.get("default", schema.get("minimum", 1))
    return schema.get("default", False) if kind == "boolean" else _SAMPLES.get(schema.get("format", ""), "")


def _whole(document: Mapping[str, Any], one: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference of the document leads to."""
    while "$ref" in one:
        found: Any = document
        for step in one["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        one = found
    return one


def _block(name: str, text: str) -> str:
    inner = "\n".join(f"  {line}".rstrip() for line in text.strip("\n").split("\n"))
    return f"{name} {{\n{inner}\n}}\n"


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the collection; what is no longer in it goes."""
    for old in folder.glob("*/"):
        if re.fullmatch(r"[a-z_]+", old.name):
            shutil.rmtree(old)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(HERE, written(json.loads(DOCUMENT.read_text())))
