"""Characters and numbers that nothing inside can hold, in every text field of every route: named, never a 5xx."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import schemathesis
from sqlalchemy import select

import creditlink.desk
import creditlink.portal
from creditlink.access.scopes import SCOPES
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import utc_now
from creditlink.staff import proof
from tests.desk.conftest import add_lender
from tests.desk.conftest import make_bank as bank_with_desk
from tests.engine.matching import samples
from tests.factories import make_staff
from tests.oauth import flow
from tests.portal.access import ENTRY, LENDERS, STAFF
from tests.portal.conftest import Person
from tests.portal.test_access import developer
from tests.portal.test_risk_desk import staff
from tests.proof import protocol, routes

pytestmark = pytest.mark.long

REFUSED = ["a\0b", "\ud800", "x\udfffy"]
KEPT = [
    "a\u2028b", "\ufeffa", "\x01\x7f", "😀", "x" * 20_000, str(2**63), str(2**63 - 1), str(-(2**63)), str(2**31),
    "-1e400", "1e999999", "Infinity", "sNaN", "\u202e", "', \"; --\\",
]  # fmt: skip
FITTING = [2**63 - 1, -(2**63), 2**31, 10**15]  # a column holds them, and what is computed of them may not
NUMBERS = [2**63, -(2**63) - 1, 10**400, "1e400", "-1e999"]
DESKS = ("/portal/desk/", "/portal/staff/", "/portal/developers/")
SCOPE = (
    "consent:read product:read product:write product:check overlay:read overlay:write overlay:check financing:read "
    "financing:write outcome:write registry:write client:write correction:read correction:acknowledge objection:answer"
)


@pytest.fixture
def bank(make_bank):
    bank = make_bank(scopes=list(SCOPES))
    bank.own = bank.in_own_name(scope=SCOPE)
    return bank


@pytest.fixture
def reader(app, bank, firm):
    """The bank's token under a consent."""
    authorization = bank.push(flow.details(), scope=f"{flow.SCOPE} report:create report:read")
    bank.exchange(
        bank.code_from(flow.decide(app, firm, flow.open_page(bank, authorization)), authorization), authorization
    )
    return authorization


@pytest.fixture
def operator(empty_database, http):
    """What calls in the operator's own name."""
    scopes = ["operation:read", "operation:write"]
    return flow.caller(empty_database, http, " ".join(scopes), scopes=scopes, kind="operator")


@pytest.fixture
def risk(empty_database, http):
    """What calls in the name of a member of the risk team, each request signed."""
    key = proof.new_key()
    with empty_database.transaction("owner") as session:
        make_staff(session, "risk", "risk", key=key)

    def call(method, path, *, headers, **sent):
        signed = proof.sign(key, "risk", audience=flow.ISSUER, act=f"{method} {flow.ISSUER}{path}", now=utc_now())
        return http.request(method, path, headers=headers | {"Authorization": f"Staff {signed}"}, **sent)

    return call


@pytest.fixture
def operations(app):
    document = app.test_client().get("/openapi.json").json
    return [
        (method.upper(), path, operation, document)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]


