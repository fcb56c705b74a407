"""Notices of adverse action: from the stored reasons, on the firm's page at once, with a receipt and a clock."""

from __future__ import annotations

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import undefer

from creditlink.audit.tables import AuditEntry
from creditlink.cli.reviews import reviews as commands
from creditlink.enterprises.accounts import hash_password
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing import configuration
from creditlink.financing.applications.adverse import worse_than_asked
from creditlink.financing.applications.applications import locked
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.loans import outcomes, overridden
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.financing.tables import Application
from creditlink.institutions.tables import Client
from creditlink.kit.clock import add_months, day_of, start_of_day, utc_now
from creditlink.kit.postgres import db
from creditlink.notifications.tables import Notification
from creditlink.profiles.reliance.reviews.service import subject_of
from creditlink.profiles.tables import Profile
from creditlink.reviews import decide, monitor, queue
from creditlink.reviews.notices import service as notices
from creditlink.reviews.rules.overrides import WantedOverride
from creditlink.reviews.tables import AdverseNotice
from tests import factories as make
from tests.financing.conftest import asked, bank_of, desk, market
from tests.financing.test_real_profile import profiled, taxed
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.reviews.conftest import STAFF, WANTED, in_days

__all__ = ["asked", "desk", "market", "profiled", "taxed"]


@pytest.fixture
def http(app):
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as client:
        yield client


def notice_of(session):
    return session.scalars(select(AdverseNotice)).one()


def declined(desk, path, settings, **body):
    code = next(iter(configuration.declines(settings.config_dir)))
    return desk.call("POST", f"{path}/decline", desk.own, json={"reasons": [code], "note": "", **body})


@pytest.fixture
def sole_trader(market, empty_database):
    with empty_database.transaction("owner") as session:
        firm = Enterprise.id == market.firm.enterprise.id
        session.execute(update(Enterprise).where(firm).values(entity_type="sole_trader"))


@pytest.fixture
def reader(app, market):
    """The person who acts for the firm, signed in."""
    person = Person(app.test_client(), market.firm.account)
    with db.transaction("owner") as session:
        known = Account.id == market.firm.account.id
        session.execute(update(Account).where(known).values(password_hash=hash_password(make.PASSWORD)))
    assert person.sign_in().status_code == 303
    return person


class TestDecline:
    def test_the_notice_has_both_sides_reasons_as_stored_and_opening_it_is_the_receipt(
        self, desk, profiled, settings, reader, empty_database
    ):
        with empty_database.transaction("owner") as session:
            session.execute(update(Client).values(webhook_url="https://bank.example/hook"))
        _, path, made = profiled
        assert declined(desk, path, settings).status_code == 200
        with empty_database.transaction("owner") as session:
            notice = notice_of(session)
        first = next(iter(configuration.declines(settings.config_dir).values()))
        assert first.label_zh in notice.text_zh
        for one in made["reasons"]:
            assert one["sentence_zh"] in notice.text_zh
            assert one["sentence_en"] in notice.text_en
        assert (notice.due_at - notice.sent_at).days == 30
        assert "1 new notice" in reader.get("/portal/?lang=en").text
        listed = reader.get("/portal/notices?lang=en").text
        assert "Your application was declined" in listed
        with empty_database.transaction("owner") as session:
            assert notice_of(session).seen_at is None  # a list is no receipt
        for _ in range(2):
            shown = reader.get(f"/portal/notices/{notice.wire_id}?lang=zh").text
        assert first.label_zh in shown
        with empty_database.transaction("owner") as session:
            seen = notice_of(session)
            assert seen.seen_by == reader.account.id
            told = session.scalars(select(Notification.type).where(Notification.type.like("notice.%"))).all()
            steps = session.scalars(
                select(AuditEntry.action).where(AuditEntry.action.like("notice.%")).order_by(AuditEntry.seq)
            ).all()
        assert (told, steps) == (["notice.seen"], ["notice.send", "notice.seen"])
        assert "new notice" not in reader.get("/portal/?lang=en").text

    def test_after_a_refusal_only_a_person_declines(self, desk, profiled, settings, sole_trader, empty_database):
        one, path, _ = profiled
        with empty_database.transaction("owner") as session:
            profile = session.scalars(select(Profile).options(undefer(Profile.registration))).one()
            subject = subject_of(profile, profile.registration | {"entity_type": "sole_trader"})
            asked_for = queue.ReviewRequest("account:x", refuses_automation=True)
            queue.request(session, profile, subject, asked_for, settings=queue.settings_in_use(), now=utc_now())
        refused = declined(desk, path, settings)
        assert (refused.status_code, refused.json()["reason"]) == (409, "automated_decision_refused")
        assert declined(desk, path, settings, decided_by_person=False).status_code == 409
        assert declined(desk, path, settings, decided_by_person=1).status_code == 422
        with empty_database.transaction("owner") as session:
            assert session.scalars(select(AdverseNotice)).all() == []
        assert declined(desk, path, settings, decided_by_person=True).status_code == 200
        with empty_database.transaction("owner") as session:
            assert "art. 24" in notice_of(session).text_en
            said = select(AuditEntry.actor).where(AuditEntry.action == "review.person_decided")
            assert session.scalars(said).one() == bank_of(session.get_one(Application, one))


