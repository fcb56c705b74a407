"""The OpenAPI document as a contract: complete, clean, and true of what is served."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from creditlink.access.scopes import INSTITUTION_SCOPES, SCOPES
from creditlink.financing.applications.events import WEBHOOKS
from creditlink.kit.settings import ROOT
from creditlink.web.contract.problems import kinds
from creditlink.web.contract.webhooks import EVENTS
from tests.npm import installed, ran

NODE = Path(__file__).parent / "node"
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())
OPERATIONS = [
    (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
]
OF_PEOPLE = ("/portal", "/verify", "/reference", "/problems", "/cards/verify", "/cards/<token>")
"""Pages, which no program calls."""
NOT_IN_IT = {"/", "/openapi.json", "/metrics", "/.well-known/security.txt"}


def all_of(value):
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from all_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from all_of(inner)


def checked(value, schema):
    """Check a value against a schema of the document."""
    registry = Registry().with_resource("urn:document", Resource(DOCUMENT, DRAFT202012))
    whole = {"$id": "urn:document#", **schema} if "$ref" not in schema else {"$ref": f"urn:document{schema['$ref']}"}
    if "$ref" not in schema:
        whole = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
    jsonschema.Draft202012Validator(whole, registry=registry).validate(value)


@pytest.mark.pure
class TestComplete:
    def test_the_linter_finds_nothing(self, tmp_path):
        folder = installed(tmp_path, NODE, "redocly.yaml", ".redocly.lint-ignore.yaml")
        shutil.copy(ROOT / "docs" / "openapi.json", folder)
        said = ran("node_modules/.bin/redocly", "lint", "openapi.json", "--format=json", within=folder, CI="true")
        assert json.loads(said[said.index("{") :])["totals"] | {"ignored": 0} == {
            "errors": 0,
            "warnings": 0,
            "ignored": 0,
        }

    def test_every_operation_has_a_name_of_its_own(self):
        names = Counter(operation.get("operationId") for *_, operation in OPERATIONS)
        assert [name for name, count in names.items() if name is None or count > 1] == []
        assert all(re.fullmatch(r"[a-z]+[A-Z][A-Za-z]+", name) for name in names), names

    def test_every_operation_says_who_may_call_it(self):
        named = {name for *_, one in OPERATIONS for way in one["security"] for name in way}
        assert named == {"oauth2", "dpop", "mutualTLS", "staff"} == set(DOCUMENT["components"]["securitySchemes"])
        for _, path, operation in OPERATIONS:
            for way in operation["security"]:
                assert ("oauth2" in way) == (len({"dpop", "mutualTLS"} & way.keys()) == 1), path
                assert set(way.get("oauth2", ())) <= set(SCOPES)

    def test_the_flows_know_every_scope(self):
        flows = DOCUMENT["components"]["securitySchemes"]["oauth2"]["flows"]
        assert flows["authorizationCode"]["scopes"] == SCOPES
        assert set(flows["clientCredentials"]["scopes"]) == INSTITUTION_SCOPES

    def test_every_error_is_a_problem_with_an_example(self):
        for _, path, operation in OPERATIONS:
            for status, answer in operation["responses"].items():
                if not path.startswith("/v1/") or status[0] not in "45":
                    continue
                whole = (
                    DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
                    if "$ref" in answer
                    else answer
                )
                content = whole["content"]["application/problem+json"]
                for slug in content["examples"]:
                    assert DOCUMENT["components"]["examples"][slug]["value"]["status"] == int(status), (path, slug)
            if path.startswith("/v1/"):
                assert {"422", "500", "503"} <= operation["responses"].keys(), path

    def test_every_example_is_of_its_schema(self):
        found = 0
        for name, schema in DOCUMENT["components"]["schemas"].items():
            for example in [schema["example"]] if "example" in schema else schema.get("examples", []):
                checked(example, {"$ref": f"#/components/schemas/{name}"})
                found += 1
        for example in DOCUMENT["components"]["examples"].values():
            checked(example["value"], {"$ref": "#/components/schemas/Problem"})
        assert found > 5

    def test_every_page_of_a_list_is_of_one_kind(self):
        """`cursor` and `limit` in, `items` and `next_cursor` out; what has no cursor is bounded, or a feed."""
        for method, path, operation in OPERATIONS:
            asked = {one.get("name") for one in operation.get("parameters", ())}
            content = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            members = DOCUMENT["components"]["schemas"].get(name, {}).get("properties", {})
            if method == "get" and "limit" in asked and path != "/v1/products/changes":
                assert "cursor" in asked, path
            if "cursor" in asked:
                assert {"limit"} <= asked, path
                assert "next_cursor" in members, path

    def test_every_webhook_is_in_it(self):
        assert {f"financing.{type_}" for type_ in WEBHOOKS.values()} <= set(EVENTS) == set(DOCUMENT["webhooks"])
        written = set()
        for path in (ROOT / "creditlink").rglob("*.py"):
            if "portal" not in path.parts and "contract" not in path.parts and "sandbox" not in path.parts:
                families = r'"((?:consent|profile|report|objection|review|notice)\.[a-z_.]+)"'
                if re.search(r"\bnotify\(|tell_bank\(|_tell\(|announce|EVENT\b", path.read_text()):
                    written |= set(re.findall(families, path.read_text()))
        told = {one for one in written if one in EVENTS}
        assert {one for one in EVENTS if not one.startswith(("financing.", "webhook."))} == told
        documented = (ROOT / "docs" / "integrate.md").read_text()
        missing = [
            one for one in EVENTS if f"`{one}`" not in documented and f"`.{one.partition('.')[2]}`" not in documented
        ]
        assert missing == []


class TestTrue:
    def test_every_address_of_programs_is_in_it(self, app):
        argument = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
        served = {
            argument.sub(r"{\1}", rule.rule)
            for rule in app.url_map.iter_rules()
            if not rule.rule.startswith(OF_PEOPLE) and rule.rule not in NOT_IN_IT
        }
        assert served == set(DOCUMENT["paths"])

    def test_every_problem_type_is_a_page(self, client):
        for kind in kinds():
            for language, words in (("en", kind.title), ("zh", "怎么办")):
                page = client.get(f"/problems/{kind.slug}?lang={language}")
                assert (page.status_code, page.mimetype) == (200, "text/html")
                assert words in page.text, kind.slug
                assert f"/problems/{kind.slug}" in page.text
            assert f"/problems/{kind.slug}?" in client.get("/problems").text

    def test_what_http_itself_refuses_has_a_page_too(self, client):
        answer = client.post("/v1/products")
        assert client.get(answer.json["type"]).status_code == 200
        assert client.get("/problems/length-required?lang=en").status_code == 200
        for name in ("nothing", "%00", "a" * 3000, "..%2fconflict"):
            assert client.get(f"/problems/{name}", headers={"Accept": "text/html"}).status_code == 404

    def test_purposes_are_those_that_a_push_is_judged_by(self, client):
        body = client.get("/v1/purposes").json
        checked(body, {"$ref": "#/components/schemas/Purposes"})
        by_name = {one["purpose"]: one for one in body["items"]}
        assert "own" not in by_name
        assert by_name["underwriting"]["history_months"] == 36
        assert by_name["report"]["actions"] == ["profile", "report"]
