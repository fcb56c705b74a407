"""A request that waits for records goes by its token as it is when the wait ends, whoever ended it, in any process."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, text

from creditlink.kit.clock import utc_now
from creditlink.records.pulls import fetching
from creditlink.records.tables import Pull
from tests import serving
from tests.oauth import flow


@pytest.fixture(scope="module")
def addresses(database, tmp_path_factory):
    """Where two processes serve the database: one has the front, in the other a waiting request holds a thread."""
    env = serving.environment(database, tmp_path_factory.mktemp("servers"))
    with serving.serve_whole(env) as whole, serving.serve(env) as (plain,):
        yield whole, plain


@pytest.fixture(params=["the front", "a thread"])
def waiting_at(request, addresses, empty_database):
    """The address of the process where a request waits, and of the other one."""
    return addresses if request.param == "the front" else addresses[::-1]


@pytest.fixture
def bank(waiting_at, empty_database):
    with httpx.Client(base_url=waiting_at[0], timeout=60, trust_env=False) as http:
        yield flow.register_bank(empty_database, http)


def revoked(bank, authorization, database, elsewhere):
    bank.http = elsewhere
    bank.post("/oauth/revoke", bank.client_parameters() | {"token": authorization.access_token})


def suspended(bank, authorization, database, elsewhere):
    with database.transaction("owner") as session:
        session.execute(text("UPDATE clients SET status = 'suspended'"))


def expired(bank, authorization, database, elsewhere):
    with database.transaction("owner") as session:
        session.execute(text("UPDATE access_tokens SET expires_at = :now"), {"now": utc_now() - timedelta(seconds=1)})


def withdrawn(bank, authorization, database, elsewhere):
    flow.change_consent(authorization, "revoke")


def untouched(bank, authorization, database, elsewhere):
    pass


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (revoked, 401, "token_revoked"),
        (suspended, 401, "client_suspended"),
        (expired, 401, "token_expired"),
        (withdrawn, 403, "revoked"),
        (untouched, 201, None),
    ],
)
def test_what_ended_during_the_wait_stops_the_answer(
    change, status, reason, bank, authorized, delivered, empty_database, waiting_at
):
    authorization = authorized(bank)
    headers = {"Prefer": "wait=20"}
    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=waiting_at[1], trust_env=False) as elsewhere:
        asked = pool.submit(bank.call, "POST", "/v1/profiles", authorization, json={}, headers=headers)
        until = time.monotonic() + 15
        while not _waits(empty_database):
            assert time.monotonic() < until
            assert not asked.done(), asked.result().text
            time.sleep(0.1)
        here = bank.http
        change(bank, authorization, empty_database, elsewhere)
        bank.http = here
        delivered(authorization)
        with empty_database.transaction("owner") as session:
            for pull_id in session.scalars(select(Pull.id).where(Pull.finished_at.is_(None))).all():
                fetching._close(session, pull_id, "DONE", utc_now())
        answer = asked.result()
    assert answer.status_code == status, answer.text
    with empty_database.transaction("owner") as session:
        profiles = session.scalar(text("SELECT count(*) FROM profiles"))
        why = session.scalars(text("SELECT detail->>'reason' FROM audit_entries WHERE result = 'refused'")).all()
    assert (profiles, why) == ((1, []) if reason is None else (0, [reason]))
    if status == 401:
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def _waits(database) -> bool:
    """Whether the request's first run is over: its proof is spent, and a pull is open."""
    with database.transaction("owner") as session:
        return bool(session.scalar(text("SELECT count(*) FROM pulls"))) and bool(
            session.scalar(text("SELECT count(*) FROM used_jtis WHERE expires_at > now()"))
        )