class TestOffer:
    def test_one_that_is_worse_than_asked_is_told_and_which_way(self, desk, profiled, empty_database):
        one, path, _ = profiled
        body = {
            "amount_fen": 50_000_000, "term_months": 6, "rate_bps": 999, "valid_until": in_days(5).isoformat(),
            "cooling_off_days": 0, "conditions": "",
        }  # fmt: skip
        made = desk.call("POST", f"{path}/offers", desk.own, json=body)
        assert made.status_code == 200, made.text
        with empty_database.transaction("owner") as session:
            notice = notice_of(session)
            as_asked = OfferTerms(amount_fen=100_000_000, term_months=12, rate_bps=1)
            assert worse_than_asked(session, session.get_one(Application, one), as_asked) == []
        assert notice.event == "worse_terms"
        assert [r["code"] for r in notice.reasons if r["by"] == "lender"] == ["amount", "term", "rate"]
        assert "9.99%" in notice.text_en
        again = desk.call("POST", f"{path}/offers", desk.own, json=body | {"rate_bps": 998})
        assert again.status_code == 200
        with empty_database.transaction("owner") as session:
            assert notice_of(session).text_en == notice.text_en


class TestClock:
    @pytest.fixture
    def written(self, desk, profiled, settings, empty_database):
        declined(desk, profiled[1], settings)
        with empty_database.transaction("owner") as session:
            session.execute(update(Client).values(webhook_url="https://bank.example/hook"))
            return notice_of(session)

    def test_a_bank_is_told_once_that_it_was_not_opened(self, written, empty_database):
        with db.transaction("worker") as session:
            assert notices.overdue(session, in_days(29)) == []
            (late,) = notices.overdue(session, in_days(31))
            assert [notices.tell_overdue(session, late, now=in_days(31)) for _ in range(2)] == [True, False]
            assert notices.overdue(session, in_days(31)) == []
        with empty_database.transaction("owner") as session:
            assert session.scalars(select(Notification.type)).all() == ["notice.overdue"]
            assert notices.clock_json(notice_of(session), in_days(31))["overdue"]

    def test_what_was_said_and_received_does_not_change(self, written, market):
        wrong = (
            "text_zh = '无'", "due_at = now()", "sent_at = now()", "seen_at = now()",
            f"seen_at = now(), seen_by = '{market.firm.account.id}', reasons = '[]'",
        )  # fmt: skip
        for change in wrong:
            with pytest.raises(DBAPIError), db.transaction("owner") as session:
                session.execute(text(f"UPDATE adverse_notices SET {change}"))
        once = f"UPDATE adverse_notices SET seen_at = now(), seen_by = '{market.firm.account.id}'"
        with db.transaction("owner") as session:
            session.execute(text(once))
        with pytest.raises(DBAPIError, match="received once"), db.transaction("owner") as session:
            session.execute(text("UPDATE adverse_notices SET seen_at = now() + interval '1 day'"))

    def test_the_bank_that_wrote_it_does_not_read_it(self, written):
        with db.transaction("api", viewer=db.Viewer(institution_id=written.institution_id)) as session:
            assert session.scalars(select(AdverseNotice)).all() == []


