"""Consents over HTTP, as two banks see them."""

import pytest

from creditlink.consents.tables import Consent
from creditlink.kit.postgres import db
from tests.oauth import flow


def test_a_bank_sees_its_own_consents_living_and_dead(bank, authorized):
    first, second = authorized(bank), authorized(bank, history_months=12)
    flow.change_consent(first, "revoke")
    found = bank.call("GET", "/v1/consents", second).json()
    assert [(c["id"], c["state"]) for c in found["items"]] == [
        (second.grant_id, "ACTIVE"),
        (first.grant_id, "REVOKED"),
    ]
    assert found["next_cursor"] is None
    one = bank.call("GET", f"/v1/consents/{first.grant_id}", second).json()
    assert [(e["to_state"], e["by"]) for e in one["events"]] == [
        ("REQUESTED", "bank"),
        ("ACTIVE", "firm"),
        ("REVOKED", "firm"),
    ]
    assert one["uses"] == [{"window": "total", "used": 0, "allowed": 2, "left": 2}]
    only = bank.call("GET", "/v1/consents?state=REVOKED", second).json()
    assert [c["id"] for c in only["items"]] == [first.grant_id]


def test_paging_walks_the_list_once(bank, authorized):
    ids = [authorized(bank).grant_id for _ in range(3)]
    last = authorized(bank)
    seen, cursor = [], ""
    while True:
        page = bank.call("GET", f"/v1/consents?limit=2{cursor}", last).json()
        seen += [c["id"] for c in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [last.grant_id, *reversed(ids)]


def test_idor_on_consents(make_bank, authorized):
    """A foreign consent and one that does not exist give the same answer, to the byte but for the request's id."""
    ours, theirs = make_bank(), make_bank("PS256")
    mine, foreign = authorized(ours), authorized(theirs)
    answers = []
    for consent_id in (foreign.grant_id, "cns_" + "0" * 32, "cns_x", "prf_" + foreign.grant_id[4:]):
        answer = ours.call("GET", f"/v1/consents/{consent_id}", mine)
        answers.append({k: v for k, v in answer.json().items() if k != "request_id"} | {"http": answer.status_code})
    assert answers == [answers[0]] * 4
    assert answers[0]["http"] == 404
    assert ours.call("GET", "/v1/consents", mine).json()["items"][0]["id"] == mine.grant_id
    assert ours.call("GET", f"/v1/consents?cursor={foreign.grant_id}", mine).status_code == 422


def test_two_banks_cannot_join_on_the_firm(make_bank, authorized):
    ours, theirs = make_bank(), make_bank("PS256")
    mine, foreign = authorized(ours), authorized(theirs)
    with db.transaction("owner") as session:
        firms = {session.get_one(Consent, flow.consent_of(a)).enterprise_id for a in (mine, foreign)}
    assert len(firms) == 1
    seen = ours.call("GET", "/v1/consents", mine).json()["items"][0]["enterprise"]
    other = theirs.call("GET", "/v1/consents", foreign).json()["items"][0]["enterprise"]
    assert seen != other
    assert ours.call("GET", f"/v1/consents?enterprise={seen}", mine).json()["items"] != []
    assert ours.call("GET", f"/v1/consents?enterprise={other}", mine).json()["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "state=active", "page=2", "limit=1&limit=1000", "cursor=x"])
def test_bad_parameters_are_named(bank, authorized, query):
    answer = bank.call("GET", f"/v1/consents?{query}", authorized(bank))
    assert answer.status_code == 422 if query == "cursor=x" else answer.status_code in (200, 422)
    assert query == "limit=1&limit=1000" or answer.status_code != 200


def test_the_scope_is_needed(make_bank, approve):
    bank = make_bank()
    asked = bank.push(flow.details(), scope="profile:read")
    bank.exchange(bank.code_from(approve(bank, asked), asked), asked)
    assert bank.call("GET", "/v1/consents", asked).status_code == 403
