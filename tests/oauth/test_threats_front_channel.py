"""Threats to the authorization request and the code, one test each, named after the threat."""

from __future__ import annotations

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.oauth import tasks
from creditlink.oauth.tables import PushedRequest
from creditlink.sandbox.banks.bank import BankError, new_key
from tests.oauth import flow
from tests.oauth.flow import SCOPE, details


def refused(run, *args, **kwargs) -> str:
    with pytest.raises(BankError) as raised:
        run(*args, **kwargs)
    assert raised.value.status in (400, 401, 412), raised.value
    assert raised.value.body["error_description"].isascii()
    return raised.value.body["error"]


class TestCodeReplay:
    def test_is_refused_and_revokes_what_the_code_gave(self, bank, approve):
        asked = bank.push(details(), scope=SCOPE)
        code = bank.code_from(approve(bank, asked), asked)
        bank.exchange(code, asked)
        assert refused(bank.exchange, code, asked) == "invalid_grant"
        assert bank.introspect(asked.access_token) == {"active": False}
        assert bank.introspect(asked.refresh_token) == {"active": False}
        assert refused(bank.refresh, asked) == "invalid_grant"
        assert bank.call("GET", "/v1/resource", asked).status_code == 401

    def test_is_known_as_long_as_a_token_of_it_lives(self, bank, approve):
        asked = bank.push(details(), scope=SCOPE)
        code = bank.code_from(approve(bank, asked), asked)
        bank.exchange(code, asked)
        with db.transaction("worker") as session:
            tasks.sweep(session, now=utc_now() + timedelta(days=5))
        assert refused(bank.exchange, code, asked) == "invalid_grant"
        assert bank.introspect(asked.refresh_token) == {"active": False}
        with db.transaction("worker") as session:
            tasks.sweep(session, now=utc_now() + timedelta(days=40))
            assert session.scalar(select(func.count()).select_from(PushedRequest)) == 0

    def test_after_its_lifetime_still_revokes(self, bank, approve, clock):
        asked = bank.push(details(), scope=SCOPE)
        code = bank.code_from(approve(bank, asked), asked)
        bank.exchange(code, asked)
        clock(utc_now() + timedelta(seconds=70))
        assert refused(bank.exchange, code, asked) == "invalid_grant"
        assert bank.introspect(asked.refresh_token) == {"active": False}

    def test_race_of_eight_in_two_processes(self, bank, approve, two_servers):
        asked = bank.push(details(), scope=SCOPE)
        code = bank.code_from(approve(bank, asked), asked)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_uri,
            "code_verifier": asked.verifier,
        }
        requests = [(form | bank.client_parameters(), {"DPoP": bank.proof("POST", "/oauth/token")}) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda i: two_servers[i % 2].post("/oauth/token", data=requests[i][0], headers=requests[i][1]),
                    range(8),
                )
            )
        assert sorted(a.status_code for a in answers) == [200] + [400] * 7
        assert {a.json()["error"] for a in answers if a.status_code == 400} == {"invalid_grant"}
        winner = next(a.json() for a in answers if a.status_code == 200)
        # One of the eight is a thief: nobody keeps what the code gave.
        assert bank.introspect(winner["access_token"]) == {"active": False}


def test_a_code_expires_at_the_second(bank, approve, clock):
    asked = bank.push(details(), scope=SCOPE)
    approved_at = utc_now()
    code = bank.code_from(approve(bank, asked, now=approved_at), asked)
    clock(approved_at + timedelta(seconds=60))
    assert refused(bank.exchange, code, asked) == "invalid_grant"
    clock(approved_at + timedelta(seconds=59, microseconds=999_999))
    assert bank.exchange(code, asked)["access_token"]


def test_code_injection_across_clients(make_bank, approve):
    victim, thief = make_bank(), make_bank()
    asked = victim.push(details(), scope=SCOPE)
    code = victim.code_from(approve(victim, asked), asked)
    assert refused(thief.exchange, code, asked) == "invalid_grant"
    # The thief's attempt neither uses the code up nor revokes anything.
    assert victim.exchange(code, asked)["access_token"]


def test_code_injection_into_another_session_of_the_same_client(bank, approve):
    mine, other = bank.push(details(), scope=SCOPE), bank.push(details(), scope=SCOPE)
    code = bank.code_from(approve(bank, mine), mine)
    assert refused(bank.exchange, code, other) == "invalid_grant"  # another verifier
    assert refused(bank.exchange, code, mine, redirect_uri="https://bank.example/other") == "invalid_grant"


@pytest.mark.parametrize("named", [True, False], ids=["dpop_jkt", "proof at the push"])
def test_stolen_code_with_another_dpop_key(bank, approve, named):
    key = bank.dpop_key
    asked = bank.push(details(), scope=SCOPE, **({"dpop_jkt": key.thumbprint()} if named else {}))
    code = bank.code_from(approve(bank, asked), asked)
    bank.dpop_key = new_key()
    assert refused(bank.exchange, code, asked) == "invalid_dpop_proof"
    bank.dpop_key = key
    assert bank.exchange(code, asked)["access_token"]


