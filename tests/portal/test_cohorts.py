"""Cohorts side by side: counted without a look, summed up after one in each firm's log, and never of a few firms."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import insert, select, text

from creditlink.decisions.looks.cohorts import OTHERS, CohortMember, edges_for, summary_of
from creditlink.engine.profile.basis import DecisionBasis
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import ids
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from tests import factories as make
from tests.decisions.conftest import kept
from tests.portal.test_risk_desk import looks, staff
from tests.profiles.conftest import authorized, bank, city, created, delivered, firm, http, products, rich_firm

__all__ = ["authorized", "bank", "city", "created", "delivered", "firm", "http", "kept", "products", "rich_firm"]
PAGE = "/portal/staff/cohorts"


def member(firm, **changed):
    one = CohortMember(
        str(firm), "B", 600.0, 0.02, {"stability": 10.0}, {"sales_12_fen": 5.0}, frozenset(), frozenset({"tax"}),
        {"region": "4406", "industry": "C", "entity_type": "company"},
    )  # fmt: skip
    return replace(one, **changed)


def summed(members):
    return summary_of(members, edges_for(members))


@pytest.mark.pure
class TestSummary:
    def test_of_few_firms_there_is_none_however_many_decisions(self):
        assert summed([member(k % 9) for k in range(500)]) is None
        assert summed([member(k) for k in range(10)]).firms == 10

    def test_means_are_over_scored_decisions(self):
        half = [member(k) for k in range(10)]
        other = [member(k + 10, grade=None, points=None, pd_12m=None, dimensions={}, indicators={}) for k in range(10)]
        found = summed([*half, *other])
        assert (found.decisions, found.dimensions, found.mean_pd) == (20, {"stability": 10.0}, pytest.approx(0.02))
        assert (found.grades["B"], found.grades["–"], sum(found.histogram)) == (10, 10, 10)

    def test_an_indicator_that_one_model_does_not_read_moved_nothing(self):
        found = summed([member(k, indicators={"a": 4.0} if k < 5 else {}) for k in range(10)])
        assert found.indicators == {"a": 2.0}

    def test_all_unscored(self):
        found = summed([member(k, grade=None, points=None, pd_12m=None, dimensions={}) for k in range(12)])
        assert (found.points, found.mean_pd, found.dimensions) == ((), None, {})

    @pytest.mark.parametrize("seed", range(20))
    def test_no_part_is_of_fewer_than_five_firms(self, seed):
        """Nor can one be had by subtracting: what is left over is at least as many."""
        rng = np.random.default_rng(seed)
        regions = rng.choice(["4401", "4403", "4406", "4413", "4420"], p=[0.5, 0.25, 0.15, 0.07, 0.03], size=40)
        segments = [{"region": region, "industry": "C", "entity_type": "company"} for region in regions]
        found = summed([member(k, segments=one) for k, one in enumerate(segments)])
        for counts in found.segments.values():
            assert min(counts.values()) >= 5
        assert sum(found.segments["region"].values()) == 40

    def test_what_is_not_asked_for_is_not_missing(self):
        found = summed([member(k, missing=frozenset({"tax"} if k < 3 else ())) for k in range(10)])
        assert found.missing == {"tax": pytest.approx(0.3)}
        assert OTHERS not in found.segments["industry"]


@pytest.fixture
def risk(app, settings, empty_database):
    return staff(app, settings, "rui", "risk")


@pytest.fixture
def many(created, kept):
    """Return a function that archives decisions like the rich firm's on other firms, some points apart."""
    _, first = created()

    def add(count, *, days=0, apart=0):
        with db.transaction("owner") as session:
            template = session.get_one(Profile, ids.internal("prf", first["id"])).columns()
            known = session.scalars(select(Enterprise)).first()
            one = {column.key: getattr(known, column.key) for column in Enterprise.__table__.columns}
            for number in range(count):
                new = one | {"id": uuid4(), "uscc": make.make_uscc()}
                session.execute(insert(Enterprise), new)
                at = template["created_at"] - timedelta(days=days, seconds=number)
                row = copy.deepcopy(template) | {
                    "id": uuid4(), "enterprise_id": new["id"], "points": template["points"] + apart, "created_at": at,
                    "as_of": template["as_of"] - timedelta(days=days),
                }  # fmt: skip
                session.execute(insert(Profile), row)
                basis = DecisionBasis(dict(row["registration"]), {}, None, None, ())
                kept.keep(session, row, basis, purpose="underwriting", now=at)

    add.day = template_day(first)
    return add


