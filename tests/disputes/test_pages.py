"""The pages of disputes: who may do what, what is refused in words, files that are never handed out unscanned."""

from __future__ import annotations

import io
import re
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from creditlink.disputes import ending
from creditlink.disputes.tables import Dispute, DisputeFile
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.records import store
from creditlink.records.pulls.delivery import Fact
from creditlink.retention import purge
from tests import factories as make
from tests.disputes import conftest as at
from tests.kit.files.test_scanning import EICAR, clamd
from tests.portal.conftest import Person
from tests.portal.test_operator_desk import ola

__all__ = ["ola"]
WHERE = "/portal/staff/disputes"


@pytest.fixture
def person(app, firm, offices, bank, relied):
    """The firm's legal representative, signed in; a bank has relied on the firm's records."""
    relied(bank)
    owner = Person(app.test_client(), firm.account)
    assert owner.sign_in().status_code == 303
    return owner


def file_of(page, one):
    (row,) = at.files_of(one)
    return page.get(f"/portal/disputes/{one.wire_id}/files/{row.wire_id}")


def send(person, record, *files, **fields):
    """Fill in the form of a row and send it."""
    page = person.get(f"/portal/disputes/new?record={record}")
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text).group(1)
    enterprise = re.search(r'name="enterprise" value="([^"]+)"', page.text).group(1)
    data = {"csrf_token": token, "enterprise": enterprise, "record": record, "claim": "wrong", "statement": "有误"}
    evidence = [(io.BytesIO(content), name) for name, content in files]
    return person.client.post("/portal/disputes/new", data={**data, **fields, "evidence": evidence},
                              content_type="multipart/form-data")  # fmt: skip


def count():
    with db.transaction("owner") as session:
        return session.scalar(text("SELECT count(*) FROM disputes"))


def test_what_cannot_be_filed_is_refused_in_words_and_nothing_is_kept(person, firm):
    fact = at.payroll(firm)
    record = f"payroll_months:{fact.period}:"
    cases = [
        ({"claim": "gossip"}, (), 422, "Say what is wrong"),
        ({"statement": "  "}, (), 422, "Say what is wrong"),
        ({"statement": "长" * 2001}, (), 422, "2000"),
        ({"wanted_headcount": "many"}, (), 422, "does not read"),
        ({"claim": "repair"}, (), 422, "Say what is wrong"),
        ({}, (("a.pdf", b""),), 422, "empty"),
        ({}, (("a.exe", b"MZ"),), 422, "Only PDF"),
        ({}, (("a.pdf", at.PDF), ("b.pdf", at.PDF)), 422, "twice"),
        ({}, tuple((f"{n}.pdf", at.PDF + b"%" * n + b"\n%%EOF") for n in range(6)), 422, "too many"),
        ({"statement": "a\x00b"}, (), 422, ""),
    ]
    for fields, files, status, words in cases:
        answer = send(person, record, *files, **fields)
        assert (answer.status_code, words in answer.text) == (status, True), (fields, answer.text[-900:])
    for wrong in ("payroll_months:1999-01-01:", "facts:2026-01-01:", "", "\ufeff" + record, record + "\x00"):
        assert person.get("/portal/disputes/new", query_string={"record": wrong}).status_code in (404, 422), wrong
    assert count() == 0
    # A carriage return is a line's end for some; a firm's words are kept as they came.
    assert send(person, record, ("凭证.pdf", at.PDF), statement="第一行\r第二行 =HYPERLINK()").status_code == 303
    assert "disputed already" in person.get(f"/portal/disputes/new?record={record}").text


def test_an_agent_speaks_of_what_the_firm_appointed_it_for(app, person, firm):
    with db.transaction("owner") as session:
        agent = make.make_account(session, password=make.PASSWORD)
        limits = {"categories": ["tax"]}
        make.make_representation(session, firm.enterprise, agent, "agent", reason="x", limits=limits)
    record = f"payroll_months:{at.payroll(firm).period}:"
    theirs = Person(app.test_client(), agent)
    theirs.sign_in()
    page = theirs.get(f"/portal/disputes/new?record={record}")
    assert "did not appoint you" in page.text
    data = {"enterprise": str(firm.enterprise.id), "record": record, "claim": "wrong", "statement": "x"}
    theirs.get("/portal/security")
    assert theirs.post("/portal/disputes/new", **data).status_code == 403


