"""New profiles and calls are counted once: however often a request is sent, however it ends, and however many race."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import utc_now
from creditlink.metering.contracts import Terms, agree
from creditlink.records.tables import Pull
from tests import serving

CREATE = "profile:create"


def units(database, unit):
    with database.transaction("owner") as session:
        rows = session.execute(
            text("SELECT what, sum(units) FROM usage_counts WHERE unit = :u GROUP BY what"), {"u": unit}
        )
        return {what: int(found) for what, found in rows if found}


def contract(database, bank, **terms):
    with database.transaction("owner") as session:
        client = session.scalars(select(Client).where(Client.client_id == bank.client_id)).one()
        institution = session.get_one(Institution, client.institution_id)
        agree(session, institution, Terms(**terms), actor="operator", now=utc_now())


@pytest.fixture
def ready(bank, authorized, delivered):
    authorization = authorized(bank, pulls_per_month=3)
    delivered(authorization)
    return authorization


def create(bank, authorization, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    return bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers)


def test_a_profile_and_its_call_are_counted_once_however_often_they_are_sent(bank, ready, empty_database):
    answers = [create(bank, ready, "one-and-the-same") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert units(empty_database, "profile") == {"profile": 1}
    assert units(empty_database, "call") == {CREATE: 1}


def test_reading_a_profile_is_a_call_and_no_profile(bank, ready, empty_database):
    profile = create(bank, ready).json()["id"]
    bank.call("GET", f"/v1/profiles/{profile}", ready)
    assert units(empty_database, "profile") == {"profile": 1}
    assert units(empty_database, "call") == {CREATE: 1, "profile:read": 1}


def test_a_refused_profile_counts_as_a_call_alone(bank, authorized, delivered, empty_database):
    authorization = authorized(bank, pulls_per_month=1)
    delivered(authorization)
    assert [create(bank, authorization).status_code for _ in range(2)] == [201, 403]
    assert units(empty_database, "profile") == {"profile": 1}
    assert units(empty_database, "call") == {CREATE: 2}


def test_a_used_up_quota_makes_and_fetches_nothing(bank, ready, empty_database):
    contract(empty_database, bank, profiles_a_month=1)
    assert create(bank, ready, "the-first-of-all").status_code == 201
    with empty_database.transaction("owner") as session:
        session.execute(text("DELETE FROM pull_parts"))
        session.execute(text("DELETE FROM pulls"))
    refused = create(bank, ready)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/quota-used-up")
    assert refused.json()["violated-policies"] == ["profiles-a-month"]
    assert int(refused.headers["Retry-After"]) > 0
    with empty_database.transaction("owner") as session:
        assert session.scalars(select(Pull)).all() == []
        assert session.scalar(text("SELECT max(used) FROM consent_uses")) == 1
    assert create(bank, ready, "the-first-of-all").status_code == 201  # that profile is there already
    assert units(empty_database, "call") == {CREATE: 1}


@pytest.mark.long
def test_many_at_once_over_two_processes_make_as_many_profiles_as_the_contract_has(
    database, tmp_path, bank, authorized, delivered, empty_database
):
    agreed = authorized(bank)
    delivered(agreed)
    contract(empty_database, bank, profiles_a_month=2)
    with serving.serve(serving.environment(database, tmp_path), processes=2) as addresses:

        def send(n):
            import httpx

            with httpx.Client(base_url=addresses[n % 2], timeout=60, trust_env=False) as http:
                copy = type(bank)(
                    client_id=bank.client_id, redirect_uri=bank.redirect_uri, issuer=bank.issuer, key=bank.key,
                    dpop_key=bank.dpop_key, http=http,
                )  # fmt: skip
                return create(copy, agreed).status_code

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(8)))
        # A busy machine may leave some waiting for the others' locks too long; they ask again.
        answers += [send(n) for n in range(2)]
        # A refused call is given back when its answer is out: nobody waits for that.
        ends = time.monotonic() + 20
        while units(empty_database, "call") != {CREATE: 2} and time.monotonic() < ends:
            time.sleep(0.05)
    assert answers.count(201) == 2, answers
    assert set(answers) <= {201, 429, 503}
    assert answers[-1] == 429
    assert units(empty_database, "profile") == {"profile": 2}
    assert units(empty_database, "call") == {CREATE: 2}
