"""`creditlink disputes`: what the operator's page does, from a shell, with the same evidence."""

from __future__ import annotations

import json

from click.testing import CliRunner
from sqlalchemy import select, update

from creditlink.audit.tables import AuditEntry
from creditlink.cli.disputes import disputes as commands
from creditlink.disputes.configuration import current
from creditlink.disputes.tables import Dispute
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from tests.disputes import conftest as at


def test_an_operator_works_through_a_queue_without_a_page(
    firm, relied, bank, empty_database, monkeypatch, tmp_path
):  # fmt: skip
    monkeypatch.setattr("creditlink.cli.acting.start", lambda role: (None, empty_database))
    relied(bank)
    one = at.dispute(firm, at.payroll(firm))

    def run(*arguments, code=0):
        done = CliRunner().invoke(commands, arguments)
        assert done.exit_code == code, done.output
        return done.output

    (listed,) = json.loads(run("list", "--source", "social_security"))
    assert (listed["dispute"], listed["state"], listed["late"]) == (one.wire_id, "filed", False)
    assert json.loads(run("list", "--state", "corrected")) == []
    shown = json.loads(run("show", one.wire_id))
    assert (shown["statement"], shown["steps"][0]["step"]) == ("实缴人数有误", "file")
    assert "no such dispute" in run("show", "dsp_1", code=1)
    assert "allows" in run("answer", one.wire_id, "--verdict", "upheld", "--reason", "r", code=1), "it was not told"
    assert json.loads(run("send", one.wire_id))["state"] == "sent"
    assert "answers by itself" in run("answer", one.wire_id, "--verdict", "upheld", "--reason", "r", code=1)
    with db.transaction("owner") as session:  # as if its source had no wire
        session.execute(update(Dispute).values(channel="desk"))
    assert "reason" in run("answer", one.wire_id, "--verdict", "upheld", "--reason", " ", code=1)
    file = tmp_path / "out.csv"
    assert json.loads(run("export", "--out", str(file), "--sent"))["written"] == 1
    assert one.wire_id in file.read_text("utf-8-sig")
    assert json.loads(run("answer", one.wire_id, "--verdict", "upheld", "--reason", "核对无误"))["state"] == "upheld"
    done = CliRunner().invoke(commands, ("statistics",))
    assert json.loads(done.stdout)[0]["upheld"] == 1
    assert ("warning" in done.stderr) == (current().calendar.lacking_year(day_of(utc_now())) is not None)
    assert json.loads(run("corrections", "--silent")) == []
    with db.transaction("owner") as session:
        names = set(session.scalars(select(AuditEntry.action).where(AuditEntry.action.startswith("dispute"))))
    assert {"disputes.read", "disputes.export", "dispute.read", "dispute.send", "dispute.uphold"} <= names