def test_another_firms_dispute_is_not_there(app, person, firm):
    one = at.dispute(firm, at.payroll(firm))
    with db.transaction("owner") as session:
        stranger = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, make.make_enterprise(session), stranger)
    other = Person(app.test_client(), stranger)
    other.sign_in()
    for path in (f"/portal/disputes/{one.wire_id}", f"/portal/disputes/{one.wire_id}?enterprise={firm.enterprise.id}"):
        assert other.get(path).status_code == 404
    assert file_of(other, one).status_code == 404
    other.get("/portal/security")
    assert other.post(f"/portal/disputes/{one.wire_id}", doing="withdraw").status_code == 404
    assert at.read(one.id).state == "filed"


def test_a_file_waits_for_a_scanner_that_is_away_and_is_never_handed_out(person, firm, settings):
    with ExitStack() as stack:
        address, _ = stack.enter_context(clamd())
        runtime.process().put(replace(settings, clamd="tcp://127.0.0.1:9"))
        one = at.dispute(firm, at.payroll(firm))
        assert [row.scan for row in at.files_of(one)] == ["waiting"]
        assert at.advance(one).state == "filed"  # it is not brought to the source meanwhile
        assert file_of(person, one).status_code == 404
        assert b"%PDF" not in bytes(sealed(one))
        late = one.opened_at + timedelta(hours=25)
        assert at.advance(one, now=late).state == "sent"  # a scanner that is away costs the firm a day, no more
        runtime.process().put(replace(settings, clamd=address))
        at.advance(one)
        assert [row.scan for row in at.files_of(one)] == ["clean"]
        assert file_of(person, one).data == at.PDF
        bad = at.dispute(firm, at.payroll(firm, 5), files=(at.PDF + EICAR + b"\n%%EOF",))
        at.advance(bad)
        (row,) = at.files_of(bad)
        assert (row.scan, row.scan_said, sealed(bad)) == ("infected", "Eicar-Test-Signature", None)
        assert file_of(person, bad).status_code == 404
        with pytest.raises(DBAPIError, match="infected_is_gone"), db.transaction("owner") as session:
            session.execute(text("UPDATE dispute_files SET sealed = 'x' WHERE scan = 'infected'"))


def sealed(one):
    with db.transaction("owner") as session:
        return session.scalar(at.select(DisputeFile.sealed).where(DisputeFile.dispute_id == one.id))


def test_an_operator_routes_by_hand_brings_the_answer_and_sees_figures(person, firm, ola, monkeypatch):
    terms = at.current()
    by_hand = replace(terms, settings=replace(terms.settings, wired=frozenset()))
    monkeypatch.setattr(at, "current", lambda: by_hand)
    one = at.dispute(firm, at.payroll(firm), statement="=cmd|'/c calc'!A1")
    assert at.advance(one).channel == "desk"
    shown = ola.get(f"{WHERE}?lang=en").text
    assert firm.enterprise.uscc in shown
    assert "by hand" not in shown  # what is configured says whether a source has a wire
    given = ola.post(WHERE, source="social_security", sent="yes")
    assert "'=cmd" in given.text  # no spreadsheet runs it
    assert at.read(one.id).state == "sent"
    ola.get(f"{WHERE}/{one.wire_id}")
    assert ola.post(f"{WHERE}/{one.wire_id}", doing="answer", verdict="upheld", reason=" ").status_code == 422
    assert ola.post(f"{WHERE}/{one.wire_id}", doing="answer", verdict="upheld", reason="属实").status_code == 303
    ola.get(f"{WHERE}/{one.wire_id}")
    assert ola.post(f"{WHERE}/{one.wire_id}", doing="answer", verdict="upheld", reason="属实").status_code == 409
    assert "Median working days" in ola.get(WHERE).text
    wired = at.dispute(firm, at.payroll(firm, 4))
    assert wired.channel == "desk"
    page = person.get(f"/portal/disputes/{one.wire_id}")
    assert "属实" in page.text
    assert "Appeal" in page.text
    answer = person.post(f"/portal/disputes/{one.wire_id}", enterprise=str(firm.enterprise.id), doing="appeal",
                         statement="请再查")  # fmt: skip
    assert answer.status_code == 303
    assert at.read(one.id).level == 1


