"""Tokens of an institution itself: for what needs no firm's consent, and for nothing else."""

from __future__ import annotations

import pytest

from creditlink.sandbox.banks.bank import BankError
from tests.oauth import flow

OWN = "consent:read financing:read financing:write"


@pytest.fixture
def lender(make_bank):
    return make_bank(scopes=[*flow.SCOPE.split(), "financing:read", "financing:write"])


def test_the_token_is_short_bound_and_has_no_refresh_token(lender):
    answer = lender.in_own_name(scope=OWN).answer
    assert answer["token_type"] == "DPoP"
    assert answer["scope"] == OWN
    assert 0 < answer["expires_in"] <= 600
    assert not {"refresh_token", "grant_id", "authorization_details"} & set(answer)


def test_it_lists_the_institutions_own_consents(lender, authorized):
    authorization = authorized(lender)
    own = lender.in_own_name(scope="consent:read")
    answer = lender.call("GET", "/v1/consents", own)
    assert answer.status_code == 200
    assert [item["id"] for item in answer.json()["items"]] == [authorization.grant_id]


@pytest.mark.parametrize("scope", ["profile:read", "consent:read profile:create", "outcome:write", "", "unknown:scope"])
def test_scopes_that_need_a_consent_or_are_not_the_clients_are_refused(lender, scope):
    with pytest.raises(BankError) as refused:
        lender.in_own_name(scope=scope)
    assert refused.value.status == 400
    assert refused.value.body["error"] == "invalid_scope"


def test_it_opens_no_firms_data(lender, authorized, app):
    authorized(lender)
    own = lender.in_own_name(scope="consent:read")
    answer = lender.call("GET", "/v1/profiles", own)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/insufficient-scope"


def test_introspection_says_what_it_is_good_for(lender):
    own = lender.in_own_name(scope="consent:read")
    body = lender.introspect(own.access_token)
    assert body["active"] is True
    assert body["scope"] == "consent:read"
    assert body["cnf"]["jkt"]
    assert "grant_id" not in body


def test_it_dies_when_it_is_revoked(lender):
    own = lender.in_own_name(scope="consent:read")
    lender.revoke(own.access_token)
    assert lender.introspect(own.access_token) == {"active": False}
    assert lender.call("GET", "/v1/consents", own).status_code == 401


def test_without_a_proof_there_is_none(lender):
    form = {"grant_type": "client_credentials", "scope": "consent:read"}
    answer = lender.send("/oauth/token", lender.client_parameters() | form)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_dpop_proof"
