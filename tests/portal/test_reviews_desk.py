"""The review queue at the desk: clocks, claim, decide, four eyes where it loosens; the same rules as the API's."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from creditlink.consents.tables import Consent
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.reviews.tables import AdverseNotice, ReviewCase, ReviewOverride
from tests.portal.conftest import Person
from tests.portal.test_risk_desk import staff
from tests.reviews.conftest import ask, authorized, bank, city, delivered, entity_type, firm, http, profiled, rich_firm

__all__ = ["ask", "authorized", "bank", "city", "delivered", "entity_type", "firm", "http", "profiled", "rich_firm"]
LIST = "/portal/staff/reviews"
DOWN = {
    "kind": "grade_notch", "notches": "-1", "days": "30", "reason_code": "new_fact", "reason": "a customer left",
    "evidence": "",
}  # fmt: skip
UP = DOWN | {"notches": "1", "reason": "a contract was signed", "evidence": "GZ-2026-118, seen by rui"}


@pytest.fixture
def risk(app, settings, empty_database):
    return staff(app, settings, "rui", "risk")


@pytest.fixture
def case(ask):
    """The address of a case that a sole trader asked for."""
    (made,) = ask(refuses_automation=True, note="请看<b>新</b>合同").json()["cases"]
    return f"{LIST}/{made['id']}"


def step(person, case, name, **fields):
    person.get(f"{case}?lang=en")
    return person.post(f"{case}/{name}", **fields)


def stored(table=ReviewCase):
    with db.transaction("owner") as session:
        return session.scalars(select(table)).one_or_none()


def test_a_case_is_listed_with_its_clock_claimed_and_given_back(risk, case, firm):
    shown = risk.get(f"{LIST}?lang=en").text
    assert f'href="{case}"' in shown
    assert firm.enterprise.name in shown
    assert "14 days left" in shown
    one = risk.get(f"{case}?lang=en").text
    assert "请看&lt;b&gt;新&lt;/b&gt;合同" in one
    assert "refuses a decision by automated means alone" in one
    assert "Let it stand" not in one  # not before it is claimed
    assert step(risk, case, "claim").status_code == 303
    assert stored().claimed_by == risk.actor.account_id
    assert "Let it stand" in risk.get(f"{case}?lang=en").text
    assert step(risk, case, "release").status_code == 303
    assert stored().claimed_by is None


def test_of_two_who_claim_one_is_told_no_and_cannot_decide(app, settings, risk, case):
    other = staff(app, settings, "ben", "risk")
    step(risk, case, "claim")
    for name in ("claim", "confirm", "override"):
        answer = step(other, case, name, **DOWN)
        assert answer.status_code == 409, name
        assert 'role="alert"' in answer.text
    assert step(other, case, "release").status_code == 403
    assert (stored().state, stored().claimed_by) == ("claimed", risk.actor.account_id)


def test_the_result_stands_with_a_reason(risk, case):
    step(risk, case, "claim")
    assert step(risk, case, "confirm", reason=" ").status_code == 422
    assert step(risk, case, "confirm", reason="the filings are right").status_code == 303
    assert (stored().decision, stored().reason) == ("confirmed", "the filings are right")
    assert step(risk, case, "claim").status_code == 409
    assert f'href="{case}"' not in risk.get(f"{LIST}?lang=en").text
    assert f'href="{case}"' in risk.get(f"{LIST}?lang=en&state=decided").text


def test_what_loosens_waits_for_another_person(app, settings, risk, case):
    step(risk, case, "claim")
    assert step(risk, case, "override", **UP).status_code == 303
    assert stored(ReviewOverride) is None
    assert "waits for a second reviewer" in risk.get(f"{case}?lang=en").text
    assert step(risk, case, "override", **UP).status_code == 409
    act = re.search(r"/portal/staff/acts/(act_\w+)", risk.get("/portal/staff/?lang=en").text).group(1)
    assert risk.post(f"/portal/staff/acts/{act}", decision="approve").status_code == 409  # one's own
    ben = staff(app, settings, "ben", "risk")
    ben.get("/portal/staff/?lang=en")
    assert ben.post(f"/portal/staff/acts/{act}", decision="approve").status_code == 303
    made = stored(ReviewOverride)
    assert (made.notches, made.first_id, made.second_id) == (1, risk.actor.account_id, ben.actor.account_id)
    shown = risk.get(f"{case}?lang=en").text
    assert "Grade moved up or down" in shown
    assert ", ".join(one.account.display_name for one in (risk, ben)) in shown
    report = risk.get(f"{LIST}/overrides?lang=en").text
    assert "By reviewer" in report
    assert "too few" in report


WRONG = (
    {"notches": "3"}, {"notches": "9" * 500}, {"notches": "x"}, {"days": "4000"}, {"days": ""}, {"kind": "gift"},
    {"reason": "\0"}, {"reason": "x" * 3000}, {"reason_code": "mood"}, {"kind": "knock_out_set_aside"},
    UP | {"evidence": ""},
)  # fmt: skip


def test_what_is_beyond_the_limits_is_refused_and_the_words_are_not_lost(risk, case):
    step(risk, case, "claim")
    for wrong in WRONG:
        answer = step(risk, case, "override", **DOWN | wrong)
        assert answer.status_code == 422, wrong
        if len(wrong.get("reason", "")) < 2000 and "\0" not in wrong.get("reason", ""):
            assert 'role="alert"' in answer.text, wrong
            assert (DOWN | wrong)["reason"] in answer.text, wrong
        assert (stored().state, stored(ReviewOverride)) == ("claimed", None), wrong


def test_deciding_takes_a_fresh_code_and_what_tightens_holds_at_once(risk, case):
    step(risk, case, "claim")
    with db.transaction("owner") as session:
        session.execute(text("UPDATE web_sessions SET strong_at = strong_at - interval '1 hour'"))
    assert step(risk, case, "confirm", reason="x").status_code == 422
    assert stored().state == "claimed"
    with db.transaction("owner") as session:
        session.execute(text("UPDATE web_sessions SET strong_at = now()"))
    assert step(risk, case, "override", **DOWN).status_code == 303
    assert stored(ReviewOverride).second_id is None


def test_a_case_whose_time_is_over_is_decided_by_nobody(risk, case):
    step(risk, case, "claim")
    with db.transaction("owner") as session:
        session.execute(text("UPDATE review_cases SET due_at = now() - interval '1 minute'"))
    assert step(risk, case, "confirm", reason="x").status_code == 409
    assert "Let it stand" not in risk.get(f"{case}?lang=en").text


PAGES = {
    "auditor": {"", "/overrides", "/notices"}, "operator": {"/notices"}, "model_owner": {"/overrides"},
    "risk": {"", "/overrides", "/notices"},
}  # fmt: skip


def test_each_role_has_its_pages_and_nobody_else_any(app, settings, case):
    for role, pages in PAGES.items():
        person = staff(app, settings, f"zoe-{role}", role)
        for path in ("", "/overrides", "/notices"):
            assert person.get(LIST + path).status_code == (200 if path in pages else 404), (role, path)
        assert person.get(case).status_code == (200 if "" in pages else 404)
        if role != "risk":
            person.get("/portal/staff/")
            assert person.post(f"{case}/claim").status_code in (403, 404)
    assert stored().state == "open"
    for path in (LIST, case, f"{LIST}/overrides", f"{LIST}/notices"):
        assert Person(app.test_client()).get(path).status_code == 303


def test_a_case_that_never_was(risk):
    for name in ("rev_x", "rev_" + "0" * 32, "%00", "%ED%A0%80", "a" * 3000):
        assert risk.get(f"{LIST}/{name}").status_code == 404
        risk.get(f"{LIST}?lang=en")
        assert risk.post(f"{LIST}/{name}/claim").status_code == 404
    risk.get(f"{LIST}?lang=en")
    assert risk.post(f"{LIST}/rev_{'0' * 32}/burn").status_code == 404


def test_a_notice_is_shown_with_its_clock_and_not_with_its_words(risk, profiled, firm, bank):
    with db.transaction("owner") as session:
        consent = session.scalars(select(Consent)).one()
        now = utc_now()
        session.add(
            AdverseNotice(
                id=consent.id, enterprise_id=firm.enterprise.id, consent_id=consent.id,
                institution_id=consent.institution_id, event="declined", reasons=[], text_zh="机密", text_en="secret",
                text_sha256="ab" * 32, sent_at=now - timedelta(days=40), due_at=now - timedelta(days=10),
                keep_until=now + timedelta(days=900),
            )
        )  # fmt: skip
    shown = risk.get(f"{LIST}/notices?lang=en&overdue=1").text
    assert "declined by the bank" in shown
    assert "not opened in time" in shown
    assert "secret" not in shown