def test_repair_is_asked_for_when_the_rules_allow_and_not_before(person, firm, settings):
    def penalty(day, at_):
        values = {"occurred_on": day, "severity": 2, "amount_fen": 500_000, "ended_on": None}
        fact = Fact("credit_events", at_, f"penalty/{day}", values, utc_now(), 0)
        with db.transaction("owner") as session:
            store.save_facts(
                session, [fact], enterprise_id=firm.enterprise.id, source="public_credit", pull_id=None, now=utc_now()
            )
        return f"credit_events:{at_}:penalty/{day}"

    today = day_of(utc_now())
    young, old = today - timedelta(days=30), today - timedelta(days=150)
    early = penalty(young.isoformat(), young.replace(day=1))
    due = penalty(old.isoformat(), old.replace(day=1))
    answer = send(person, early, claim="repair")
    assert (answer.status_code, "too early" in answer.text) == (409, True)
    assert "repair may be asked for" in person.get(f"/portal/disputes/new?record={due}").text
    assert send(person, due, ("承诺书.pdf", at.PDF), claim="repair").status_code == 303
    with db.transaction("owner") as session:
        (one,) = session.scalars(at.select(Dispute)).all()
    asked = day_of(one.opened_at).isoformat()
    assert (one.claim, one.source, one.wanted) == ("repair", "public_credit", {"ended_on": asked})


def test_a_bank_sees_that_a_datum_is_contested_and_not_what_the_firm_says(person, firm):
    one = at.dispute(firm, at.payroll(firm), statement="我们的话")
    with db.transaction("owner") as session:
        consent = session.scalars(at.select(at.Consent)).one()
    with db.transaction("api", viewer=db.Viewer(institution_id=consent.institution_id)) as session:
        assert session.scalars(at.select(Dispute)).all() == []
        db.enter(session, db.Viewer(consent_id=consent.id))
        assert [row.id for row in session.scalars(at.select(Dispute))] == [one.id]
        assert session.scalar(text("SELECT count(*) FROM dispute_files")) == 0
        assert session.scalar(text("SELECT count(*) FROM dispute_events")) == 0
        with pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
            session.execute(text("INSERT INTO dispute_events (dispute_id, at, actor, step, to_state)"
                                 f" VALUES ('{one.id}', now(), 'x', 'x', 'x')"))  # fmt: skip
    with pytest.raises(DBAPIError, match="does not change"), db.transaction("owner") as session:
        session.execute(text("UPDATE disputes SET statement = 'x'"))


def test_what_is_over_goes_with_all_that_belongs_to_it(person, firm):
    one = at.dispute(firm, at.payroll(firm))
    ended = at.through(one)
    with db.transaction("worker") as session:
        assert ending.empty_files(session, ended.ended_at + timedelta(days=179), kept_days=180) == 0
        assert ending.empty_files(session, ended.ended_at + timedelta(days=180), kept_days=180) == 1
    assert sealed(one) is None
    assert count() == 1
    with db.transaction("worker") as session:
        assert firm.enterprise.id in purge.firms_due(session, ended.keep_until)
        purge.purge_firm(session, firm.enterprise.id, issuer="x", secret="test-" + "k" * 40, now=ended.keep_until)
    with db.transaction("owner") as session:
        left = [session.scalar(text(f"SELECT count(*) FROM {table}")) for table in
                ("disputes", "dispute_events", "dispute_files", "contested_scores", "corrections")]  # fmt: skip
    assert left == [0] * 5
