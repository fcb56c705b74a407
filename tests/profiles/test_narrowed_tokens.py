"""A token that was narrowed at refresh opens what introspection says of it, and no more."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

ALL = ["tax", "social_security", "electricity"]


@pytest.fixture
def narrow(bank):
    """Refresh with less than the firm granted; return what introspection says of the new token."""

    def run(authorization, **members):
        asked = [{"type": "enterprise_credit_profile"} | members]
        bank.refresh(authorization, authorization_details=json.dumps(asked))
        (told,) = bank.introspect(authorization.access_token)["authorization_details"]
        assert {name: told[name] for name in members} == members
        return told

    return run


def refused(response):
    return response.status_code, response.json().get("reason")


def test_a_profile_is_made_of_the_tokens_categories_alone(bank, authorized, delivered, narrow):
    authorization = authorized(bank)
    delivered(authorization)
    narrow(authorization, categories=["tax"])
    profile = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    granted = {name for name, row in profile["coverage"].items() if row["granted"]}
    assert granted == {"registration", "public_credit", "tax"}  # what is public no token leaves out
    body = bank.call("GET", f"/v1/profiles/{profile['id']}/explanation", authorization).json()
    seen = {row["category"] for row in body["indicators"] if row["value"] is not None}
    assert "tax" in seen
    assert not seen & {"social_security", "utility"}


def test_only_the_tokens_sources_are_waited_for(bank, authorized, delivered, narrow):
    authorization = authorized(bank)
    delivered(authorization, categories=("tax",))
    assert bank.call("POST", "/v1/profiles", authorization, json={}).status_code == 202
    narrow(authorization, categories=["tax"])
    assert bank.call("POST", "/v1/profiles", authorization, json={}).status_code == 201


def test_a_pull_tells_of_the_tokens_sources_alone(bank, authorized, narrow):
    authorization = authorized(bank)
    pull = bank.call("POST", "/v1/profiles", authorization, json={}).json()["pull_id"]
    everything = bank.call("GET", f"/v1/pulls/{pull}", authorization).json()
    assert {part["source"] for part in everything["sources"]} == {*ALL, "public_credit"}
    narrow(authorization, categories=["tax"])
    part = bank.call("GET", f"/v1/pulls/{pull}", authorization).json()
    assert {one["source"] for one in part["sources"]} == {"tax", "public_credit"}  # the public one no token leaves out


@pytest.mark.parametrize("part", ["", "/explanation", "/matches", "/improvements", "/matches/{code}/unlock"])
def test_a_stored_profile_with_more_than_the_token_is_for_is_refused(products, bank, created, narrow, part):
    authorization, profile = created()
    code = bank.call("GET", f"/v1/profiles/{profile['id']}/matches", authorization).json()["products"][0]["product"]
    path = f"/v1/profiles/{profile['id']}{part.format(code=code)}"
    assert bank.call("GET", path, authorization).status_code == 200
    narrow(authorization, categories=["tax", "electricity"])
    assert refused(bank.call("GET", path, authorization)) == (403, "category_not_granted:social_security")
    bank.refresh(authorization)
    assert bank.call("GET", path, authorization).status_code == 200


def test_the_list_leaves_out_what_the_token_is_not_for(bank, created, narrow):
    authorization, whole = created()
    narrow(authorization, categories=["tax"])
    part = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    listed = bank.call("GET", "/v1/profiles", authorization).json()["items"]
    assert [one["id"] for one in listed] == [part["id"]]
    bank.refresh(authorization)
    listed = bank.call("GET", "/v1/profiles", authorization).json()["items"]
    assert {one["id"] for one in listed} == {whole["id"], part["id"]}


def test_the_same_idempotency_key_does_not_open_the_wider_profile(bank, authorized, delivered, narrow):
    authorization, headers = authorized(bank), {"Idempotency-Key": "abcdefgh-1"}
    delivered(authorization)
    assert bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers).status_code == 201
    narrow(authorization, categories=["tax"])
    again = bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers)
    assert refused(again) == (403, "category_not_granted:electricity")


def test_a_token_without_the_action_match_names_no_product(products, bank, created, narrow):
    authorization, profile = created()
    assert profile["products"]["counts"]
    narrow(authorization, actions=["profile"])
    assert bank.call("GET", f"/v1/profiles/{profile['id']}", authorization).json()["products"] is None
    assert bank.call("POST", "/v1/profiles", authorization, json={}).json()["products"] is None
    for part in ("matches", "matches/FS-001/unlock"):
        answer = bank.call("GET", f"/v1/profiles/{profile['id']}/{part}", authorization)
        assert refused(answer) == (403, "action_not_granted:match")


def test_a_token_without_the_action_profile_makes_and_reads_none(bank, created, narrow):
    authorization, profile = created()
    narrow(authorization, actions=["match"])
    for method, path in (
        ("POST", "/v1/profiles"),
        ("GET", "/v1/profiles"),
        ("GET", f"/v1/profiles/{profile['id']}"),
        ("GET", f"/v1/profiles/{profile['id']}/explanation"),
        ("GET", f"/v1/profiles/{profile['id']}/improvements"),
    ):
        answer = bank.call(method, path, authorization, **({"json": {}} if method == "POST" else {}))
        assert refused(answer) == (403, "action_not_granted:profile"), path


def test_the_evidence_names_what_the_narrowed_token_got(bank, created, narrow, empty_database):
    authorization, _ = created()
    narrow(authorization, categories=["tax"], actions=["profile"])
    bank.call("POST", "/v1/profiles", authorization, json={})
    with empty_database.transaction("owner") as session:
        detail = session.scalar(
            text("SELECT detail FROM audit_entries WHERE action = 'profile.create' ORDER BY id DESC")
        )
    assert detail["categories"] == ["registration", "tax"]
    assert detail["fields"] == ["summary", "coverage"]
