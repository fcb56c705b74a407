"""A bank sees its own deliveries and replays them; the operator sees all that failed."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from creditlink.access.scopes import SCOPES
from creditlink.audit.tables import AuditEntry
from creditlink.cli.webhooks import webhooks
from creditlink.institutions.tables import Client
from creditlink.kit.postgres import db
from tests import factories as make
from tests.notifications.conftest import deliveries, listen, try_once
from tests.oauth import flow
from tests.oauth.conftest import approve, authorized, firm, http, make_bank
from tests.records.offices import Reply

__all__ = ["approve", "authorized", "firm", "http", "make_bank"]

SCOPE = "consent:read notification:read notification:replay"


@pytest.fixture
def bank(make_bank):
    return make_bank(scopes=sorted(SCOPES))


@pytest.fixture
def failed(bank, authorized, endpoint):
    """A bank with one delivery that its endpoint refused eight times, and a live consent beside it."""
    endpoint.answer = lambda _asked: Reply(500)
    revoked, alive = authorized(bank, scope=SCOPE), authorized(bank, scope=SCOPE)
    with db.transaction("owner") as session:
        client = session.query(Client).filter_by(client_id=bank.client_id).one()
    listen(client, endpoint.url)
    flow.change_consent(revoked, "revoke")
    (row,) = deliveries()
    for _ in range(8):
        row = try_once(row.id)
    assert row.state == "failed"
    return alive, row


def test_a_bank_finds_what_failed_and_has_it_sent_anew(bank, failed, endpoint):
    alive, row = failed
    found = bank.call("GET", "/v1/webhook-deliveries?state=failed", alive).json()
    assert [(d["id"], d["type"], d["tries"], d["last_status"]) for d in found["items"]] == [
        (row.wire_id, "consent.revoked", 8, 500)
    ]
    assert bank.call("GET", "/v1/webhook-deliveries?state=delivered", alive).json()["items"] == []
    endpoint.answer = lambda _asked: Reply(200)
    again = bank.call("POST", f"/v1/webhook-deliveries/{row.wire_id}/replay", alive)
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    double = bank.call("POST", f"/v1/webhook-deliveries/{row.wire_id}/replay", alive)
    assert (double.status_code, double.json()["reason"]) == (409, "waiting")
    try_once(row.id)
    shown = bank.call("GET", f"/v1/webhook-deliveries/{row.wire_id}", alive).json()
    assert (shown["state"], shown["replays"], shown["webhook_id"]) == (
        "delivered",
        1,
        endpoint.asked[0].headers["webhook-id"],
    )


def test_idor_on_deliveries(make_bank, authorized, failed):
    _, row = failed
    other = make_bank("PS256", scopes=sorted(SCOPES))
    theirs = authorized(other, scope=SCOPE)
    assert other.call("GET", "/v1/webhook-deliveries", theirs).json()["items"] == []
    answers = []
    for delivery_id in (row.wire_id, "whd_" + "0" * 32, "cns_" + "0" * 32, "x"):
        for method, path in (("GET", ""), ("POST", "/replay")):
            answer = other.call(method, f"/v1/webhook-deliveries/{delivery_id}{path}", theirs)
            answers.append({k: v for k, v in answer.json().items() if k != "request_id"} | {"http": answer.status_code})
    assert answers == [answers[0]] * 8
    assert answers[0]["http"] == 404
    assert other.call("GET", f"/v1/webhook-deliveries?cursor={row.wire_id}", theirs).status_code == 422


def test_the_database_shows_a_bank_only_its_own(failed, make_bank):
    _, row = failed
    for table in ("webhook_deliveries", "notifications"):
        with db.transaction("api") as session:
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
            db.enter(session, db.Viewer(institution_id=row.institution_id))
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 1


def test_the_scopes_are_needed(bank, authorized, failed):
    _, row = failed
    reader = authorized(bank, scope="consent:read notification:read")
    assert bank.call("POST", f"/v1/webhook-deliveries/{row.wire_id}/replay", reader).status_code == 403
    assert bank.call("GET", "/v1/webhook-deliveries", authorized(bank, scope="consent:read")).status_code == 403


class TestTheOperator:
    @pytest.fixture
    def run(self, empty_database, settings, monkeypatch):
        monkeypatch.setattr("creditlink.cli.webhooks.start", lambda _role: (settings, empty_database))
        return lambda *arguments: CliRunner().invoke(webhooks, arguments)

    def test_sees_what_failed_and_replays_it(self, run, failed):
        _, row = failed
        shown = json.loads(run("list").output)
        assert [(d["id"], d["state"]) for d in shown] == [(row.wire_id, "failed")]
        assert json.loads(run("replay", row.wire_id).output) == {"queued": [row.wire_id]}
        assert run("replay", row.wire_id).exit_code == 1
        assert "there is no delivery 'whd_x'" in run("replay", "whd_x").output

    def test_sets_an_address_and_rotates_its_secret(self, run, bank):
        first = json.loads(run("set", bank.client_id, "--url", "http://127.0.0.1:9/hooks").output)
        assert first["webhook_secret"].startswith("whsec_")
        assert json.loads(run("set", bank.client_id, "--url", "http://127.0.0.1:9/x").output)["webhook_secret"] is None
        assert json.loads(run("rotate-secret", bank.client_id).output)["webhook_secret"] != first["webhook_secret"]
        assert json.loads(run("remove", bank.client_id).output)["webhook_url"] is None
        refused = run("set", bank.client_id, "--url", "https://10.0.0.1/")
        assert (refused.exit_code, "not on the public internet" in refused.output) == (1, True)
        assert "there is no client" in run("rotate-secret", "nobody").output

    def test_only_an_operator_by_name_where_one_is_named(self, run, bank):
        with db.transaction("owner") as session:
            olga = make.make_staff(session, "olga", "operator").name
            make.make_staff(session, "aud", "auditor")
        for who in ("aud", "mallory"):
            assert run("set", bank.client_id, "--url", "http://127.0.0.1:9/hooks", "--as", who).exit_code == 1
        assert run("set", bank.client_id, "--url", "http://127.0.0.1:9/hooks", "--as", "olga").exit_code == 0
        assert run("rotate-secret", bank.client_id, "--as", "olga").exit_code == 0
        assert run("remove", bank.client_id, "--as", "olga").exit_code == 0
        with db.transaction("owner") as session:
            told = session.execute(
                select(AuditEntry.action, AuditEntry.actor).where(AuditEntry.action.startswith("webhook."))
            ).all()
        assert sorted(map(tuple, told)) == [(f"webhook.{step}", olga) for step in ("remove", "rotate_secret", "set")]
