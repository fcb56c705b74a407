"""A year: the same seed gives the same, nothing hidden reaches the ranking, and the platform tells what happened."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from creditlink.cli.sandbox.sandbox import sandbox
from creditlink.financing.funnel import cases
from creditlink.financing.funnel.funnel import funnel, league
from creditlink.financing.tables import Application, ApprovalCase, FinancingRequest, LoanFact
from creditlink.kit.clock import day_of
from creditlink.kit.postgres import db
from creditlink.kit.settings import load_settings
from creditlink.products import approval_store
from creditlink.sandbox.year.demand import first_month
from creditlink.sandbox.year.market import Market
from creditlink.sandbox.year.policies import draw_policies
from creditlink.sandbox.year.simulate import NotReconciled, YearPlan, live_through, plan_year, reconcile
from creditlink.sandbox.year.stage import StageTaken
from creditlink.training.city import CityError, read_city
from tests.sandbox.year.conftest import PLAN

pytestmark = pytest.mark.long


class TestPlanned:
    def test_the_same_seed_gives_the_same_year_and_another_gives_another(self, year_city, planned):
        again = plan_year(YearPlan(year_city, **PLAN), load_settings({}))
        assert again.to_dict() == planned.to_dict()
        other = plan_year(YearPlan(year_city, **PLAN | {"seed": 4}), load_settings({}))
        assert other.to_dict()["deeds_sha256"] != planned.to_dict()["deeds_sha256"]

    def test_every_firm_asks_once_in_its_month_and_is_not_in_default(self, planned):
        requests = planned.demand.requests
        assert len({one.registration.uscc for one in requests}) == len(requests) == PLAN["requests"]
        by_month = Counter(f"{day_of(one.at):%Y-%m}" for one in requests)
        assert list(by_month.values()) == [PLAN["requests"] // 12] * 12
        assert all(one.default_on is None or one.default_on > day_of(one.at) for one in requests)

    def test_what_lenders_keep_to_themselves_changes_answers_and_not_what_is_shown(self, planned):
        year = planned.year
        market = Market(
            planned.demand.requests,
            draw_policies([one.code for one in year.policies], requests_a_month=3, seed=777),
            lambda day: books[day],
            year.start,
            year.until,
            PLAN["seed"],
        )
        books = {day_of(one.request.at).replace(day=1): one.book for one in year.requests}
        others = market.run().requests
        assert any((a.answers.approved != b.answers.approved).any() for a, b in zip(year.requests, others, strict=True))
        for a, b in zip(year.requests, others, strict=True):
            for name in ("rules_only", "cheapest_first"):
                assert np.array_equal(a.listing.orders[name], b.listing.orders[name])

    def test_a_firm_asks_different_lenders_and_no_more_offers_are_made_than_a_policy_allows(self, planned):
        by_request: dict[int, list[str]] = {}
        offers: Counter[tuple[str, str]] = Counter()
        for one in planned.year.applications:
            by_request.setdefault(one.request, []).append(one.product.institution_code)
            if one.approved:
                offers[one.product.institution_code, f"{day_of(one.applied_at):%Y-%m}"] += 1
        assert all(len(set(asked)) == len(asked) <= PLAN["lenders"] for asked in by_request.values())
        most = {policy.code: policy.offers_a_month for policy in planned.year.policies}
        assert all(count <= most[code] for (code, _), count in offers.items())

    def test_no_more_is_accepted_under_a_product_than_its_quota(self, planned):
        capped = [
            replace(one, products=[replace(terms, quota_fen=30_000_000) for terms in one.products])
            for one in [held.book for held in planned.year.requests]
        ]
        books = dict(
            zip([day_of(held.request.at).replace(day=1) for held in planned.year.requests], capped, strict=True)
        )
        market = Market(
            planned.demand.requests, planned.year.policies, books.__getitem__, planned.year.start, planned.year.until,
            PLAN["seed"],
        )  # fmt: skip
        accepted: Counter[str] = Counter()
        for deed in market.run().deeds:
            if deed.kind == "accept":
                accepted[deed.application.product.code] += deed.application.terms.amount_fen
        assert accepted
        assert max(accepted.values()) <= 30_000_000

    def test_odds_are_learned_from_what_was_answered_before(self, planned):
        first, last = planned.year.models
        assert sum(first.too_few.values()) < sum(last.too_few.values())
        answered = sum(not one.silent for one in planned.year.applications)
        assert sum(last.too_few.values()) + sum(curve.answers for curve in last.curves) == answered

    def test_a_city_that_is_too_short_or_too_small_is_refused(self, year_city):
        city = read_city(year_city)
        with pytest.raises(CityError, match="at least 42 months"):
            first_month(city, follow=12)
        with pytest.raises(CityError, match="firms can ask"):
            plan_year(YearPlan(year_city, **PLAN | {"requests": 5000}), load_settings({}))


def test_a_year_happens_on_the_platform_as_it_was_planned(planned, empty_database, settings):
    stage = live_through(planned, settings)
    with db.transaction("owner") as session:
        held = cases.cases_of(session)
        told = reconcile(planned, stage, held)
        assert session.scalar(select(func.count()).select_from(FinancingRequest)) == PLAN["requests"]
        assert session.scalar(select(func.count()).select_from(ApprovalCase)) == sum(
            not one.silent for one in planned.year.applications
        )
        assert approval_store.live(session) == planned.year.models[-1]
        # Silent lenders let their time run out; nothing is left waiting when the year is over.
        left = Counter(session.scalars(select(Application.state)))
        assert not left.keys() & {"requested", "received", "reviewing", "offered", "accepted", "signed"}
        assert session.scalar(select(func.max(LoanFact.days_past_due))) is not None
        agreed = [one["agreement"] for row in session.scalars(select(Application.decline_weighed)) for one in row]
        assert "no_profile" not in agreed
    assert told["applied"] == len(planned.year.applications)
    assert told["drawn"] > 0 < told["repaid"]
    assert sum(row.applied for row in funnel(held, "institution")) == told["applied"]
    assert league(held)[0].median_answer_hours > 0
    with pytest.raises(NotReconciled, match="offer"):
        reconcile(planned, stage, [replace(one, approved=False) for one in held])
    with pytest.raises(StageTaken, match=f"{PLAN['requests']} financing requests"):
        live_through(planned, settings)


def test_the_command_measures_without_a_database(year_city, tmp_path):
    arguments = ["year", "--city", str(year_city), "--out", str(tmp_path / "y"), "--firms", "24", "--lenders", "3"]
    arguments += ["--follow", "0", "--plan-only"]
    answer = CliRunner().invoke(sandbox, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert told == json.loads((tmp_path / "y" / "year.json").read_text())
    assert {row["order"] for row in told["ranking"]["orders"]} >= {"learned", "rules_only", "cheapest_first"}
    again = CliRunner().invoke(sandbox, arguments)
    assert "holds a year already" in again.output
