"""The service says whether it is alive and ready, and why not."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from creditlink.app import create_app

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
        app.extensions["settings"] = replace(settings, environment="production")
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