def test_a_code_is_exchanged_with_a_proof_only(bank, approve):
    asked = bank.push(details(), scope=SCOPE)
    code = bank.code_from(approve(bank, asked), asked)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": asked.redirect_uri,
        "code_verifier": asked.verifier,
    }
    assert refused(bank.post, "/oauth/token", bank.client_parameters() | form) == "invalid_dpop_proof"


REDIRECT_TRICKS = [
    "https://bank.example/callback/",
    "https://bank.example/callback2",
    "https://bank.example/callback?x=1",
    "https://bank.example/callback#fragment",
    "https://bank.example/x/../callback",
    "https://bank.example/callback/..",
    "https://bank.example/%63allback",
    "https://bank.example@evil.example/callback",
    "https://evil.example/https://bank.example/callback",
    "https://bank.example.evil.example/callback",
    "https://BANK.example/callback",
    "https://bank.example:443/callback",
    "https://bank.example:8443/callback",
    "http://bank.example/callback",
    "HTTPS://bank.example/callback",
    "https://bank.example/callback\r\nX: y",
    'https://bank.example/callback"',
    "https://bank.example/callback\\",
    "https://bank.example/c\u0430llback",
    "//bank.example/callback",
    "javascript:alert(1)",
    " https://bank.example/callback",
]


@pytest.mark.parametrize("address", REDIRECT_TRICKS)
def test_redirect_uri_tricks(bank, address):
    assert refused(bank.push, details(), scope=SCOPE, redirect_uri=address) == "invalid_request"


def test_redirect_uri_is_required(bank):
    assert refused(bank.push, details(), scope=SCOPE, redirect_uri="") == "invalid_request"


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "parameters",
    [
        {"code_challenge": ""},
        {"code_challenge_method": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "plain", "code_challenge": "v" * 43},
        {"code_challenge_method": "s256"},
        {"code_challenge": "short"},
        {"code_challenge": "v" * 43 + "="},
        {"code_challenge": "", "code_challenge_method": ""},
    ],
)
def test_pkce_downgrade_at_the_push(bank, parameters):
    assert refused(bank.push, details(), scope=SCOPE, **parameters) == "invalid_request"


@pytest.mark.parametrize("verifier", ["", "v" * 43, "v" * 42, "v" * 129, "é" * 43])
def test_pkce_downgrade_at_the_exchange(bank, approve, verifier):
    asked = bank.push(details(), scope=SCOPE)
    code = bank.code_from(approve(bank, asked), asked)
    assert refused(bank.exchange, code, asked, code_verifier=verifier) in ("invalid_grant", "invalid_request")
    # The challenge itself is no verifier.
    assert refused(bank.exchange, code, asked, code_verifier=_challenge(asked.verifier)) == "invalid_grant"


def test_mix_up_is_visible_to_the_bank(bank, approve):
    asked = bank.push(details(), scope=SCOPE)
    callback = approve(bank, asked)
    with pytest.raises(BankError):
        bank.code_from(callback.replace("iss=http%3A%2F%2F127.0.0.1", "iss=http%3A%2F%2Fevil"), asked)


