"""A firm objects to an access: asked once, answered once by that bank alone, decided by the operator."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from creditlink.audit import service as audit
from creditlink.audit.tables import AuditEntry
from creditlink.disputes.rules import calendar
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import start_of_day, utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.textfile import read_toml
from creditlink.kit.postgres import db
from creditlink.kit.settings import ROOT
from creditlink.messages.tables import PersonMessage
from creditlink.notifications.tables import Notification
from creditlink.objections import rules, service
from creditlink.objections.rules import ObjectionSettings, ObjectionSettingsInvalid
from creditlink.objections.service import ObjectionQuery
from creditlink.objections.tables import AccessObjection
from creditlink.objections.tasks import watch_clocks
from creditlink.retention import purge
from tests import factories as make
from tests.desk.conftest import add_lender, open_for
from tests.portal.conftest import Person
from tests.portal.test_risk_desk import staff

CALENDAR = calendar.parse(read_toml(ROOT / "config" / calendar.FILE))
CLOCKS = ObjectionSettings(answer_days=10, decide_days=20, after_days=1095)


@pytest.fixture
def case(app, settings):
    """A firm with a person at a browser, and a bank that read its profile: line 1 of the firm's evidence."""
    now = utc_now()
    with db.transaction("owner") as session:
        institution = make.make_institution(session, code="RIVER", name_en="River Bank", name_zh="江河银行")
        client = make.make_client(session, institution)
        account, firm = make.make_account(session, password=make.PASSWORD), make.make_enterprise(session)
        make.make_representation(session, firm, account)
        consent = make.make_consent(session, client=client, enterprise=firm, account=account, now=now)
        read = audit.record(
            session, action="profile.read", result="disclosed", actor=f"bank:{client.client_id}", now=now,
            enterprise_id=firm.id, institution_id=institution.id, client_id=client.client_id, consent_id=consent.id,
            purpose="underwriting", detail={"categories": ["tax"]},
        )  # fmt: skip
        own = audit.record(
            session, action="consent.approve", result="done", actor=f"account:{account.id}", now=now,
            enterprise_id=firm.id, consent_id=consent.id,
        )  # fmt: skip
        session.expunge_all()
    person = Person(app.test_client(), account)
    person.firm, person.institution, person.client_row = firm, institution, client
    person.line, person.own_line = read.seq, own.seq
    return person


def objected(case, words="Why did you look?", now=None):
    now = now or utc_now()
    with db.transaction(viewer=db.Viewer(account_id=case.account.id)) as session:
        db.enter(session, db.Viewer(enterprise_id=case.firm.id))
        firm, account = session.get_one(Enterprise, case.firm.id), session.get_one(Account, case.account.id)
        return service.object_to(
            session, firm, account, case.line, words, settings=CLOCKS, calendar=CALENDAR,
            keep_until=now + timedelta(days=1095), now=now,
        )  # fmt: skip


def answered(case, wire_id, institution=None, reason="application", words="They applied on Monday."):
    whose = institution or case.institution.id
    with db.transaction(viewer=db.Viewer(institution_id=whose)) as session:
        return service.answer(session, whose, wire_id, reason=reason, words=words, actor="bank:x", now=utc_now())


def stored():
    with db.transaction("owner") as session:
        return session.scalars(select(AccessObjection)).one()