def sample(schema: dict, document: dict):
    """Return a value of a schema: what is right where it can be told, so that the rest is looked at."""
    if "$ref" in schema:
        found = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return sample(found, document)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return sample(schema[several][0], document)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object" or "properties" in schema:
        return {name: sample(inner, document) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items", {}), document)]
    if kind in ("integer", "number"):
        return max(1, schema.get("minimum", 1))
    if kind == "boolean":
        return True
    shapes = {"date": "2026-01-01", "date-time": "2026-01-01T00:00:00+08:00", "uuid": "0" * 32}
    return shapes.get(schema.get("format", ""), "a" * max(1, schema.get("minLength", 1)))


def places(value, path=()):
    """Yield the path of every leaf of a JSON value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    else:
        yield path


def with_(value, path, new):
    """Return the value with another leaf at `path`."""
    if not path:
        return new
    if isinstance(value, dict):
        return value | {path[0]: with_(value[path[0]], path[1:], new)}
    return [with_(inner, path[1:], new) if index == path[0] else inner for index, inner in enumerate(value)]


def as_json(value) -> str:
    """Return the JSON text; what is marked as a number is written as one."""
    return re.sub(r'"#([^"]*)#"', r"\1", json.dumps(value))


def test_every_field_of_every_body(bank, reader, operator, risk, operations, products, empty_database):
    with empty_database.transaction("owner") as session:
        query = select(Institution.code).join(Client, Client.institution_id == Institution.id)
        code = session.scalar(query.where(Client.client_id == bank.client_id))
    tried = 0
    for method, path, operation, document in operations:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        if method == "PUT" and path.startswith("/v1/catalogue/products/"):  # a body of its own
            whole = samples.raw("ANY-1", institution_code=code)
        else:
            whole = sample(content["schema"], document)
        # A token lives for minutes, and on a busy machine all this takes more of them.
        token = reader if path.startswith(("/v1/profiles", "/v1/reports")) else bank.in_own_name(scope=SCOPE)
        address = re.sub(r"{(\w+)}", lambda found: "1" if found[1] == "version" else "ANY-1", path)
        for place in places(whole):
            for nasty in [*REFUSED, *KEPT, *NUMBERS, *FITTING]:
                told = f"#{nasty}#" if nasty in NUMBERS else nasty  # FITTING are numbers by themselves
                body = as_json(with_(whole, place, told))
                sent = {"content": body, "headers": {"Content-Type": "application/json"}}
                if "/rejections" in path:
                    answer = operator(method, address, **sent)
                elif path.startswith(("/v1/decisions/", "/v1/reviews/", "/v1/watch")):
                    answer = risk(method, address, **sent)
                else:
                    answer = bank.call(method, address, token, **sent)
                assert answer.status_code < 500, (method, path, place, nasty, answer.text)
                if nasty in REFUSED or nasty in NUMBERS:
                    assert answer.status_code == 422, (method, path, place, nasty, answer.text)
                    pointers = [error["pointer"] for error in answer.json()["errors"]]
                    assert pointers == ["/" + "/".join(map(str, place))]
                tried += 1
    assert tried > 500


def test_a_name_of_a_member(bank, operations):
    for nasty in REFUSED:
        body = json.dumps({"amount_fen": 1, nasty: 1})
        headers = {"Content-Type": "application/json"}
        answer = bank.call("PUT", "/v1/catalogue/products/ANY-1", bank.own, content=body, headers=headers)
        assert answer.status_code == 422
        assert "the name holds" in answer.json()["errors"][0]["detail"]


def test_every_query_parameter(bank, reader, operations, products):
    """Of the API; the protocol's parameters, whose errors have another form, are below."""
    raw = ["a%00b", "%ED%A0%80", "%FF", *(quote(text) for text in KEPT)]
    for method, path, operation, _ in operations:
        if not path.startswith("/v1/"):
            continue
        token = reader if path.startswith(("/v1/profiles", "/v1/pulls", "/v1/reports")) else bank.own
        bare = re.sub(r"{\w+}", "x", path)
        names = [one["name"] for one in operation.get("parameters", []) if one.get("in") == "query"]
        for name in [*names, "unknown"]:
            for nasty in raw:
                answer = bank.call(method, f"{bare}?{name}={nasty}", token)
                assert answer.status_code < 500, (method, path, name, nasty, answer.text)
                if nasty == "a%00b":
                    assert answer.status_code == 422
                    assert answer.json()["errors"] == [
                        {"pointer": f"/{name}", "detail": "holds the character U+0000, which is not accepted"}
                    ]


def test_headers(app, reader, bank):
    client = app.test_client()
    for name in ("Idempotency-Key", "Prefer", "X-Request-ID", "User-Agent", "Accept-Language", "Cookie", "Accept"):
        for nasty in ("a\xff\x80", "x" * 5000, "9" * 400, str(2**63), "a\0b"):
            for path in ("/v1/profiles", "/v1/financing/applications/x/offers", "/portal/sign-in", "/oauth/token"):
                token = reader.access_token
                sent = {"HTTP_AUTHORIZATION": f"DPoP {token}", "HTTP_DPOP": bank.proof("POST", path, token)}
                sent[f"HTTP_{name.upper().replace('-', '_')}"] = nasty
                answer = client.post(path, json={}, environ_overrides=sent)
                assert answer.status_code < 500, (name, nasty, path, answer.text)
                if nasty == "a\0b" and path.startswith("/v1") and name != "Cookie":  # the client has its own cookies
                    assert answer.status_code == 422
                    assert answer.json["errors"][0]["pointer"].lower() == f"/headers/{name.lower()}"


def test_every_part_of_a_path(app, bank, reader, operations):
    client = app.test_client()  # httpx's own way into an application does not know such paths
    for method, path, *_ in operations:
        token = (reader if path.startswith(("/v1/profiles", "/v1/pulls", "/v1/reports")) else bank.own).access_token
        for parameter in re.findall(r"{(\w+)}", path):
            for nasty in ("a%00b", "%ED%A0%80", "%FF", "9" * 5000, *(quote(text[:2000]) for text in KEPT)):
                address = re.sub(r"{(\w+)}", lambda f, p=parameter, n=nasty: n if f[1] == p else "1", path)
                proof = bank.proof(method, unquote(address, errors="replace"), token)
                answer = client.open(address, method=method, headers={"Authorization": f"DPoP {token}", "DPoP": proof})
                assert answer.status_code < 500, (method, path, parameter, nasty, answer.text)
                if nasty == "a%00b":
                    assert answer.status_code == 404


def test_every_parameter_of_the_protocol(bank):
    """Authenticated, with all the rest right: RFC 6749's error in JSON."""
    verifier = "v" * 43
    right = {
        "/oauth/par": {
            **{"response_type": "code", "redirect_uri": bank.redirect_uri, "scope": "profile:read", "state": "s"},
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            **{"code_challenge_method": "S256", "authorization_details": json.dumps(flow.details())},
        },
        "/oauth/bc-authorize": {
            **{"scope": "profile:read", "login_hint": "91440606MA4UXYQ27F", "binding_message": "x"},
            "authorization_details": json.dumps(flow.details()),
        },
        "/oauth/token": {"grant_type": "authorization_code", "code": "c", "code_verifier": verifier},
        "/oauth/introspect": {"token": "t"},
        "/oauth/revoke": {"token": "t"},
    }
    raw = ["a%00b", "%ED%A0%80", "%FF", *(quote(text) for text in KEPT)]
    for path, operation in protocol.DOCUMENT["paths"].items():
        if path == "/oauth/authorize":
            continue
        schema = operation["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        for name in [*schema["properties"], "unknown"]:
            for nasty in raw:
                form = {k: quote(v) for k, v in (right[path] | bank.client_parameters()).items()} | {name: nasty}
                headers = {"Content-Type": "application/x-www-form-urlencoded", "DPoP": bank.proof("POST", path)}
                body = "&".join(f"{k}={v}" for k, v in form.items())
                answer = bank.http.post(path, content=body, headers=headers)
                assert answer.status_code < 500, (path, name, nasty, answer.text)
                if nasty == "a%00b":
                    assert answer.status_code == 400
                    said = answer.json()
                    assert said["error"] == "invalid_request"
                    assert said["error_description"] == f"{name} holds a character that is not accepted"


def fields_of_pages() -> list[str]:
    """Return the names of the fields in all templates."""
    found = {
        name
        for folder in (creditlink.portal, creditlink.desk)
        for file in Path(folder.__file__).parent.rglob("*.html")
        for name in re.findall(r'name="([a-z_]+)"', file.read_text("utf-8"))
    }
    return sorted(found - {"csrf_token", "viewport"})


def test_every_field_of_every_page(app, owner):
    """The fields are those of the templates; signed in, with the tokens of the forms."""
    fields = fields_of_pages()
    assert {"login", "amount", "reason", "longest_days"} <= set(fields)
    pages = [
        (method, rule)
        for method, rule in routes.pages_that_keep_one_signed_in(app)
        if not rule.rule.startswith(DESKS) or rule.endpoint in ENTRY  # the others lead on: see the next test
    ]
    stranger = Person(app.test_client())
    for nasty in ("a\0b", *KEPT):
        for method, rule in pages:
            path = routes.PARAMETER.sub("x", rule.rule)
            for person in (owner, stranger):
                if method == "GET":
                    answer = person.client.get(path, query_string=dict.fromkeys(fields, nasty))
                else:
                    person.get("/portal/sign-in" if person is stranger else "/portal/security")
                    answer = person.post(path, **dict.fromkeys(fields, nasty), enterprise_=str(owner.firm.id))
                assert answer.status_code < 500, (method, rule.rule, nasty[:20])
                assert "Traceback" not in answer.text
                if nasty == "a\0b":
                    assert answer.status_code in (404, 422), (method, rule.rule, answer.status_code)


def test_every_field_of_every_desk(app, settings):
    """The same by a bank's person, by staff and by a developer, each with every role and at their own pages."""
    lender = add_lender(app, settings, bank_with_desk(settings), "lin", *LENDERS)
    assert lender.sign_in().status_code == 303
    member = staff(app, settings, "ola", *STAFF - {"auditor"})  # who audits does nothing else
    people = dict(zip(DESKS, (lender, member, developer(app)), strict=True))
    pages = routes.pages_that_keep_one_signed_in(app)
    tried = set()
    for nasty in ("a\0b", "\x01\x7f", "x" * 20_000, str(2**63)):
        for start, person in people.items():
            token = re.search(r'name="csrf_token" value="([^"]+)"', person.get(f"{start}keys").text).group(1)
            for method, rule in pages:
                if not rule.rule.startswith(start):
                    continue
                path, sent = routes.PARAMETER.sub("1", rule.rule), dict.fromkeys(fields_of_pages(), nasty)
                if method == "GET":
                    answer = person.client.get(path, query_string=sent)
                else:
                    answer = person.post(path, token=token, **sent)
                assert answer.status_code < 500, (method, rule.rule, nasty[:20])
                assert "Traceback" not in answer.text
                tried.add((start, answer.status_code))
            assert person.client.get(f"{start}keys").status_code == 200, "still signed in"
    assert {(start, 200) for start in people} <= tried


def test_a_field_of_the_pages_with_the_rest_right(app, owner):
    for path, right in (
        ("/portal/representatives", {"enterprise": str(owner.firm.id), "login": "x", "purposes": "underwriting"}),
        (
            "/portal/financing",
            {"enterprise": str(owner.firm.id), "amount": "10", "term": "12", "use": "working_capital"},
        ),
        ("/portal/sign-in", {"login": "x", "password": "y", "totp": "1", "next": "/portal/"}),
    ):
        for name in right:
            for nasty in ("a\0b", *KEPT):
                owner.get("/portal/security")
                answer = owner.post(path, **right | {name: nasty})
                assert answer.status_code < 500, (path, name, nasty[:20])


def test_it_walks_what_schemathesis_walks(app, operations):
    known = {
        (found.ok().method.upper(), found.ok().path)
        for found in schemathesis.openapi.from_wsgi("/openapi.json", app).get_all_operations()
    }
    assert known == {(method, path) for method, path, *_ in operations}
