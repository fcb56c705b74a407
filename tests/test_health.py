"""The service says whether it is alive and ready, and why not."""

from sqlalchemy import text


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


def test_unknown_path_is_a_problem(client):
    response = client.get("/v1/nowhere")
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert response.json["type"] == "/problems/not-found"
    assert response.json["request_id"] == response.headers["X-Request-ID"]
