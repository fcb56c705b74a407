"""creditlink-client: against a running server, and against a line and a server that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from datetime import timedelta

import httpx
import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.settings import ROOT
from creditlink.notifications import message
from creditlink.sandbox.people.browser import PageError
from creditlink.sandbox.people.representative import Representative

FOLDER = ROOT / "clients" / "python"
sys.path.append(str(FOLDER))

import generate_models  # noqa: E402 (beside the package)
from creditlink_client import (  # noqa: E402 (as a bank's program does once it is installed)
    AsyncClient,
    CallbackRefused,
    Client,
    NotAnswered,
    OAuthError,
    ProblemError,
    WebhookRefused,
    generate_key,
    load_key,
    public_jwks,
    verified_webhook,
)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def details(uscc=None, **changes):
    until = (utc_now() + timedelta(days=20)).isoformat(timespec="seconds")
    asked = {"type": "enterprise_credit_profile", "categories": ["tax"], "purpose": "underwriting"}
    return asked | {"history_months": 24, "valid_until": until} | ({"uscc": uscc} if uscc else {}) | changes


class TestRunningServer:
    def test_from_the_inbox_to_the_matches(self, signed_up):
        key = load_key(signed_up.key_file.read_text(), kid=signed_up.key.kid)
        dpop_key = generate_key()
        with Client(signed_up.issuer, signed_up.client_id, key, dpop_key=dpop_key) as bank:
            assert {one["purpose"] for one in bank.purposes()["items"]} >= {"underwriting", "monitoring"}
            with pytest.raises(OAuthError) as wrong:
                bank.ask_in_inbox(details(history_months=0, purpose="x"), login_hint=signed_up.uscc)
            assert [(one.pointer, one.value) for one in wrong.value.fields] == [
                ("/0/purpose", "x"),
                ("/0/history_months", 0),
            ]
            firm = bank.wait_for(bank.ask_in_inbox(details(signed_up.uscc), login_hint=signed_up.uscc), seconds=60)
            with pytest.raises(ProblemError) as refused:
                firm.create_profile({"amount_fen": 1})
            assert (refused.value.slug, refused.value.status) == ("invalid-request", 422)
            assert [(one.pointer, one.value) for one in refused.value.fields] == [("/amount_fen", 1)]
            assert refused.value.request_id
            made = firm.create_profile({"amount_fen": 100_000_000}, idempotency_key="the-first-profile")
            assert made["grade"] in ("A+", "A")
            again = firm.create_profile({"amount_fen": 100_000_000}, idempotency_key="the-first-profile")
            assert again["id"] == made["id"]
            assert firm.profile(made["id"])["id"] == made["id"]
            assert firm.explanation(made["id"])
            matches = list(firm.matches(made["id"], limit=100))
            assert len(matches) == len({one["product"] for one in matches}) > 100
            assert [one["id"] for one in firm.pages("/v1/profiles", limit=1)] == [made["id"]]
            before, firm.tokens.expires_at = firm.tokens.access_token, 0.0
            assert firm.profile(made["id"])["id"] == made["id"]
            assert firm.tokens.access_token != before
            firm.tokens.access_token = "cla_" + "x" * 43  # refused: it is refreshed by itself
            assert firm.profile(made["id"])["id"] == made["id"]
            refresh_token = firm.tokens.refresh_token
        with Client(signed_up.issuer, signed_up.client_id, key, dpop_key=dpop_key) as bank:
            later = bank.resume(refresh_token)
            assert later.profile(made["id"])["id"] == made["id"]
            assert later.tokens.grant_id == made["consent_id"]
            assert bank.introspect(later.tokens.access_token)["active"]
            bank.revoke(refresh_token)
            assert bank.introspect(later.tokens.access_token) == {"active": False}
            with pytest.raises(OAuthError) as over:
                later.profile(made["id"])
            assert over.value.code == "invalid_grant"

    def test_through_the_browser_without_blocking(self, signed_up, platform):
        _app, issuer, firms = platform
        key = load_key(signed_up.key.as_dict(private=True))

        async def walk():
            async with AsyncClient(issuer, signed_up.client_id, key, redirect_uri=signed_up.redirect_uri) as bank:
                pushed = await bank.push(details(signed_up.uscc))
                person = Representative(firms[0], issuer)
                with contextlib.suppress(PageError):  # the address that it comes back to is no page
                    await asyncio.to_thread(person.decide, pushed.url)
                address = person.browser.url
                person.close()
                with pytest.raises(CallbackRefused):
                    await bank.exchange(pushed, address.replace(pushed.state, "another"))
                firm = await bank.exchange(pushed, address)
                made = await firm.create_profile()
                named = [one["product"] async for one in firm.matches(made["id"], limit=100, state="eligible")]
                return made, named

        made, named = asyncio.run(walk())
        assert made["state"] == "scored"
        assert len(named) > 5

    def test_the_readme_is_true(self, signed_up, tmp_path, monkeypatch, capsys):
        """Its program, with the developer's own values: ten lines to the first profile."""
        (program,) = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
        assert len(re.sub(r"(?m)^(from|import) .*\n", "", program).strip().splitlines()) <= 10
        (tmp_path / "bank.pem").write_bytes(signed_up.key_file.read_bytes())
        monkeypatch.chdir(tmp_path)
        values = {"ISSUER": signed_up.issuer, "CLIENT_ID": signed_up.client_id, "KID": signed_up.key.kid}
        exec(compile(program, "README.md", "exec"), values | {"USCC": signed_up.uscc})
        assert re.match(r"A\+? \['[A-Z]+-", capsys.readouterr().out)


