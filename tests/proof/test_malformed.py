"""Whatever is sent, whoever sends it: a right 4xx, never a 500.

schemathesis makes the input from the OpenAPI document (and for the authorization server from `protocol.py`), valid and
broken; a hook signs each request as one of several senders. Bounded and derandomised: the same requests in every run.
"""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import text

from creditlink.access.opaque import hash_of
from creditlink.access.scopes import SCOPES
from creditlink.sandbox.banks.bank import new_key
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.proof import protocol, routes

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SENDERS = ("nobody", "the bank", "the bank in its own name", "another bank", "revoked", "expired", "stolen", "nonsense")
# Requests per operation: enough to try each sender with valid and with broken input.
EACH, EACH_OF_THE_PROTOCOL = 10, 40


class Senders:
    """Who may send a request, and how each signs it."""

    def __init__(self, app, database, firm, make_bank) -> None:
        self.bank, other = make_bank(scopes=list(SCOPES)), make_bank(scopes=list(SCOPES))
        self._held = {}
        for name, bank in (("the bank", self.bank), ("another bank", other), ("revoked", self.bank)):
            authorization = bank.push(flow.details(), scope=flow.SCOPE)
            callback = flow.decide(app, firm, flow.open_page(bank, authorization))
            bank.exchange(bank.code_from(callback, authorization), authorization)
            self._held[name] = (bank, authorization)
        flow.change_consent(self._held["revoked"][1], "revoke")
        own = self.bank.in_own_name(scope="consent:read product:write financing:read financing:write outcome:write")
        self._held["the bank in its own name"] = (self.bank, own)
        over = self.bank.push(flow.details(), scope=flow.SCOPE)
        self.bank.exchange(self.bank.code_from(flow.decide(app, firm, flow.open_page(self.bank, over)), over), over)
        with database.transaction("owner") as session:
            session.execute(
                text("UPDATE access_tokens SET expires_at = now() - :second WHERE token_hash = :hash"),
                {"hash": hash_of(over.access_token), "second": timedelta(seconds=1)},
            )
        self._held["expired"] = (self.bank, over)
        self.thief = new_key()

    def headers(self, name: str, method: str, path: str) -> dict[str, str]:
        """Return the headers with which `name` sends a request."""
        if name == "nobody":
            return {}
        if name == "nonsense":
            return {"Authorization": "DPoP \x7fé" + "x" * 40, "DPoP": "a.b.c"}
        bank, authorization = self._held["the bank" if name == "stolen" else name]
        token, key = authorization.access_token, bank.dpop_key
        if name == "stolen":
            bank.dpop_key = self.thief
        try:
            return {"Authorization": f"DPoP {token}", "DPoP": bank.proof(method, path, token)}
        finally:
            bank.dpop_key = key


@pytest.fixture
def app(app):
    """The application, with a document of the protocol's endpoints beside its own."""
    app.add_url_rule("/protocol.json", "protocol", lambda: protocol.DOCUMENT)
    return app


@pytest.fixture
def senders(app, empty_database, firm, make_bank):
    return Senders(app, empty_database, firm, make_bank)


def bounded(examples: int):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def test_the_api(app, senders, products):
    """Every operation of the OpenAPI document, from every sender: documented, of the stated type and shape."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    tried = set()
    paths = {found.ok().path for found in schema.get_all_operations()}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == "/health/ready":
            continue  # 503 is right here, where no worker is
        cases = st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )

        @bounded(EACH)
        @given(case=cases, sender=st.sampled_from(SENDERS))
        def attack(case, sender):
            # A value such as `schema` in /v1/products/{code} makes it another operation, tried by itself.
            assume(case.path == case.formatted_path or case.formatted_path not in paths)
            # The in-process client of schemathesis does not unpack compressed answers.
            asked = {"Accept-Encoding": "identity"} | senders.headers(sender, case.method, case.formatted_path)
            answer = case.call(headers=asked)
            case.validate_response(answer, checks=CHECKS)
            tried.add((case.method, case.path, answer.status_code // 100))

        attack()
    assert {status for *_, status in tried} == {2, 4}
    assert len({path for _, path, _ in tried}) > 10


def test_the_authorization_server(app, senders):
    """Every endpoint of the protocol: RFC 6749's error in JSON, of the known codes, with a plain ASCII text."""
    schema = schemathesis.openapi.from_wsgi("/protocol.json", app)
    errors = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        cases = st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )

        @bounded(EACH_OF_THE_PROTOCOL)
        @given(case=cases, authenticated=st.booleans(), proven=st.booleans())
        def attack(case, authenticated, proven):
            if authenticated and isinstance(case.body, dict):
                case.body = case.body | senders.bank.client_parameters()
            headers = {"DPoP": senders.bank.proof(case.method, case.formatted_path)} if proven else {}
            answer = case.call(headers=headers)
            case.validate_response(answer, checks=[not_a_server_error])
            if answer.status_code >= 400 and case.path != "/oauth/authorize":
                body = json.loads(answer.content)
                assert body["error"] in protocol.ERRORS, body
                assert set(body) <= {"error", "error_description", "attribute", "errors"}, body
                said = body.get("error_description", "")
                assert all(" " <= c <= "~" and c not in '"\\' for c in said), said
                errors.add(body["error"])

        attack()
    assert {"invalid_client", "invalid_request"} <= errors


NASTY = ("a\0b", "é" * 3000, "9" * 400, "\r\nX-Injected: \u202e")
FIELDS = ("login", "password", "totp", "next", "decision", "enterprise", "category", "lang", "before", "csrf_token")


def test_the_pages(app, owner):
    """Every page and form, each field with each nasty value, signed in and not: never a 500, never a trace."""
    pages = routes.pages_that_keep_one_signed_in(app)
    stranger = Person(app.test_client())
    for nasty in NASTY:
        values = dict.fromkeys(FIELDS, nasty)
        for method, rule in pages:
            path = routes.PARAMETER.sub(quote(nasty[:200]) or "x", rule.rule)
            for person in (owner, stranger):
                if method == "GET":
                    answer = person.client.get(path, query_string=values)
                else:
                    person.get("/portal/sign-in" if person is stranger else "/portal/security")
                    answer = person.post(path, **{k: v for k, v in values.items() if k != "csrf_token"})
                assert answer.status_code < 500, f"{method} {rule.rule} with {nasty[:20]!r}"
                assert "Traceback" not in answer.text
                assert "X-Injected" not in answer.headers
