"""Uses limit new computations: what was computed stays readable, and every answer tells how many are left."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from creditlink.consents.life import sweep
from creditlink.consents.service import live_for_work
from creditlink.consents.tables import Consent
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import ConsentRefused
from tests.oauth import flow

LEFT = "CreditLink-Uses-Left"


def test_one_call_too_many_kills_nothing(bank, authorized, delivered, empty_database):
    authorization = authorized(bank, pulls_per_month=1)
    delivered(authorization)
    made = bank.call("POST", "/v1/profiles", authorization, json={})
    assert (made.status_code, made.headers[LEFT]) == (201, "total=0")
    profile = made.json()
    for _ in range(3):
        refused = bank.call("POST", "/v1/profiles", authorization, json={})
        assert (refused.status_code, refused.json()["reason"], refused.headers[LEFT]) == (403, "exhausted", "total=0")
    for part in ("", "/explanation", "/matches", "/improvements"):
        answer = bank.call("GET", f"/v1/profiles/{profile['id']}{part}", authorization)
        assert (answer.status_code, answer.headers[LEFT]) == (200, "total=0"), part
    assert bank.refresh(authorization)["access_token"]
    assert bank.introspect(authorization.refresh_token)["active"]
    assert bank.call("GET", f"/oauth/grants/{authorization.grant_id}", authorization).status_code == 200
    listed = bank.call("GET", "/v1/profiles", authorization)
    assert ([one["id"] for one in listed.json()["items"]], listed.headers[LEFT]) == ([profile["id"]], "total=0")
    told = bank.call("GET", f"/v1/consents/{authorization.grant_id}", authorization).json()
    assert (told["state"], told["uses"]) == ("ACTIVE", [{"window": "total", "used": 1, "allowed": 1, "left": 0}])
    with empty_database.transaction("worker") as session:
        life = session.get_one(Consent, flow.consent_of(authorization)).data_life_days
    assert sweep.sweep(utc_now() + timedelta(days=min(life, 19) - 1))["EXHAUSTED"] == 0


@pytest.mark.parametrize("change", ["pause", "revoke"])
def test_what_was_computed_is_closed_by_the_firm_all_the_same(bank, authorized, delivered, change):
    authorization = authorized(bank, pulls_per_month=1)
    delivered(authorization)
    profile = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    bank.call("POST", "/v1/profiles", authorization, json={})
    flow.change_consent(authorization, change)
    answer = bank.call("GET", f"/v1/profiles/{profile['id']}", authorization)
    assert (answer.status_code, answer.json()["reason"]) == (403, {"pause": "paused", "revoke": "revoked"}[change])


def test_a_refresh_token_lives_until_the_data_life_is_over_and_then_all_agree(bank, authorized, delivered):
    authorization = authorized(bank, pulls_per_month=1, data_life_days=3)
    delivered(authorization)
    bank.call("POST", "/v1/profiles", authorization, json={})
    assert bank.introspect(authorization.refresh_token)["active"]
    assert sweep.sweep(utc_now() + timedelta(days=3))["EXHAUSTED"] == 1
    assert bank.introspect(authorization.refresh_token) == {"active": False}
    assert bank.call("GET", f"/oauth/grants/{authorization.grant_id}", authorization).status_code == 404
    answer = bank.call("GET", "/v1/profiles", authorization)
    assert (answer.status_code, answer.json()["reason"]) == (403, "exhausted")


def test_what_spends_nothing_tells_what_is_left_too(bank, authorized, delivered):
    authorization = authorized(bank)
    pending = bank.call("POST", "/v1/profiles", authorization, json={})
    assert (pending.status_code, pending.headers[LEFT]) == (202, "total=3")
    pull = bank.call("GET", pending.headers["Location"], authorization)
    assert (pull.status_code, pull.headers[LEFT]) == (200, "total=3")
    delivered(authorization, categories=(), tax="DOWN", social_security="DOWN", electricity="DOWN")
    failed = bank.call("POST", "/v1/profiles", authorization, json={})
    assert (failed.status_code, failed.headers[LEFT]) == (409, "total=3")


def test_a_recurring_consent_tells_every_window(bank, authorized, delivered):
    until = (utc_now() + timedelta(days=300)).isoformat(timespec="seconds")
    authorization = authorized(
        bank, purpose="monitoring", history_months=6, valid_until=until, pulls_per_month=5, pulls_per_day=1
    )
    delivered(authorization)
    made = bank.call("POST", "/v1/profiles", authorization, json={})
    assert (made.status_code, made.headers[LEFT]) == (201, "month=4, day=0")
    refused = bank.call("POST", "/v1/profiles", authorization, json={})
    assert (refused.status_code, refused.headers[LEFT]) == (412, "month=4, day=0")


@pytest.mark.parametrize("monthly", [False, True])
def test_no_office_is_asked_for_a_use_that_is_not_left(bank, authorized, delivered, empty_database, monthly):
    until = (utc_now() + timedelta(days=300)).isoformat(timespec="seconds")
    recurring = {"purpose": "monitoring", "history_months": 6, "valid_until": until}
    authorization = authorized(bank, pulls_per_month=1, **(recurring if monthly else {}))
    delivered(authorization)
    assert bank.call("POST", "/v1/profiles", authorization, json={}).status_code == 201
    with empty_database.transaction("owner") as session:  # the records grow stale
        session.execute(text("UPDATE pull_parts SET finished_at = finished_at - interval '60 days'"))
    refused = bank.call("POST", "/v1/profiles", authorization, json={})
    assert (refused.status_code, refused.headers[LEFT]) == ((412, "month=0") if monthly else (403, "total=0"))
    with empty_database.transaction("owner") as session:
        assert session.scalars(text("SELECT status FROM pulls")).all() == ["DONE"]


@pytest.mark.parametrize("spent", [False, True])
def test_the_worker_asks_no_office_again_once_all_uses_are_spent(bank, authorized, delivered, empty_database, spent):
    authorization = authorized(bank, pulls_per_month=1 if spent else 2, optional_categories=["electricity"])
    delivered(authorization, categories=("tax", "social_security"), electricity="DOWN")
    assert bank.call("POST", "/v1/profiles", authorization, json={}).status_code == 201
    with empty_database.transaction("worker") as session:
        later = utc_now() + timedelta(minutes=10)
        if spent:
            with pytest.raises(ConsentRefused) as refused:
                live_for_work(session, flow.consent_of(authorization), now=later)
            assert refused.value.extra["reason"] == "exhausted"
        else:
            assert live_for_work(session, flow.consent_of(authorization), now=later).wire_id == authorization.grant_id
