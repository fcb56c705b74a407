"""Work that failed: the operator lists it, does it again or drops it, by API and command; nobody else sees it."""

from __future__ import annotations

import json

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from creditlink.audit.tables import AuditEntry
from creditlink.cli.jobs import jobs as command
from creditlink.kit import jobs
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.kit.postgres import db
from tests.oauth import flow

PATH = "/v1/operations/dead-letters"
BOTH = "operation:read operation:write"


@pytest.fixture
def caller(app, empty_database):
    """Return what makes a caller of an institution of some kind, with a token for some scope."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as http:

        def make(kind="operator", scope=BOTH):
            call = flow.caller(empty_database, http, scope, scopes=BOTH.split(), kind=kind)
            return lambda method, path=PATH: call(method, path)

        yield make


@pytest.fixture
def failed(empty_database):
    """Return three jobs that failed for good, by their letters' ids on the wire."""
    for number in range(3):
        with db.transaction("worker") as session:
            job_id = jobs.defer(session, "records.pull_consent", queue="pulls", consent_id=str(number))
            for status in ("doing", "failed"):
                session.execute(
                    text(f"UPDATE procrastinate_jobs SET status = '{status}' WHERE id = :id"), {"id": job_id}
                )
    with db.transaction("owner") as session:
        letters = session.scalars(select(DeadLetter).order_by(DeadLetter.last_failed_at.desc(), DeadLetter.id.desc()))
        return [letter.wire_id for letter in letters]


def waiting():
    with db.transaction("owner") as session:
        return session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"))


def test_the_operator_pages_through_what_failed(caller, failed):
    ask = caller()
    first = ask("GET", f"{PATH}?limit=2").json()
    rest = ask("GET", f"{PATH}?limit=2&cursor={first['next_cursor']}").json()
    assert [letter["id"] for letter in first["items"] + rest["items"]] == failed
    assert rest["next_cursor"] is None
    assert {letter["task"] for letter in first["items"]} == {"records.pull_consent"}
    assert ask("GET", f"{PATH}?cursor=dlt_1").status_code == 422
    assert ask("GET", f"{PATH}?task=other").json()["items"] == []


def test_retrying_queues_the_work_once_and_leaves_evidence(caller, failed):
    ask = caller()
    answer = ask("POST", f"{PATH}/{failed[0]}/retry")
    assert (answer.status_code, answer.json()["resolution"], waiting()) == (202, "retried", 1)
    again = ask("POST", f"{PATH}/{failed[0]}/retry")
    assert (again.status_code, again.json()["reason"], waiting()) == (409, "closed", 1)
    dropped = ask("POST", f"{PATH}/{failed[1]}/drop")
    assert (dropped.status_code, dropped.json()["resolution"], waiting()) == (200, "dropped", 1)
    with db.transaction("owner") as session:
        actions = session.scalars(select(AuditEntry.action).where(AuditEntry.action.like("work.%"))).all()
    assert sorted(actions) == ["work.drop", "work.retry"]


def test_a_lender_finds_nothing_there(caller, failed):
    ask = caller(kind="bank")
    assert ask("GET").status_code == 404
    assert ask("POST", f"{PATH}/{failed[0]}/retry").status_code == 404
    assert waiting() == 0


def test_reading_is_not_acting(caller, failed):
    assert caller(scope="operation:read")("POST", f"{PATH}/{failed[0]}/drop").status_code == 403


def test_the_database_shows_the_list_to_the_operator_alone(failed):
    with db.transaction() as session:
        assert session.scalars(select(DeadLetter.id)).all() == []
        db.enter(session, db.Viewer(actor="operator"))
        assert len(session.scalars(select(DeadLetter.id)).all()) == 3


class TestCommands:
    @pytest.fixture
    def run(self, monkeypatch, empty_database, settings):
        monkeypatch.setattr("creditlink.cli.jobs.start", lambda _role: (settings, empty_database))

        def run(*arguments):
            done = CliRunner().invoke(command, arguments)
            return json.loads(done.output) if done.exit_code == 0 else done.output

        return run

    def test_lists_retries_and_drops(self, run, failed):
        assert [letter["id"] for letter in run("dead")] == failed
        assert run("retry", failed[0]) == {"retry": [failed[0]]}
        assert run("drop", "--task", "records.pull_consent") == {"drop": failed[:0:-1]}
        assert run("dead") == []
        assert len(run("dead", "--closed")) == 3
        assert waiting() == 1

    def test_says_what_is_wrong_and_does_nothing(self, run, failed):
        assert "there is no dead letter 'dlt_x'; nothing was done" in run("retry", failed[0], "dlt_x")
        assert "name dead letters by id" in run("retry")
        assert waiting() == 0

    def test_shows_the_lanes(self, run, failed):
        shown = run("lanes")
        assert (shown["alive"], shown["dead_letters"]) == (0, {"records.pull_consent": 3})
        assert {lane["state"] for lane in shown["lanes"].values()} == {"dead"}
