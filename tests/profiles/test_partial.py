"""A required category that was not delivered: no profile, unless the bank accepts that by name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text

from creditlink.cli.replay import replay_profile
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.vocabulary import GRADES
from creditlink.kit.processes import runtime
from creditlink.kit.settings import load_settings
from creditlink.profiles.serving.live import load_live
from creditlink.profiles.tables import Profile
from creditlink.records import sources
from creditlink.records.sources import Sources, load_sources
from tests.oauth import flow

REST = ("social_security", "electricity")


def make(bank, authorization, **body):
    return bank.call("POST", "/v1/profiles", authorization, json=body)


@pytest.mark.parametrize(
    ("status", "told"), [("DOWN", "source_down"), ("TIMEOUT", "timeout"), ("DENIED", "denied"), ("PARTIAL", "partial")]
)
def test_without_the_banks_word_it_is_409_and_costs_nothing(bank, authorized, delivered, empty_database, status, told):
    authorization = authorized(bank)
    delivered(authorization, categories=REST, tax=status)
    for body in ({}, {"accept_partial": []}, {"accept_partial": ["electricity"]}):
        answer = make(bank, authorization, **body)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/records-unavailable")
        assert answer.json()["missing"] == {"tax": told}
        states = {name: row["status"] for name, row in answer.json()["sources"].items()}
        assert states == {
            "tax": status, "social_security": "DELIVERED", "electricity": "DELIVERED", "public_credit": "NO_RECORD",
        }  # fmt: skip
        assert answer.headers["CreditLink-Uses-Left"] == "total=3"
    with empty_database.transaction("owner") as session:
        assert session.scalar(select(func.count()).select_from(Profile)) == 0
        refused = session.scalars(text("SELECT detail ->> 'reason' FROM audit_entries WHERE result = 'refused'")).all()
    assert refused == ["records-unavailable"] * 3


def test_no_record_is_an_answer(bank, authorized, delivered):
    authorization = authorized(bank)
    delivered(authorization, categories=REST, tax="NO_RECORD")
    answer = make(bank, authorization)
    assert answer.status_code == 201
    assert answer.json()["partial"] is None
    assert answer.json()["coverage"]["tax"]["status"] == "no_record"


def test_an_optional_category_that_is_down_takes_nothing(bank, authorized, delivered):
    authorization = authorized(bank, optional_categories=["electricity"])
    delivered(authorization, categories=("tax", "social_security"), electricity="DOWN")
    answer = make(bank, authorization)
    assert answer.status_code == 201
    assert answer.json()["partial"] is None
    assert answer.json()["coverage"]["electricity"]["status"] == "source_down"


def test_a_required_category_whose_office_is_gone_since(authorized, delivered, empty_database, http):
    bank = flow.register_bank(empty_database, http, categories=["tax", "gas"])
    authorization = authorized(bank, categories=("tax", "gas"))
    delivered(authorization, categories=("tax",))
    config = load_sources(load_settings())
    rest = {name: source for name, source in config.sources.items() if name != "gas"}
    sources.configure(Sources(replace(config, sources=rest)))
    try:
        assert make(bank, authorization).json()["missing"] == {"gas": "not_connected"}
        assert make(bank, authorization, accept_partial=["gas"]).status_code == 201
    finally:
        sources.current().close()
        sources.configure(None)


class TestPartialProfile:
    @pytest.fixture
    def partial(self, bank, authorized, delivered, safe_firm):
        authorization = authorized(bank)
        delivered(authorization, categories=REST, firm=safe_firm, tax="DOWN")
        answer = make(bank, authorization, accept_partial=["tax"])
        assert answer.status_code == 201, answer.text
        return authorization, answer.json()

    def test_is_marked_capped_and_asks_for_a_person(self, products, partial, app):
        _, profile = partial
        told = profile["partial"]
        assert told["missing"] == {"tax": "source_down"}
        # The PD is what it is, and says which grade it alone would give; the grade is no better than the cap.
        assert told["grade_by_score"] == str(runtime.of_app(app).of(LiveModel).model.scale.grade(profile["pd_12m"]))
        worse = max(told["grade_by_score"], told["best_grade"], key=GRADES.index)
        assert (profile["grade"], told["best_grade"]) == (worse, "C")
        assert [(one["code"], one["observed"]) for one in profile["human_review"]] == [("H02", "source_down")]
        for row in profile["without_category"]:
            assert row["grade"] is None or GRADES.index(row["grade"]) >= GRADES.index("C")
        assert GRADES.index(profile["interval"]["grade_best"]) >= GRADES.index("C")

    def test_products_see_the_grade_that_it_has(self, products, bank, partial):
        authorization, profile = partial
        assert profile["partial"]["grade_by_score"] != profile["grade"]  # else this shows nothing
        body = bank.call("GET", f"/v1/profiles/{profile['id']}/matches?limit=100", authorization).json()
        seen = [r for p in body["products"] for r in p["rules"] if r["subject"] == "profile.grade"]
        assert seen
        assert {rule["observed"] for rule in seen} == {profile["grade"]}

    def test_nothing_is_said_to_raise_a_grade_that_is_capped(self, products, bank, partial):
        authorization, profile = partial
        body = bank.call("GET", f"/v1/profiles/{profile['id']}/improvements", authorization).json()
        assert (body["grade"], body["target"], body["plans"]) == (profile["grade"], None, [])
        code = bank.call("GET", f"/v1/profiles/{profile['id']}/matches", authorization).json()["products"][0]["product"]
        assert bank.call("GET", f"/v1/profiles/{profile['id']}/matches/{code}/unlock", authorization).status_code == 409

    def test_the_evidence_names_what_was_delivered_and_what_was_not(self, partial, empty_database):
        _, profile = partial
        with empty_database.transaction("owner") as session:
            detail = session.scalar(text("SELECT detail FROM audit_entries WHERE action = 'profile.create'"))
        assert detail["categories"] == sorted(("registration", *REST))
        assert detail["missing"] == {"tax": "source_down", "public_credit": "no_record"}
        assert detail["rows"] == {c: profile["coverage"][c]["rows"] for c in ("registration", *REST)}

    def test_a_replay_gives_the_same(self, partial, settings, empty_database):
        with empty_database.transaction("owner") as session:
            stored = session.scalars(select(Profile)).one()
            assert replay_profile(session, stored, live=load_live(settings), settings=settings).same

    def test_the_next_one_is_whole_when_the_source_is_back(self, bank, delivered, partial):
        authorization, _ = partial
        delivered(authorization, categories=("tax",))
        profile = make(bank, authorization, accept_partial=["tax"]).json()
        assert profile["partial"] is None


@pytest.mark.parametrize("wanted", [["registration"], ["nothing"], "tax", [1], None])
def test_what_cannot_be_accepted_is_named(bank, authorized, wanted):
    answer = make(bank, authorized(bank), accept_partial=wanted)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/accept_partial")


def test_a_narrowed_token_opens_no_grade_that_an_outage_closes(bank, authorized, delivered, empty_database, settings):
    authorization = authorized(bank)
    delivered(authorization, categories=REST, tax="DOWN")
    asked = [{"type": "enterprise_credit_profile", "categories": list(REST)}]
    bank.refresh(authorization, authorization_details=json.dumps(asked))
    answer = make(bank, authorization)
    assert answer.status_code == 201
    profile = answer.json()
    assert profile["partial"]["missing"] == {"tax": "not_requested"}
    assert GRADES.index(profile["grade"]) >= GRADES.index(profile["partial"]["best_grade"]) == GRADES.index("C")
    assert [(one["code"], one["observed"]) for one in profile["human_review"]] == [("H02", "not_requested")]
    # The firm did share it, and nobody says otherwise.
    tax = profile["coverage"]["tax"]
    assert (tax["granted"], tax["status"]) == (False, "not_requested")
    assert profile["coverage"]["logistics"]["status"] == "not_granted"
    told = profile["partial"]["text_zh"] + profile["partial"]["text_en"]
    assert "贷款机构本次未调取" in told
    assert "did not ask" in told
    with empty_database.transaction("owner") as session:
        made = session.scalars(select(Profile)).one()
        assert replay_profile(session, made, live=load_live(settings), settings=settings).same


def test_a_narrowed_token_without_an_optional_category_makes_no_partial_profile(bank, authorized, delivered):
    authorization = authorized(bank, optional_categories=["electricity"])
    delivered(authorization)
    asked = [{"type": "enterprise_credit_profile", "categories": ["tax", "social_security"]}]
    bank.refresh(authorization, authorization_details=json.dumps(asked))
    assert make(bank, authorization).json()["partial"] is None


def test_rows_that_are_not_all_are_kept_with_what_was_asked(bank, authorized, delivered, empty_database, settings):
    authorization = authorized(bank, optional_categories=["electricity"])
    delivered(authorization)
    delivered(authorization, categories=(), tax="DELIVERED", social_security="DELIVERED", electricity="PARTIAL")
    assert make(bank, authorization).json()["coverage"]["electricity"]["rows"] > 0
    with empty_database.transaction("owner") as session:
        stored = session.scalars(select(Profile)).one()
        assert stored.asked["incomplete"] == {"electricity": "partial"}
        assert replay_profile(session, stored, live=load_live(settings), settings=settings).same
