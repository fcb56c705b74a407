"""How cases come to the queue: on request, by rule, from a shadow model; in a race, and for their own bank alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import undefer

from creditlink.consents.tables import Consent
from creditlink.decisions.kept import shipped_classes
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.profiles.reliance.reviews.service import subject_of
from creditlink.profiles.tables import Profile
from creditlink.retention import purge
from creditlink.reviews import queue
from creditlink.reviews.rules.causes import DISAGREE
from creditlink.reviews.rules.settings import ReviewSettings
from creditlink.reviews.tables import AdverseNotice, ReviewCase, ReviewOverride
from creditlink.staff import proof
from tests import factories as make
from tests.oauth import flow
from tests.profiles.conftest import CORE
from tests.reviews.conftest import STAFF, in_days


def cases(session):
    return session.scalars(select(ReviewCase).order_by(ReviewCase.opened_at)).all()


class TestAsking:
    def test_gives_one_case_however_often_and_holds_for_the_next_profile(self, ask, profiled, bank):
        authorization, made = profiled
        assert made["review"] is None
        first = ask(refuses_automation=True, note="请看新签的合同").json()
        again = ask().json()
        assert first == again
        assert [(case["state"], case["causes"]) for case in first["cases"]] == [("open", ["sole_trader_asks"])]
        following = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        assert following["review"]["cases"][0]["causes"] == ["sole_trader_asks"]
        assert not following["review"]["cases"][0]["asked_for"]

    @pytest.mark.parametrize("entity_type", ["company"])
    def test_a_company_objects_to_data_instead(self, ask, entity_type):
        answer = ask(refuses_automation=True)
        assert (answer.status_code, answer.json()["reason"]) == (409, "no_sole_trader")

    def test_a_wrong_body_opens_nothing(self, ask, empty_database):
        wrong = (
            {"refuses_automation": "true"}, {"refuses_automation": 1}, {"note": "长" * 2001}, {"note": ["a"]},
            {"more": 1}, {"note": "a\0b"}, {"note": None},
        )  # fmt: skip
        for body in wrong:
            assert ask(**body).status_code in (400, 422), body
        with empty_database.transaction("owner") as session:
            assert cases(session) == []

    def test_a_case_that_a_person_decided_is_not_asked_for_again(self, ask, empty_database, people):
        ask()
        with empty_database.transaction("owner") as session:
            (case,) = cases(session)
            queue.claim(session, case, by=people.ben, now=utc_now())
            session.flush()
            case.state, case.decision, case.ended_at = "decided", "confirmed", utc_now()
        assert ask().json()["reason"] == "decided"

    def test_another_bank_finds_no_such_profile(self, ask, profiled, empty_database, http, authorized):
        ask()
        other = flow.register_bank(empty_database, http)
        authorization = authorized(other)
        path = f"/v1/profiles/{profiled[1]['id']}/review"
        assert other.call("GET", path, authorization).status_code == 404
        assert other.call("POST", path, authorization, json={}).status_code == 404
        with empty_database.transaction("owner") as session:
            consent = session.get_one(Consent, flow.consent_of(authorization))
        viewer = db.Viewer(institution_id=consent.institution_id, consent_id=consent.id)
        with db.transaction("api", viewer=viewer) as session:
            assert cases(session) == []


class TestClaiming:
    def test_of_two_who_claim_at_once_one_has_it(self, ask, people):
        (case,) = ask().json()["cases"]

        def claim(by):
            try:
                with db.transaction("api", viewer=STAFF) as session:
                    queue.claim(session, queue.case_of(session, case["id"], lock=True), by=by, now=utc_now())
            except Conflict:
                return None
            return by.login

        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(claim, [people.ben, people.cleo]))
        assert found.count(None) == 1

    def test_undecided_it_expires_once_and_may_be_asked_for_again(self, claimed, ask):
        with db.transaction("worker") as session:
            assert queue.overdue(session, in_days(14)) == []
            (late,) = queue.overdue(session, in_days(16))
            assert [queue.expire(session, late, now=in_days(16)) for _ in range(2)] == [True, False]
        again = ask().json()["cases"]
        assert sorted(case["state"] for case in again) == ["expired", "open"]


class TestByRule:
    def test_what_was_not_delivered_comes_to_a_person(self, bank, authorized, delivered, empty_database):
        authorization = authorized(bank)
        delivered(authorization, categories=("social_security", "electricity"), tax="DOWN")
        made = bank.call("POST", "/v1/profiles", authorization, json={"accept_partial": ["tax"]}).json()
        assert [case["causes"] for case in made["review"]["cases"]] == [["partial"]]

    def test_so_does_a_knock_out_and_the_firm_is_told_once(self, bank, authorized, delivered, firm, empty_database):
        with empty_database.transaction("owner") as session:
            session.execute(update(Enterprise).where(Enterprise.id == firm.enterprise.id).values(status="revoked"))
        authorization = authorized(bank)
        delivered(authorization)
        made = [bank.call("POST", "/v1/profiles", authorization, json={}).json() for _ in range(2)]
        assert [one["review"]["cases"][0]["causes"] for one in made] == [["knocked_out"]] * 2
        with empty_database.transaction("owner") as session:
            (notice,) = session.scalars(select(AdverseNotice)).all()
        assert notice.event == "knocked_out"
        for fact in made[0]["knock_outs"]:
            assert fact["label_zh"] in notice.text_zh
            assert fact["label_en"] in notice.text_en

    def test_a_firm_without_a_score_is_told_why_in_the_words_of_its_profile(
        self, bank, authorized, delivered, empty_database
    ):
        authorization = authorized(bank)
        delivered(authorization, categories=(), **dict.fromkeys(CORE, "NO_RECORD"))
        made = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        assert made["state"] == "not_scorable"
        with empty_database.transaction("owner") as session:
            notice = session.scalars(select(AdverseNotice)).one()
        assert notice.event == "not_scorable"
        assert made["not_scorable_reason"]["sentence_zh"] in notice.text_zh
        assert made["not_scorable_reason"]["sentence_en"] in notice.text_en

    def test_models_that_disagree_add_their_cause_to_the_open_case(self, profiled, empty_database):
        settings = queue.settings_in_use()
        with db.transaction("worker") as session:
            profile = session.scalars(select(Profile).options(undefer(Profile.registration))).one()
            subject = subject_of(profile, profile.registration)
            common = {"settings": settings, "classes": shipped_classes(), "now": utc_now()}
            queue.open_case(session, profile, subject, ["contested"], **common)
            for _ in range(2):
                queue.add_cause(session, profile, subject, DISAGREE, **common)
        with empty_database.transaction("owner") as session:
            (case,) = cases(session)
        assert case.causes == ["models_disagree", "contested"]
        assert (case.due_at - case.opened_at).days in (9, 10)


def test_the_purge_keeps_them_for_five_years_and_then_takes_them(claimed, empty_database, settings):
    with empty_database.transaction("owner") as session:
        (case,) = cases(session)
        values = {"now": utc_now() + (case.keep_until - case.opened_at) / 2}
        firm = case.enterprise_id
    purge_at = {"issuer": flow.ISSUER, "secret": settings.secret_key}
    with db.transaction("worker") as session:
        purge.purge_firm(session, firm, now=values["now"], **purge_at)
    with empty_database.transaction("owner") as session:
        assert len(cases(session)) == 1
        assert session.scalars(select(Profile)).all() == []
    with db.transaction("worker") as session:
        assert firm in purge.firms_due(session, case.keep_until)
        gone = purge.purge_firm(session, firm, now=case.keep_until, **purge_at)
    assert gone.rows["review_cases"] == 1
    with empty_database.transaction("owner") as session:
        assert cases(session) == session.scalars(select(ReviewOverride)).all() == []


class TestRoutes:
    @pytest.fixture
    def call(self, empty_database, http):
        def person(login, *roles):
            key = proof.new_key()
            with empty_database.transaction("owner") as session:
                make.make_staff(session, login, *roles, key=key)

            def run(method, path, **options):
                act = f"{method} {flow.ISSUER}{path}"
                document = proof.sign(key, login, audience=flow.ISSUER, act=act, now=utc_now())
                return http.request(method, path, headers={"Authorization": f"Staff {document}"}, **options)

            return run

        return person

    def test_from_the_queue_to_the_monitor_for_reviewers_alone(self, call, ask, bank):
        (case,) = ask(note="please").json()["cases"]
        fay, aud = call("fay", "risk"), call("gil", "auditor")
        listed = aud("GET", "/v1/reviews?state=open&cause=sole_trader_asks").json()["items"]
        assert [(row["id"], row["note"], row["claimed_by"]) for row in listed] == [(case["id"], "please", None)]
        path = f"/v1/reviews/{case['id']}"
        assert aud("POST", f"{path}/claim").json()["type"] == "/problems/insufficient-role"
        early = fay("POST", f"{path}/decision", json={"decision": "confirm", "reason": "seen"})
        assert (early.status_code, early.json()["reason"]) == (409, "open")
        assert fay("POST", f"{path}/claim").json()["claimed_by"] == "fay"
        wanted = {"kind": "grade_notch", "reason_code": "new_fact", "reason": "r", "evidence": "e"}
        wanted["expires_at"] = in_days(10).isoformat()
        for body in (
            {"decision": "override"}, {"decision": "confirm", "override": wanted}, {"decision": "maybe"},
            {"decision": "override", "override": wanted | {"notches": "1"}},
            {"decision": "override", "override": wanted | {"notches": 1.5}},
            {"decision": "override", "override": wanted | {"notches": 10**30}},
            {"decision": "override", "override": wanted | {"notches": 1, "points": 3}},
            {"decision": "confirm", "reason": " "},
        ):  # fmt: skip
            assert fay("POST", f"{path}/decision", json=body).status_code == 422, body
        done = fay("POST", f"{path}/decision", json={"decision": "override", "override": wanted | {"notches": 1}})
        assert done.status_code == 200, done.text
        assert done.json()["waits_for"].startswith("act_")
        assert fay("POST", f"{path}/release").json()["state"] == "open"
        fay("POST", f"{path}/claim")
        body = {"decision": "override", "override": wanted | {"notches": -1}}
        assert fay("POST", f"{path}/decision", json=body).json()["case"]["override"]["notches"] == -1
        report = aud("GET", "/v1/reviews/monitor").json()
        assert (report["decided"], report["overridden"], report["rate"]) == (1, 1, None)
        assert [row["name"] for row in report["by_reviewer"]] == ["fay"]
        assert fay("GET", "/v1/reviews/notices").json() == {"items": [], "next_cursor": None}
        assert fay("GET", "/v1/reviews/rev_" + "0" * 32).status_code == 404
        assert bank.http.get("/v1/reviews").status_code == 401


def test_nobody_reads_the_queue_without_being_staff(claimed, empty_database):
    with empty_database.transaction("api") as session:
        assert session.scalar(text("SELECT count(*) FROM review_cases")) == 0


def test_the_settings_of_the_application_are_those_of_the_file(app):
    assert runtime.of_app(app).of(ReviewSettings).notice_days == 30


def test_ids_have_one_form(ask):
    (case,) = ask().json()["cases"]
    assert ids.external("rev", ids.internal("rev", case["id"])) == case["id"]
