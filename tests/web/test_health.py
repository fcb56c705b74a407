"""The service says whether it is alive and ready, and why not."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from creditlink.kit import clock
from creditlink.kit.postgres import db, schema
from creditlink.kit.processes import runtime
from creditlink.kit.settings import ROOT
from creditlink.web.app import create_app

TOKEN = "scrape-" + "t" * 30
AWAY = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.fixture
def with_token(settings, empty_database):
    """A client of an application whose metrics have a token."""
    return create_app(replace(settings, metrics_token=TOKEN), empty_database).test_client()


def test_live(client):
    assert client.get("/health/live").json == {"status": "live"}


def test_not_ready_without_a_worker_and_says_which_part(client):
    response = client.get("/health/ready")
    assert response.status_code == 503
    checks = response.json["checks"]
    assert checks["database"]["ok"]
    assert checks["migrations"]["ok"]
    assert not checks["worker"]["ok"]


def test_ready_sees_a_worker_heartbeat(client, empty_database):
    with empty_database.transaction("owner") as session:
        session.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))
    assert client.get("/health/ready").json["checks"]["worker"]["ok"]


class TestReadiness:
    def checks(self, client):
        return client.get("/health/ready").json["checks"]

    def test_a_database_that_only_reads_is_not_ready(self, client, empty_database):
        with empty_database.engine("owner").connect() as connection:
            run = connection.execution_options(isolation_level="AUTOCOMMIT").execute
            run(text(f"ALTER DATABASE {empty_database.url.database} SET default_transaction_read_only = on"))
            try:
                assert not self.checks(client)["database"]["ok"]
            finally:
                run(text("SET default_transaction_read_only = off"))
                run(text(f"ALTER DATABASE {empty_database.url.database} RESET default_transaction_read_only"))
        assert self.checks(client)["database"]["ok"]

    def test_it_leaves_no_row(self, client, empty_database):
        self.checks(client)
        with empty_database.transaction("owner") as session:
            assert session.scalar(text("SELECT count(*) FROM used_jtis")) == 0

    @pytest.mark.parametrize("minutes", [10, -10])
    def test_a_clock_that_is_off_is_not_ready_and_judges_nothing(self, client, monkeypatch, database, minutes):
        true = clock.wall_clock
        monkeypatch.setattr(clock, "wall_clock", lambda: true() + timedelta(minutes=minutes))
        monkeypatch.setattr(clock, "_ahead", timedelta(0))
        check = self.checks(client)["clock"]
        assert not check["ok"]
        assert check["offset_seconds"] == pytest.approx(minutes * 60, abs=5)
        other = db.Database(db.conninfo(database.url), pool_size=1)
        with other.transaction("api") as session:
            there = session.scalar(text("SELECT clock_timestamp()"))
        other.close()
        assert abs((clock.utc_now() - there).total_seconds()) < 5

    @pytest.mark.parametrize(("serves", "ready"), [("0022", True), ("9998", False), (None, False)])
    def test_a_newer_schema_is_ready_if_it_serves_this_code(self, client, empty_database, serves, ready):
        head = schema.head()
        with empty_database.transaction("owner") as session:
            before = session.scalar(text("SELECT obj_description('alembic_version'::regclass, 'pg_class')"))
            newest = next((ROOT / "migrations" / "versions").glob(f"{head}_*.py")).read_text()
            said = re.search(r'^serves = "(\d{4})"', newest, re.MULTILINE)  # one that only adds serves older code
            assert before == f"serves {said[1] if said else head}"
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            mark = f"'serves {serves}'" if serves else "NULL"
            session.execute(text(f"COMMENT ON TABLE alembic_version IS {mark}"))
        try:
            check = self.checks(client)["migrations"]
        finally:
            with empty_database.transaction("owner") as session:
                session.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
                session.execute(text(f"COMMENT ON TABLE alembic_version IS '{before}'"))
        assert (check["ok"], check["applied"]) == (ready, "9999")


@pytest.mark.parametrize("number", [2**31, 2**63 - 1, 2**63, 10**30])
def test_a_number_that_no_column_counts_to_is_not_found(client, number):
    assert client.get(f"/v1/catalogue/products/X/versions/{number}").status_code == 404


def test_metrics(client):
    client.get("/health/live")
    assert b"creditlink_requests_total" in client.get("/metrics").data


def test_made_up_methods_make_no_new_time_series(client):
    for number in range(3):
        assert client.open("/health/live", method=f"ATTACK{number}").status_code == 405
    said = client.get("/metrics").data
    assert b"ATTACK" not in said
    assert b'method="other"' in said


class TestWhoMayReadMetrics:
    """How many firms refuse which bank, and how busy we are, is for the operator."""

    @pytest.mark.parametrize(
        "sent",
        [
            {"environ_base": AWAY},
            {"environ_base": {"REMOTE_ADDR": ""}},
            {"environ_base": {"REMOTE_ADDR": "localhost.evil.example"}},
            # A proxy on this machine is a neighbour whom the whole world speaks through.
            {"headers": {"X-Forwarded-For": "127.0.0.1"}},
            {"headers": {"Forwarded": "for=127.0.0.1"}},
            {"headers": {"X-Real-IP": "127.0.0.1"}},
            {"headers": {"Via": "1.1 proxy"}},
        ],
    )
    def test_without_a_token_only_this_machine_and_nobody_through_a_proxy(self, client, sent):
        answer = client.get("/metrics", **sent)
        assert answer.status_code == 404
        assert b"creditlink_" not in answer.data
        assert client.get("/metrics", environ_base={"REMOTE_ADDR": "::1"}).status_code == 200

    def test_in_production_nobody_without_a_token(self, app, settings):
        runtime.of_app(app).put(replace(settings, environment="production"))
        assert app.test_client().get("/metrics").status_code == 404

    @pytest.mark.parametrize(
        "authorization", [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \xe9"]
    )
    def test_with_a_token_nobody_else_not_even_from_here(self, with_token, authorization):
        sent = {} if authorization is None else {"Authorization": authorization}
        answer = with_token.get("/metrics", headers=sent)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert b"creditlink_" not in answer.data
        assert with_token.get(f"/metrics?token={TOKEN}").status_code == 401

    def test_a_scraper_that_holds_the_token_reads_from_anywhere(self, with_token):
        sent = {"Authorization": f"Bearer {TOKEN}"}
        answer = with_token.get("/metrics", headers=sent, environ_base=AWAY)
        assert answer.status_code == 200
        assert answer.content_type.startswith("text/plain; version=")
        assert b"creditlink_requests_total" in answer.data


def test_unknown_path_is_a_problem(client):
    response = client.get("/v1/nowhere")
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert response.json["type"] == "/problems/not-found"
    assert response.json["request_id"] == response.headers["X-Request-ID"]