def test_the_whole_way_by_pages(case, app, settings):
    open_for(settings, case.institution)
    lin, ola = add_lender(app, settings, case.institution, "lin", "lender"), staff(app, settings, "ola", "operator")
    assert lin.sign_in().status_code == 303
    assert case.sign_in().status_code == 303
    assert f"/portal/accesses/{case.line}?" in case.get("/portal/accesses?lang=en").text
    shown = case.get(f"/portal/accesses/{case.line}?lang=en").text
    for told in ("River Bank", "Credit profile read", "Tax", "cns_", "Object to this access"):
        assert told in shown
    blank = case.post(f"/portal/accesses/{case.line}/objection", enterprise=str(case.firm.id), words=" \n ")
    assert (blank.status_code, "1 to 1000 characters" in blank.text) == (422, True)
    odd = case.post(f"/portal/accesses/{case.line}/objection", enterprise=str(case.firm.id), words="Why <us>\0?")
    assert odd.status_code == 422, "the border takes no NUL"
    case.get(f"/portal/accesses/{case.line}?lang=en")
    sent = case.post(f"/portal/accesses/{case.line}/objection", enterprise=str(case.firm.id), words="Why <us>?\x0b")
    assert sent.status_code == 303, "what separates lines is white space, and goes at the end"
    assert "waiting for the bank" in case.get(f"/portal/accesses/{case.line}?lang=en").text

    listed = lin.get("/portal/desk/objections?lang=en").text
    assert "Why &lt;us&gt;?" in listed
    assert case.firm.uscc not in listed  # the bank knows the firm by its own id
    said = lin.post(f"/portal/desk/objections/{stored().wire_id}", reason="other", words="")
    assert said.status_code == 422
    assert lin.post(f"/portal/desk/objections/{stored().wire_id}", reason="test", words="A mistake.").status_code == 303
    assert stored().state == "answered"

    page = case.get(f"/portal/accesses/{case.line}?lang=en").text
    assert "A mistake." in page
    assert case.post(f"/portal/objections/{stored().wire_id}/escalate").status_code == 303
    desk = ola.get("/portal/staff/operator/objections?lang=en").text
    assert "the firm does not accept the answer" in desk
    decided = ola.post(
        f"/portal/staff/operator/objections/{stored().wire_id}", finding="improper", words="No application."
    )
    assert decided.status_code == 303
    page = case.get(f"/portal/accesses/{case.line}?lang=en").text
    assert "the access was improper" in page
    assert "No application." in page
    assert "No application." in lin.get("/portal/desk/objections?lang=en").text
    with db.transaction("owner") as session:
        steps = session.scalars(
            select(AuditEntry).where(AuditEntry.action.startswith("objection.")).order_by(AuditEntry.seq)
        ).all()
        assert [one.action for one in steps] == [f"objection.{s}" for s in ("open", "answer", "escalate", "decide")]
        assert audit.check(session, case.firm.id) is None
        told = session.scalars(select(PersonMessage).where(PersonMessage.kind == "dispute_moved")).all()
        assert len(told) == 2  # when it was answered, and when it was decided
        assert not any("mistake" in str(one.detail) for one in steps)  # people's words stay out of the evidence


def test_one_access_is_objected_to_once_however_many_ask_at_once(case):
    results = []

    def ask():
        try:
            results.append(objected(case).state)
        except Conflict as refused:
            results.append(refused.extra["reason"])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["asked", "objected", "objected"]


@pytest.mark.parametrize("words", ["", "   ", "x" * 1001])
def test_nothing_and_too_much_is_refused(case, words):
    with pytest.raises(InvalidRequest):
        objected(case, words)


def test_only_an_access_of_a_bank_can_be_objected_to(case):
    case.line = case.own_line
    with pytest.raises(NotFound):
        objected(case)
    case.line = 999
    with pytest.raises(NotFound):
        objected(case)


def test_an_old_access_is_past_objecting(case):
    with pytest.raises(Conflict, match="older than 1095 days"):
        objected(case, now=utc_now() + timedelta(days=1095, minutes=1))


def test_another_bank_sees_and_answers_nothing(case):
    one = objected(case)
    with db.transaction("owner") as session:
        other = make.make_institution(session)
    with pytest.raises(NotFound):
        answered(case, one.wire_id, other.id)
    with db.transaction(viewer=db.Viewer(institution_id=other.id)) as session:
        assert session.scalars(select(AccessObjection)).all() == []  # the database's own rule, whatever is asked
        assert service.page_of(session, ObjectionQuery(), case.institution.id)[0] == []


def test_an_answer_is_given_once_and_nobody_changes_what_was_said(case):
    one = objected(case)
    answered(case, one.wire_id)
    with pytest.raises(Conflict):
        answered(case, one.wire_id)
    with db.transaction(viewer=db.Viewer(institution_id=case.institution.id)) as session:
        changed = session.execute(text("UPDATE access_objections SET answer = 'another'"))
        assert changed.rowcount == 0
    with pytest.raises(DBAPIError, match="does not change"), db.transaction("owner") as session:
        session.execute(text("UPDATE access_objections SET answer = 'another'"))