class TestOnlyPushedRequests:
    def test_parameters_beside_the_pushed_request_are_ignored(self, bank, app, firm):
        asked = bank.push(details(), scope="profile:read")
        url = bank.authorize_url(asked) + "&redirect_uri=https://evil.example/&scope=profile:create&state=evil"
        handle = bank.http.get(url).headers["Location"].removeprefix("/portal/authorize/")
        callback = flow.decide(app, firm, handle)
        assert callback.startswith(flow.REDIRECT_URI + "?")
        assert "evil" not in callback
        assert bank.exchange(bank.code_from(callback, asked), asked)["scope"] == "profile:read"

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "client_id={client}",
            "client_id={client}&response_type=code&redirect_uri=https://bank.example/callback&scope=profile:read",
            "client_id={client}&request_uri=https://evil.example/request",
            "client_id={client}&request_uri=urn:ietf:params:oauth:request_uri:unknown",
            "client_id=someone&request_uri={uri}",
            "client_id={client}&client_id={client}&request_uri={uri}",
            "client_id={client}&request_uri={uri}&request_uri={uri}",
            "client_id={client}&request_uri={uri}%00",
            "request_uri={uri}",
        ],
    )
    def test_open_redirect(self, bank, query):
        asked = bank.push(details(), scope=SCOPE)
        answer = bank.http.get("/oauth/authorize?" + query.format(client=bank.client_id, uri=asked.request_uri))
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "evil" not in answer.text

    def test_a_request_uri_of_another_client(self, make_bank):
        one, two = make_bank(), make_bank()
        asked = one.push(details(), scope=SCOPE)
        assert two.http.get(two.authorize_url(asked)).status_code == 400

    def test_a_request_uri_expires(self, bank, clock):
        asked = bank.push(details(), scope=SCOPE)
        clock(utc_now() + timedelta(seconds=300))
        assert bank.http.get(bank.authorize_url(asked)).status_code == 400

    @pytest.mark.parametrize("handle", ["", "x", "a.b.c", "é", "%00", "a" * 5000])
    def test_a_forged_handle(self, app, empty_database, handle):
        with (
            app.test_request_context(),
            empty_database.transaction("api") as session,
            pytest.raises(flow.oauth.PendingGone),
        ):
            flow.oauth.load_pending(session, handle, utc_now())

    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"response_type": "code token"}, "unsupported_response_type"),
            ({"response_type": ""}, "invalid_request"),
            ({"response_mode": "fragment"}, "invalid_request"),
            ({"request_uri": "urn:x"}, "invalid_request"),
            ({"request": "eyJ"}, "request_not_supported"),
            ({"scope": "profile:read everything"}, "invalid_scope"),
            ({"scope": "profile:read profile:read"}, "invalid_scope"),
            ({"scope": "profile:read  profile:create"}, "invalid_scope"),
            ({"scope": "financing:write"}, "invalid_scope"),  # known, but not this client's
            ({"scope": ""}, "invalid_scope"),
            ({"state": "s" * 4097}, "invalid_request"),
            ({"state": "line\nbreak"}, "invalid_request"),
            ({"dpop_jkt": "x"}, "invalid_request"),
            ({"dpop_jkt": "x" * 43}, "invalid_dpop_proof"),
            ({"authorization_details": ""}, "invalid_request"),
            ({"authorization_details": "{}"}, "invalid_request"),
            ({"authorization_details": "[" * 4000}, "invalid_request"),
            ({"authorization_details": '[{"type": "payment"}]'}, "invalid_authorization_details"),
            ({"client_id": ""}, "invalid_request"),
            ({"client_id": "other"}, "invalid_client"),
            ({"grant_id": "cns_" + "0" * 32, "grant_management_action": "merge"}, "invalid_grant_id"),
            ({"grant_id": "x", "grant_management_action": "replace"}, "invalid_grant_id"),
            ({"grant_id": "cns_" + "0" * 32}, "invalid_request"),
            ({"grant_management_action": "replace"}, "invalid_request"),
            ({"grant_management_action": "revoke"}, "invalid_request"),
        ],
    )
    def test_wrong_parameters_at_the_push(self, bank, parameters, error):
        assert _push_raw(bank, parameters) == error

    def test_mass_assignment(self, bank, approve):
        asked = bank.push(
            details(), scope=SCOPE, consent_id="0" * 32, outcome="approved", decided_at="2020-01-01", account_id="1"
        )
        assert bank.exchange(bank.code_from(approve(bank, asked), asked), asked)["access_token"]


def _push_raw(bank, parameters) -> str:
    form = {
        "response_type": "code",
        "redirect_uri": bank.redirect_uri,
        "scope": SCOPE,
        "code_challenge": _challenge("v" * 43),
        "code_challenge_method": "S256",
        "authorization_details": json.dumps(details()),
    }
    return refused(bank.post, "/oauth/par", bank.client_parameters() | form | parameters, dpop=True)


def test_a_fair_use_limit_names_its_attribute(bank):
    with pytest.raises(BankError) as raised:
        bank.push(details(history_months=60), scope=SCOPE)
    assert raised.value.status == 412
    assert raised.value.body["error"] == "invalid_authorization_details"
    assert raised.value.body["attribute"] == "history_months"


def test_a_scope_taken_from_the_client_meanwhile_is_not_granted(bank, app, firm, empty_database):
    from creditlink.institutions import service as institutions

    asked = bank.push(details(), scope=SCOPE)
    handle = flow.open_page(bank, asked)
    with empty_database.transaction("owner") as session:
        institutions.client_of(session, bank.client_id).scopes = ["profile:read"]
    callback = flow.decide(app, firm, handle)
    assert "code=" not in callback
    assert "error=invalid_scope" in callback
    assert "iss=" in callback


def test_a_bank_suspended_meanwhile_gets_no_code(bank, app, firm, empty_database):
    from creditlink.institutions import service as institutions

    asked = bank.push(details(), scope=SCOPE)
    handle = flow.open_page(bank, asked)
    with empty_database.transaction("owner") as session:
        client = institutions.client_of(session, bank.client_id)
        institutions.set_client_status(session, client, "suspended", now=utc_now())
    with pytest.raises(flow.oauth.PendingGone):
        flow.decide(app, firm, handle)