def test_what_became_of_the_loan_says_whether_the_reviewer_was_right(desk, profiled, market, people):
    one, _, _ = profiled
    now = utc_now()
    with db.transaction("owner", viewer=STAFF) as session:
        profile = session.scalars(select(Profile).options(undefer(Profile.registration))).one()
        subject = subject_of(profile, profile.registration)
        settings = queue.settings_in_use()
        case = queue.open_case(session, profile, subject, ["contested"], settings=settings, now=now)
        queue.claim(session, case, by=people.ben, now=now)
        tighter = WantedOverride(**WANTED | {"kind": "decline_automated", "expires_at": in_days(30)})
        assert decide.override(session, case, tighter, by=people.ben, now=now).waits is None
    with db.transaction("owner") as session:
        (waiting,) = overridden.unsettled(session)
        assert overridden.settle(session, waiting, now=now) is None
        held = locked(session, one)
        terms = OfferTerms(amount_fen=100_000_000, term_months=12, rate_bps=480)
        made = market.offer(session, held, now=now, terms=terms)
        market.accept(session, held, made.sha256, now=now)
        market.sign(session, held, made.sha256, now=now)
        today = day_of(now)
        told = [LoanOutcome("draw", today, 100_000_000)]
        told += [LoanOutcome("repayment", add_months(today.replace(day=1), k), 1, 95) for k in range(1, 14)]
        for outcome in told:
            at = max(now, start_of_day(add_months(outcome.about_on, 1)))
            outcomes.record(session, held, outcome, actor=bank_of(held), now=at)
    for at, label, left in ((in_days(60), "immature", 1), (start_of_day(add_months(today, 15)), "bad", 0)):
        with db.transaction("worker") as session:
            assert overridden.settle(session, waiting, now=at) == label
            assert len(overridden.unsettled(session)) == left
    with db.transaction("api", viewer=STAFF) as session:
        (row,) = monitor.report(session, limits=settings.limits).groups["kind"]
    assert (row.name, row.ripe, row.hits) == ("decline_automated", 1, 1)


class TestCommands:
    def test_a_reviewer_works_through_the_queue(self, profiled, people, empty_database, monkeypatch):
        monkeypatch.setattr("creditlink.cli.acting.start", lambda role: (None, empty_database))
        now = utc_now()
        with db.transaction("owner") as session:
            profile = session.scalars(select(Profile).options(undefer(Profile.registration))).one()
            subject = subject_of(profile, profile.registration)
            case = queue.open_case(
                session, profile, subject, ["contested"], settings=queue.settings_in_use(), now=now
            ).wire_id

        def run(*arguments, code=0):
            done = CliRunner().invoke(commands, arguments)
            assert done.exit_code == code, done.output
            return done.output

        assert case in run("list", "--state", "open", "--cause", "contested")
        assert "open" in run("show", case)
        assert "no such case" in run("show", "rev_1", code=1)
        assert "claim it first" in run("confirm", case, "--reason", "seen", "--as", "ben", code=1)
        run("claim", case, "--as", "ben")
        up = ("override", case, "--kind", "grade_notch", "--reason-code", "new_fact", "--reason", "r", "--as", "ben")
        assert "evidence" in run(*up, "--notches", "1", code=1)
        run("release", case, "--as", "dan")
        assert "claim it first" in run(*up, "--notches", "-1", code=1)
        run("claim", case, "--as", "ben")
        assert "must say why" in run("confirm", case, "--reason", " ", "--as", "ben", code=1)
        assert '"waits_for": null' in run(*up, "--notches", "-1")
        assert '"decided": 1' in run("monitor", "--since", "2026-01-01")
        assert run("notices", "--overdue").strip() == "[]"