class Served:
    """A server that answers what it is told to, and keeps what it was asked."""

    def __init__(self, *answers) -> None:
        self.answers, self.asked, self.slept = list(answers), [], []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **more):
        http = httpx.Client(transport=httpx.MockTransport(self))
        bank = Client("https://credit.example", "bank-1", generate_key(), http=http, **more)
        bank.core.chance = lambda: 1.0
        return bank


@pytest.fixture
def slept(monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def token(**more):
    return httpx.Response(200, json={"access_token": "cla_1", "expires_in": 300, "token_type": "DPoP", **more})


def claims(jwt: str, part: int = 1) -> dict:
    import base64

    text = jwt.split(".")[part]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class TestLineAndServer:
    def test_the_nonce_that_a_server_asks_for_is_in_the_next_proof(self, slept):
        refused = {"error": "use_dpop_nonce"}
        server = Served(httpx.Response(400, json=refused, headers={"DPoP-Nonce": "n-1"}), token())
        server.client().own("financing:read")
        first, second = (claims(one.headers["DPoP"]) for one in server.asked)
        assert "nonce" not in first
        assert second["nonce"] == "n-1"
        forms = [httpx.QueryParams(one.content.decode()) for one in server.asked]
        assert len({claims(form["client_assertion"])["jti"] for form in forms}) == 2
        assert slept == []

    def test_a_server_that_always_wants_another_nonce_is_asked_twice(self, slept):
        refused = [
            httpx.Response(400, json={"error": "use_dpop_nonce"}, headers={"DPoP-Nonce": f"n-{n}"}) for n in range(3)
        ]
        server = Served(*refused)
        with pytest.raises(OAuthError):
            server.client().own("financing:read")
        assert len(server.asked) == 2

    def test_retry_after_is_kept_with_jitter(self, slept):
        server = Served(
            token(),
            httpx.Response(503, headers={"Retry-After": "8"}),
            httpx.Response(429, headers={"Retry-After": "4"}),
            httpx.Response(200, json={"items": [1], "next_cursor": None}),
        )  # fmt: skip
        assert list(server.client().own("financing:read").pages("/v1/financing/applications")) == [1]
        assert slept == [10.0, 5.0]

    def test_tries_end(self, slept):
        server = Served(*[httpx.Response(503, json={"type": "/problems/overloaded"}) for _ in range(9)])
        with pytest.raises(ProblemError) as busy:
            server.client(tries=3).purposes()
        assert (busy.value.slug, len(server.asked)) == ("overloaded", 3)

    def test_a_lost_line_repeats_reads_and_what_has_a_key_with_the_same_key(self, slept):
        lost = httpx.ReadError("gone")
        pending = httpx.Response(202, json={"status": "PENDING"}, headers={"Retry-After": "2"})
        server = Served(token(), lost, pending, httpx.Response(201, json={"id": "prf_1"}))
        assert server.client().own("profile:create").create_profile()["id"] == "prf_1"
        assert len({one.headers["Idempotency-Key"] for one in server.asked[1:]}) == 1
        assert len({claims(one.headers["DPoP"])["jti"] for one in server.asked}) == 4

    def test_a_lost_line_repeats_nothing_that_acts(self, slept):
        server = Served(token(), httpx.ReadError("gone"))
        own = server.client().own("financing:write")
        with pytest.raises(httpx.ReadError):
            own.call("POST", "/v1/financing/applications/fap_1/receipt")

    def test_a_code_is_sent_once(self, slept):
        pushed = httpx.Response(201, json={"request_uri": "urn:x", "expires_in": 300})
        server = Served(pushed, httpx.ReadError("gone"))
        bank = server.client(redirect_uri="https://bank.example/back")
        sent = bank.push(details())
        with pytest.raises(httpx.ReadError):
            bank.exchange(sent, f"https://bank.example/back?code=c&iss=https://credit.example&state={sent.state}")
        assert len(server.asked) == 2

    def test_polling_slows_down_and_ends(self, slept, monkeypatch):
        def said(error):
            return httpx.Response(400, json={"error": error})

        server = Served(
            httpx.Response(200, json={"auth_req_id": "clq_1", "expires_in": 600, "interval": 5}),
            said("authorization_pending"), said("slow_down"), token(refresh_token="clr_1"),
        )  # fmt: skip
        bank = server.client()
        assert bank.wait_for(bank.ask_in_inbox(details(), login_hint="x")).tokens.refresh_token == "clr_1"
        assert slept == [5, 10]
        server.answers = [said("authorization_pending")]
        server.answers.insert(0, httpx.Response(200, json={"auth_req_id": "q", "expires_in": 600, "interval": 5}))
        with pytest.raises(NotAnswered):
            bank.wait_for(bank.ask_in_inbox(details(), login_hint="x"), seconds=1)

    def test_a_page_after_page(self, slept):
        pages = [{"items": [1, 2], "next_cursor": "b&c"}, {"items": [], "next_cursor": "d"}]
        server = Served(
            token(), *(httpx.Response(200, json=one) for one in (*pages, {"items": [3], "next_cursor": None}))
        )
        assert list(server.client().own("consent:read").pages("/v1/consents", limit=2)) == [1, 2, 3]
        assert [dict(one.url.params) for one in server.asked[1:]] == [
            {"limit": "2"}, {"limit": "2", "cursor": "b&c"}, {"limit": "2", "cursor": "d"},
        ]  # fmt: skip
        assert {claims(one.headers["DPoP"])["htu"] for one in server.asked[1:]} == {
            "https://credit.example/v1/consents"
        }

    def test_an_error_that_is_none_of_ours(self, slept):
        for answer in (
            httpx.Response(502, text="<html>"),
            httpx.Response(500, json=[1]),
            httpx.Response(400, json=None),
        ):
            with pytest.raises(ProblemError):
                Served(answer).client().purposes()


class TestWebhooks:
    SECRET = message.secret_text(b"k" * 32)

    def sent(self, body='{"type":"consent.revoked"}', secrets=None, at=None):
        now = at or utc_now()
        return message.headers_of(secrets or [self.SECRET], "msg_1", now, body), body.encode()

    def test_what_the_platform_signs_is_taken(self):
        headers, body = self.sent()
        assert verified_webhook(self.SECRET, headers, body) == {"type": "consent.revoked"}
        upper = {name.upper(): value for name, value in headers.items()}
        assert verified_webhook(self.SECRET, upper, body)["type"] == "consent.revoked"
        rotated, body = self.sent(secrets=[message.secret_text(b"n" * 32), self.SECRET])
        assert verified_webhook(self.SECRET, rotated, body)

    @pytest.mark.parametrize("change", [
        {"webhook-signature": "v1,AAAA"}, {"webhook-signature": ""}, {"webhook-id": "msg_2"}, {"webhook-id": ""},
        {"webhook-timestamp": "1"}, {"webhook-timestamp": "²"}, {"webhook-timestamp": "9" * 40},
        {"webhook-signature": "v1,\x00é"}, {"webhook-timestamp": "nan"},
    ])  # fmt: skip
    def test_anything_else_is_refused(self, change):
        headers, body = self.sent()
        with pytest.raises(WebhookRefused):
            verified_webhook(self.SECRET, headers | change, body)

    def test_an_old_one_another_body_and_no_event_are_refused(self):
        headers, body = self.sent(at=utc_now() - timedelta(minutes=6))
        with pytest.raises(WebhookRefused):
            verified_webhook(self.SECRET, headers, body)
        headers, body = self.sent()
        for wrong in (b"", body + b" ", b"{}"):
            with pytest.raises(WebhookRefused):
                verified_webhook(self.SECRET, headers, wrong)
        for nonsense in ("[]", "nothing", "[" * 100_000):
            with pytest.raises(WebhookRefused):
                verified_webhook(self.SECRET, *self.sent(nonsense))
        with pytest.raises(WebhookRefused):
            verified_webhook("whsec_", *self.sent())


class TestPackage:
    def test_the_models_are_those_of_the_document(self):
        document = json.loads((ROOT / "docs" / "openapi.json").read_text())
        assert generate_models.TARGET.read_text() == generate_models.written(document), (
            "run: python clients/python/generate_models.py"
        )

    def test_it_imports_nothing_of_the_platform(self):
        text = "".join(path.read_text() for path in (FOLDER / "creditlink_client").glob("*.py"))
        assert set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)) & {"creditlink", "authlib"} == set()

    def test_keys(self, tmp_path):
        key = generate_key("k-1")
        assert public_jwks(key)["keys"][0].keys() == {"kty", "crv", "x", "y", "use", "alg", "kid"}
        (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=True)))
        assert load_key(tmp_path / "key.json").kid == "k-1"
        for wrong in (
            public_jwks(key)["keys"][0],
            "-----BEGIN NOTHING-----",
            json.dumps({"kty": "oct", "k": "A" * 43}),
        ):
            with pytest.raises(ValueError, match=r"private|key|JSON|oct"):
                load_key(wrong)