def test_neither_firm_nor_bank_decides(case):
    one = objected(case)
    for viewer in (db.Viewer(institution_id=case.institution.id), db.Viewer(enterprise_id=case.firm.id)):
        with pytest.raises((Conflict, NotFound)), db.transaction(viewer=viewer) as session:
            service.decide(session, one.wire_id, finding="proper", words="Fine.", actor="x", now=utc_now())
    with (
        pytest.raises(ProgrammingError),
        db.transaction(viewer=db.Viewer(institution_id=case.institution.id)) as session,
    ):
        session.execute(text("UPDATE access_objections SET state = 'answered', answer_reason = 'test', answer = '',"
                             " answered_at = now(), finding = 'proper', decision = 'Fine.'"))  # fmt: skip


def test_a_bank_that_does_not_answer_is_brought_to_the_operator_once_and_may_still_say_why(case):
    one = objected(case, now=utc_now() - timedelta(days=30))
    watch_clocks(0)
    watch_clocks(0)
    found = stored()
    assert (found.state, found.escalated_for) == ("escalated", "unanswered")
    with db.transaction("owner") as session:
        told = session.scalars(select(AuditEntry.action).where(AuditEntry.action == "objection.escalate")).all()
    assert len(told) == 1
    answered(case, one.wire_id)
    assert (stored().state, stored().answer_reason) == ("escalated", "application")


def test_a_bank_in_time_is_left_alone(case):
    objected(case, now=utc_now() - timedelta(days=9))
    watch_clocks(0)
    assert stored().state == "asked"


def test_the_bank_is_told_by_its_own_id_of_the_firm(case):
    with db.transaction("owner") as session:
        session.get_one(Client, case.client_row.id).webhook_url = "https://bank.example/hooks"
    objected(case)
    with db.transaction("owner") as session:
        body = session.scalars(select(Notification.body).where(Notification.type == "objection.opened")).one()
        salted = session.get_one(Institution, case.institution.id).pairwise_salt
    assert case.firm.uscc not in body
    assert str(case.firm.id) not in body
    assert salted not in body


def test_a_firm_does_not_end_another_firms_objection(case, app):
    one = objected(case)
    answered(case, one.wire_id)
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, make.make_enterprise(session), account)
    stranger = Person(app.test_client(), account)
    assert stranger.sign_in().status_code == 303
    stranger.get("/portal/accesses?lang=en")
    assert stranger.post(f"/portal/objections/{one.wire_id}/accept").status_code == 404
    assert stranger.get(f"/portal/accesses/{case.line}?enterprise={case.firm.id}").status_code == 404
    assert stored().state == "answered"


def test_it_goes_when_its_time_is_over_and_not_before(case, settings):
    objected(case)
    for days, left in ((1094, 1), (1096, 0)):
        now = utc_now() + timedelta(days=days)
        with db.transaction("worker") as session:
            assert (case.firm.id in purge.firms_due(session, now)) or left
            purge.purge_firm(session, case.firm.id, issuer=settings.issuer, secret=settings.secret_key, now=now)
        with db.transaction("owner") as session:
            assert len(session.scalars(select(AccessObjection)).all()) == left


def test_the_shipped_file_reads_and_a_broken_one_says_what_is_wrong():
    good = read_toml(ROOT / "config" / rules.FILE)
    asked = datetime(2026, 9, 24, 8, tzinfo=UTC)  # a Thursday; a holiday of three days and one of seven follow
    assert rules.parse(good).answer_due(asked, CALENDAR) == start_of_day(date(2026, 10, 13))
    assert rules.parse(good).decision_due(asked, CALENDAR) == start_of_day(date(2026, 10, 22))
    for change, told in (
        ({"answer_days": 0}, "answer_days: must be a whole number"),
        ({"answer_days": True}, "answer_days: must be a whole number"),
        ({"decide_days": 3}, r"decide_days: must be at least answer_days \(7\), got 3"),
        ({"more": 1}, "more: 1 is not a field"),
    ):
        with pytest.raises(ObjectionSettingsInvalid, match=told):
            rules.parse(good | change)
    with pytest.raises(ObjectionSettingsInvalid, match="after_days: is absent"):
        rules.parse({k: v for k, v in good.items() if k != "after_days"})
