"""The server under slow bodies, waiting requests and locks, over real HTTP: it stays alive, and serves others."""

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select, text

from creditlink.kit.clock import utc_now
from creditlink.records.pulls import fetching
from creditlink.records.tables import Pull

pytestmark = pytest.mark.long

AT_ONCE = 2.0  # seconds: a busy machine's "at once"; what is fended off here would last ten and more


def assert_alive(server):
    began = time.monotonic()
    assert httpx.get(server + "/health/live", timeout=30, trust_env=False).json() == {"status": "live"}
    assert httpx.get(server + "/health/ready", timeout=30, trust_env=False).status_code in (200, 503)
    assert httpx.get(server + "/v1/reason-codes", timeout=30, trust_env=False).status_code == 200
    assert time.monotonic() - began < 3 * AT_ONCE


def busy_connections(database):
    with database.engine("owner").connect() as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
        busy = connection.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {others}"))
    time.sleep(0.1)
    return busy


def slow_post(server, path, sent=b"a="):
    """Begin a POST whose body never ends."""
    parts = urlsplit(server)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    form = "Content-Length: 1000\r\nContent-Type: application/x-www-form-urlencoded"
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{form}\r\n\r\n".encode() + sent)
    return connection


def test_slow_anonymous_bodies_hold_nobody_up_and_end(server):
    slow = [slow_post(server, path) for path in ("/oauth/token", "/portal/sign-in") * 6]
    try:
        assert_alive(server)
        began = time.monotonic()
        first = slow[0].recv(65536)
        assert first.startswith(b"HTTP/1.1 408")
        assert b"/problems/request-timeout" in first
        assert time.monotonic() - began < 25
        assert_alive(server)
    finally:
        for connection in slow:
            connection.close()


def test_a_locked_consent_leaves_threads_to_others(served, server, empty_database):
    bank, authorization = served
    with empty_database.transaction("owner") as session:
        session.execute(text("SELECT FROM consents FOR UPDATE"))
        with ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(bank.call, "GET", "/v1/profiles", authorization) for _ in range(12)]
            time.sleep(0.5)
            assert_alive(server)
            answers = [future.result() for future in asked]
    assert {answer.status_code for answer in answers} == {503}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert bank.call("GET", "/v1/profiles", authorization).status_code == 200


class TestWaiting:
    def wait(self, bank, authorization, seconds):
        began = time.monotonic()
        headers = {"Prefer": f"wait={seconds}"}
        answer = bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers)
        return answer, time.monotonic() - began

    def test_many_wait_without_a_thread_and_hear_of_the_end(self, served, server, empty_database, app):
        bank, authorization = served
        with ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(self.wait, bank, authorization, 20) for _ in range(12)]
            time.sleep(2)
            assert_alive(server)
            # Who waits holds no connection; the server's own glances, for news of models, come and go.
            assert 0 in [busy_connections(empty_database) for _ in range(10)]
            began = time.monotonic()
            with empty_database.transaction("owner") as session:
                session.execute(text("UPDATE consents SET state = 'REVOKED'"))
                fetching._close(session, session.scalar(select(Pull.id)), "STOPPED", utc_now())
            answers = [future.result() for future in asked]
            assert time.monotonic() - began < 2 * AT_ONCE  # without the news they would look every five seconds
        assert {answer.status_code for answer, _ in answers} == {403}

    def test_the_wait_ends_on_time_and_says_so(self, served):
        bank, authorization = served
        answer, seconds = self.wait(bank, authorization, 2)
        assert answer.status_code == 202
        assert answer.headers["Preference-Applied"] == "wait=2"
        assert answer.json()["status"] == "PENDING"
        assert 1.9 < seconds < 8

    def test_whoever_leaves_is_waited_for_no_longer(self, served, server):
        bank, authorization = served
        for _ in range(3):
            with contextlib.suppress(httpx.TimeoutException):
                bank.call("POST", "/v1/profiles", authorization, json={}, headers={"Prefer": "wait=20"}, timeout=0.5)
        assert_alive(server)


def test_a_body_over_the_limit_is_refused_as_ever(server):
    for body in (b"x" * 300_000, iter([b"x" * 150_000] * 2)):
        answer = httpx.post(server + "/oauth/token", content=body, trust_env=False, timeout=30)
        assert answer.status_code == 413
