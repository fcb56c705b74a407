"""The whole flow, as a bank sees it."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from creditlink.kit.clock import utc_now
from creditlink.sandbox.banks.bank import BankError
from tests.oauth import flow
from tests.oauth.flow import SCOPE, details


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
@pytest.mark.parametrize("dpop", ["ES256", "PS256", "EdDSA"])
def test_code_flow_with_every_key(make_bank, authorized, algorithm, dpop):
    bank = make_bank(algorithm, dpop=dpop)
    authorization = authorized(bank)
    answer = authorization.answer
    assert answer["token_type"] == "DPoP"
    assert 0 < answer["expires_in"] <= 600
    assert answer["scope"] == SCOPE
    assert answer["authorization_details"][0]["categories"] == ["registration", "tax"]
    assert answer["authorization_details"][0]["enterprise"].startswith("ent_")
    assert answer["grant_id"].startswith("cns_")
    assert bank.introspect(authorization.access_token)["active"] is True
    assert bank.call("GET", "/v1/resource?page=2", authorization).json()["client_id"] == bank.client_id


def test_what_the_firm_narrowed_comes_back(bank, approve):
    asked = bank.push(
        details(categories=["registration", "tax", "electricity"], optional_categories=["electricity"]), scope=SCOPE
    )
    callback = approve(bank, asked, categories=["registration", "tax"])
    answer = bank.exchange(bank.code_from(callback, asked), asked)
    assert answer["authorization_details"][0]["categories"] == ["registration", "tax"]
    assert bank.introspect(answer["access_token"])["authorization_details"] == answer["authorization_details"]


def test_the_answer_carries_a_long_state_unchanged_and_the_issuer(bank, approve):
    state = "x%20&=+/?" * 200
    asked = bank.push(details(), scope=SCOPE, state=state)
    callback = approve(bank, asked)
    query = parse_qs(urlsplit(callback).query)
    assert callback.startswith(flow.REDIRECT_URI + "?")
    assert query["state"] == [state]
    assert query["iss"] == [flow.ISSUER]


def test_a_denial_carries_error_state_and_issuer(bank, app, firm):
    asked = bank.push(details(), scope=SCOPE)
    callback = flow.decide(app, firm, flow.open_page(bank, asked), approve=False)
    query = parse_qs(urlsplit(callback).query)
    assert query["error"] == ["access_denied"]
    assert query["state"] == [asked.state]
    assert query["iss"] == [flow.ISSUER]
    assert "code" not in query


def test_a_redirect_address_keeps_its_own_query(make_bank, approve):
    bank = make_bank(redirect_uris=["https://bank.example/callback?tenant=7"])
    asked = bank.push(details(), scope=SCOPE)
    query = parse_qs(urlsplit(approve(bank, asked)).query)
    assert query["tenant"] == ["7"]
    assert "code" in query


def test_the_page_may_be_loaded_again_until_it_is_decided(bank, app, firm):
    asked = bank.push(details(), scope=SCOPE)
    first, second = flow.open_page(bank, asked), flow.open_page(bank, asked)
    flow.decide(app, firm, second)
    with pytest.raises(flow.oauth.PendingGone):
        flow.decide(app, firm, first)
    assert bank.http.get(bank.authorize_url(asked)).status_code == 400


def test_the_page_waits_longer_than_the_request_uri_lives(bank, app, firm):
    asked = bank.push(details(), scope=SCOPE)
    handle = flow.open_page(bank, asked)
    callback = flow.decide(app, firm, handle, now=utc_now() + timedelta(minutes=29))
    assert "code=" in callback


def test_the_page_is_over_after_half_an_hour(bank, app, firm):
    asked = bank.push(details(), scope=SCOPE)
    handle = flow.open_page(bank, asked)
    with pytest.raises(flow.oauth.PendingGone):
        flow.decide(app, firm, handle, now=utc_now() + timedelta(minutes=30, seconds=1))


class TestRefresh:
    def test_gives_a_new_access_token_and_keeps_the_refresh_token(self, bank, authorized):
        authorization = authorized(bank)
        before, kept = authorization.access_token, authorization.refresh_token
        answer = bank.refresh(authorization)
        assert answer["access_token"] != before
        assert "refresh_token" not in answer
        assert answer["grant_id"] == authorization.grant_id
        assert bank.call("GET", "/v1/resource", authorization).status_code == 200
        assert bank.refresh(authorization)["access_token"]
        assert authorization.refresh_token == kept

    def test_may_narrow_scope_and_details(self, bank, authorized):
        authorization = authorized(bank)
        answer = bank.refresh(
            authorization,
            scope="profile:read",
            authorization_details='[{"type": "enterprise_credit_profile", "categories": ["tax"]}]',
        )
        assert answer["scope"] == "profile:read"
        assert answer["authorization_details"][0]["categories"] == ["tax"]
        assert answer["authorization_details"][0]["purpose"] == "underwriting"

    def test_ends_with_the_consent(self, bank, authorized):
        until = utc_now() + timedelta(days=20)
        authorization = authorized(bank)
        assert abs(bank.introspect(authorization.refresh_token)["exp"] - until.timestamp()) < 60

    @pytest.mark.parametrize("action", ["pause", "revoke"])
    def test_is_refused_once_the_consent_is_not_active(self, bank, authorized, action):
        authorization = authorized(bank)
        flow.change_consent(authorization, action)
        with pytest.raises(BankError) as refused:
            bank.refresh(authorization)
        assert refused.value.body["error"] == "invalid_grant"
        assert bank.introspect(authorization.access_token) == {"active": False}
        assert bank.introspect(authorization.refresh_token) == {"active": False}

    def test_works_again_after_a_pause(self, bank, authorized):
        authorization = authorized(bank)
        flow.change_consent(authorization, "pause")
        flow.change_consent(authorization, "resume")
        assert bank.refresh(authorization)["access_token"]


class TestRevocation:
    def test_of_an_access_token_ends_only_that(self, bank, authorized):
        authorization = authorized(bank)
        bank.revoke(authorization.access_token)
        assert bank.call("GET", "/v1/resource", authorization).status_code == 401
        assert bank.refresh(authorization)["access_token"]

    def test_of_a_refresh_token_ends_all(self, bank, authorized):
        authorization = authorized(bank)
        bank.revoke(authorization.refresh_token)
        assert bank.call("GET", "/v1/resource", authorization).status_code == 401
        assert bank.introspect(authorization.refresh_token) == {"active": False}


class TestGrantManagement:
    def test_query(self, bank, authorized):
        authorization = authorized(bank)
        answer = bank.call("GET", f"/oauth/grants/{authorization.grant_id}", authorization)
        assert answer.status_code == 200
        assert answer.json()["authorization_details"] == authorization.answer["authorization_details"]
        assert answer.json()["scopes"] == [{"scope": SCOPE}]

    def test_revoke_ends_the_consent(self, bank, authorized):
        authorization = authorized(bank)
        assert bank.call("DELETE", f"/oauth/grants/{authorization.grant_id}", authorization).status_code == 204
        assert bank.introspect(authorization.access_token) == {"active": False}
        assert bank.call("GET", f"/oauth/grants/{authorization.grant_id}", authorization).status_code == 404
        assert bank.call("DELETE", f"/oauth/grants/{authorization.grant_id}", authorization).status_code == 404

    def test_foreign_and_unknown_grants_look_the_same(self, make_bank, authorized):
        bank, other = make_bank(), make_bank()
        mine, foreign = authorized(bank), authorized(other)
        bodies = []
        for grant_id in (foreign.grant_id, "cns_" + "0" * 32, "cns_x"):
            for method in ("GET", "DELETE"):
                answer = bank.call(method, f"/oauth/grants/{grant_id}", mine)
                body = answer.json()
                body.pop("request_id")
                bodies.append((answer.status_code, str(body)))
        assert set(bodies) == {(404, bodies[0][1])}
        assert other.introspect(foreign.access_token)["active"] is True

    @pytest.mark.parametrize(
        ("action", "categories"), [("merge", ["registration", "tax", "electricity"]), ("replace", ["electricity"])]
    )
    def test_amendment(self, bank, authorized, approve, action, categories):
        former = authorized(bank)
        asked = bank.push(
            details(categories=["electricity"]), scope=SCOPE, grant_management_action=action, grant_id=former.grant_id
        )
        assert bank.call("GET", "/v1/resource", former).status_code == 200
        assert bank.introspect(former.access_token)["active"] is True
        answer = bank.exchange(bank.code_from(approve(bank, asked), asked), asked)
        assert answer["authorization_details"][0]["categories"] == categories
        assert answer["grant_id"] != former.grant_id
        assert bank.introspect(former.access_token) == {"active": False}

    def test_an_amendment_of_a_foreign_grant(self, make_bank, authorized):
        one, two = make_bank(), make_bank()
        with pytest.raises(BankError) as refused:
            two.push(details(), scope=SCOPE, grant_management_action="merge", grant_id=authorized(one).grant_id)
        assert refused.value.body["error"] == "invalid_grant_id"

    def test_needs_the_scope(self, bank, authorized):
        authorization = authorized(bank, scope="profile:read")
        answer = bank.call("GET", f"/oauth/grants/{authorization.grant_id}", authorization)
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_metadata_says_what_is_needed(http):
    body = http.get("/.well-known/oauth-authorization-server").json()
    AuthorizationServerMetadata(body).validate()
    assert body["issuer"] == flow.ISSUER
    assert body["require_pushed_authorization_requests"] is True
    assert body["authorization_response_iss_parameter_supported"] is True
    assert body["code_challenge_methods_supported"] == ["S256"]
    assert body["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert not set(body["grant_types_supported"]) & {"password", "implicit"}
    paths = [body[k] for k in body if k.endswith("_endpoint")]
    assert all(path.startswith(flow.ISSUER) for path in paths)