def template_day(first):
    with db.transaction("owner") as session:
        return session.get_one(Profile, ids.internal("prf", first["id"])).as_of


def chosen(day, before):
    return {"a_since": str(day - timedelta(days=10)), "b_until": str(day - timedelta(days=before))}


def test_two_cohorts_are_counted_without_a_look_and_compared_with_one_each(risk, many):
    many(10)
    many(12, days=60, apart=-40)
    asked = chosen(many.day, 30)
    shown = risk.get(PAGE, query_string=asked | {"lang": "en"}).text
    assert "11 decisions" in shown
    assert "12 decisions" in shown
    assert looks() == []
    for purpose in ("", "audit", "\0"):
        assert risk.post(PAGE, **asked, purpose=purpose).status_code in (400, 422)
        risk.get(PAGE, query_string=asked | {"lang": "en"})
    assert looks() == []
    shown = risk.post(PAGE, **asked, purpose="model_review").text
    assert "23 decisions were opened for this." in shown
    assert {one[:3] for one in looks()} == {("decision.cohort", risk.actor.name, "model_review")}
    assert len(looks()) == 23
    file = risk.post(PAGE, **asked, purpose="model_review", doing="export").data.decode("utf-8-sig").splitlines()
    assert file[:3] == ["table,name,a,b", "cohort,decisions,11,12", "cohort,firms,11,12"]
    assert len(looks()) == 46, "an export opens each decision too"
    with db.transaction("owner") as session:
        logs = session.scalar(
            text("SELECT count(DISTINCT enterprise_id) FROM audit_entries WHERE action = 'decision.cohort'")
        )
        points = session.scalars(select(Profile.points)).all()
    assert logs == 23
    for median in (max(points), min(points)):
        assert f"<td>{median}</td>" in shown
    assert " style=" not in shown
    assert "<script" not in shown


def test_of_few_firms_nothing_is_opened(risk, many):
    many(3)
    many(12, days=60)
    asked = chosen(many.day, 30)
    assert "too few to be summed up" in risk.get(PAGE, query_string=asked | {"lang": "en"}).text
    answer = risk.post(PAGE, **asked, purpose="model_review")
    assert answer.status_code in (400, 422)  # the page offers no form to send
    risk.get("/portal/staff/decisions")
    risk.get("/portal/staff/?lang=en")
    assert risk.post(PAGE, **asked, purpose="model_review").status_code == 422
    assert looks() == []


def test_a_damaged_record_is_left_out_and_said(risk, many):
    many(11)
    many(12, days=60)
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        one = session.scalar(text("SELECT id FROM decision_records ORDER BY decided_at LIMIT 1"))
        session.execute(text("UPDATE decision_records SET payload = '\\x00' WHERE id = :i"), {"i": UUID(str(one))})
    asked = chosen(many.day, 30)
    risk.get(PAGE, query_string=asked | {"lang": "en"})
    assert "1 is damaged and was left out" in risk.post(PAGE, **asked, purpose="model_review").text


def test_what_cannot_be_chosen_is_said_and_other_roles_have_no_such_page(app, settings, risk):
    for wrong in ({"a_bank": "nobody"}, {"b_since": "tomorrow"}, {"a_override": "x"}, {"a_grade": "\0"}):
        assert risk.get(PAGE, query_string=wrong).status_code in (400, 422), wrong
    for role in ("operator", "model_owner"):
        person = staff(app, settings, f"ola-{role}", role)
        assert person.get(PAGE).status_code == 404
        person.get("/portal/staff/")
        assert person.post(PAGE, purpose="model_review").status_code == 404
