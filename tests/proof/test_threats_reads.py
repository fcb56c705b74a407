"""Threats to a read itself: limits raced, a consent taken back while the answer is being made."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import text

from creditlink.audit import service as audit
from creditlink.consents.tables import Consent
from creditlink.profiles import service
from tests import serving
from tests.oauth import flow

PARALLEL = 20


@pytest.fixture
def bank(make_bank):
    return make_bank()


@pytest.fixture
def authorized(app, firm, bank):
    """The firm agrees to a consent of the given kind; return the bank's tokens."""

    def run(**values):
        asked = flow.details(**{"categories": ["tax"], "actions": ["profile"], "history_months": 13} | values)
        authorization = bank.push(asked, scope=flow.SCOPE)
        callback = flow.decide(app, firm, flow.open_page(bank, authorization))
        bank.exchange(bank.code_from(callback, authorization), authorization)
        return authorization

    return run


def test_frequency_limit_race_of_twenty_in_two_processes(bank, authorized, delivered, empty_database, tmp_path, app):
    """One a day: of twenty at once, at two processes, exactly one is served and one use is counted."""
    authorization = authorized(
        purpose="monitoring", access="recurring", history_months=6, pulls_per_month=5, pulls_per_day=1
    )
    delivered(authorization, categories=("tax",))
    path, token = "/v1/profiles", authorization.access_token
    with (
        serving.serve(serving.environment(empty_database, tmp_path), processes=2) as urls,
        httpx.Client(timeout=60) as http,
    ):
        proofs = [bank.proof("POST", path, token) for _ in range(PARALLEL)]

        def attempt(number):
            headers = {"Authorization": f"DPoP {token}", "DPoP": proofs[number]}
            return http.post(urls[number % 2] + path, json={}, headers=headers)

        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = list(pool.map(attempt, range(PARALLEL)))
    assert sorted(a.status_code for a in answers) == [201] + [412] * (PARALLEL - 1)
    assert {a.json()["attribute"] for a in answers if a.status_code == 412} == {"pulls_per_day"}
    with empty_database.transaction("owner") as session:
        assert session.scalar(text("SELECT count(*) FROM profiles")) == 1
        assert set(session.scalars(text("SELECT used FROM consent_uses"))) == {1}


def test_revoke_during_a_slow_profile_build(bank, authorized, delivered, empty_database, firm, monkeypatch):
    """The revocation waits for the answer under way, then holds: its evidence comes after, and nothing after it."""
    authorization = authorized()
    delivered(authorization, categories=("tax",))
    building, go_on = threading.Event(), threading.Event()
    whole = service.decide

    def slow(*args, **kwargs):
        building.set()
        assert go_on.wait(60)
        return whole(*args, **kwargs)

    monkeypatch.setattr(service, "decide", slow)
    with ThreadPoolExecutor(2) as pool:
        made = pool.submit(bank.call, "POST", "/v1/profiles", authorization, json={})
        assert building.wait(60)
        revoked = pool.submit(flow.change_consent, authorization, "revoke")
        wait_until_somebody_waits_for(empty_database)
        assert not revoked.done()
        go_on.set()
        assert made.result(60).status_code == 201
        revoked.result(60)
    refused = bank.call("GET", f"/v1/profiles/{made.result().json()['id']}", authorization)
    assert (refused.status_code, refused.json()["reason"]) == (403, "revoked")
    with empty_database.transaction("owner") as session:
        lines = [(line["action"], line["result"]) for line in audit.export(session, firm.enterprise.id)]
    assert lines[-3:] == [
        ("profile.create", "disclosed"),
        ("consent.revoke", "done"),
        ("read.refused", "refused"),
    ]


def test_a_revocation_that_commits_first_stops_a_build_that_has_not_begun(bank, authorized, delivered, empty_database):
    authorization = authorized()
    delivered(authorization, categories=("tax",))
    with empty_database.transaction("owner") as session:
        # Held as a revocation under way holds it.
        from creditlink.consents import service as consents
        from creditlink.kit.clock import utc_now

        consents.revoke(
            session,
            session.get_one(Consent, flow.consent_of(authorization)),
            actor="account:x",
            reason="x",
            now=utc_now(),
        )
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(bank.call, "POST", "/v1/profiles", authorization, json={})
            wait_until_somebody_waits_for(empty_database)
            session.commit()
            answer = made.result(60)
    assert (answer.status_code, answer.json()["reason"]) == (403, "revoked")


def wait_until_somebody_waits_for(database) -> None:
    """Return once a connection waits for an advisory lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
    turn = threading.Event()
    for _ in range(6000):
        with database.transaction("owner") as session:
            if session.scalar(waiting):
                return
        turn.wait(0.01)
    raise AssertionError("nobody waits")
