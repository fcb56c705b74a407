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
from creditlink.sandbox.year.simulate import NotReconciled, YearPlan, live_through, plan_year, reconciled
from creditlink.sandbox.year.stage import StageTaken
from creditlink.training.city import CityError, read_city
from tests.sandbox.year.conftest import PLAN

pytestmark = pytest.mark.long


class TestPlanned:
    def test_the_same_seed_gives_the_same_year_and_another_gives_another(self, year_city, lived):
        again = plan_year(YearPlan(year_city, **PLAN), load_settings({}))
        assert again.to_dict() == lived.to_dict()
        other = plan_year(YearPlan(year_city, **PLAN | {"seed": 4}), load_settings({}))
        assert other.to_dict()["deeds_sha256"] != lived.to_dict()["deeds_sha256"]

    def test_every_firm_asks_once_in_its_month_and_is_not_in_default(self, lived):
        askings = lived.crowd.askings
        assert len({one.uscc for one in askings}) == len(askings) == PLAN["requests"]
        by_month = Counter(f"{day_of(one.at):%Y-%m}" for one in askings)
        assert list(by_month.values()) == [PLAN["requests"] // 12] * 12
        assert all(one.default_on is None or one.default_on > day_of(one.at) for one in askings)

    def test_what_lenders_keep_to_themselves_changes_answers_and_not_what_is_shown(self, lived):
        year = lived.year
        market = Market(
            lived.crowd.askings,
            draw_policies([one.code for one in year.policies], requests_a_month=3, seed=777),
            lambda day: books[day],
            year.start,
            year.until,
            PLAN["seed"],
        )
        books = {day_of(one.asking.at).replace(day=1): one.book for one in year.judged}
        others = market.run().judged
        assert any((a.answers.approved != b.answers.approved).any() for a, b in zip(year.judged, others, strict=True))
        for a, b in zip(year.judged, others, strict=True):
            for name in ("rules_only", "cheapest_first"):
                assert np.array_equal(a.shown.orders[name], b.shown.orders[name])

    def test_a_firm_asks_different_lenders_and_no_more_offers_are_made_than_a_policy_allows(self, lived):
        by_request: dict[int, list[str]] = {}
        offers: Counter[tuple[str, str]] = Counter()
        for one in lived.year.tried:
            by_request.setdefault(one.request, []).append(one.product.institution_code)
            if one.approved:
                offers[one.product.institution_code, f"{day_of(one.applied_at):%Y-%m}"] += 1
        assert all(len(set(asked)) == len(asked) <= PLAN["lenders"] for asked in by_request.values())
        most = {policy.code: policy.offers_a_month for policy in lived.year.policies}
        assert all(count <= most[code] for (code, _), count in offers.items())

    def test_no_more_is_accepted_under_a_product_than_its_quota(self, lived):
        capped = [
            replace(one, products=[replace(terms, quota_fen=30_000_000) for terms in one.products])
            for one in [held.book for held in lived.year.judged]
        ]
        books = dict(zip([day_of(held.asking.at).replace(day=1) for held in lived.year.judged], capped, strict=True))
        market = Market(
            lived.crowd.askings, lived.year.policies, books.__getitem__, lived.year.start, lived.year.until,
            PLAN["seed"],
        )  # fmt: skip
        accepted: Counter[str] = Counter()
        for deed in market.run().deeds:
            if deed.kind == "accept":
                accepted[deed.application.product.code] += deed.application.terms.amount_fen
        assert accepted
        assert max(accepted.values()) <= 30_000_000

    def test_odds_are_learned_from_what_was_answered_before(self, lived):
        first, last = lived.year.models
        assert sum(first.too_few.values()) < sum(last.too_few.values())
        answered = sum(not one.silent for one in lived.year.tried)
        assert sum(last.too_few.values()) + sum(curve.answers for curve in last.curves) == answered

    def test_a_city_that_is_too_short_or_too_small_is_refused(self, year_city):
        city = read_city(year_city)
        with pytest.raises(CityError, match="at least 42 months"):
            first_month(city, follow=12)
        with pytest.raises(CityError, match="firms can ask"):
            plan_year(YearPlan(year_city, **PLAN | {"requests": 5000}), load_settings({}))


def test_a_year_happens_on_the_platform_as_it_was_planned(lived, empty_database, settings):
    stage = live_through(lived, settings)
    with db.transaction("owner") as session:
        held = cases.cases_of(session)
        told = reconciled(lived, stage, held)
        assert session.scalar(select(func.count()).select_from(FinancingRequest)) == PLAN["requests"]
        assert session.scalar(select(func.count()).select_from(ApprovalCase)) == sum(
            not one.silent for one in lived.year.tried
        )
        assert approval_store.live(session) == lived.year.models[-1]
        # Silent lenders let their time run out; nothing is left waiting when the year is over.
        left = Counter(session.scalars(select(Application.state)))
        assert not left.keys() & {"requested", "received", "reviewing", "offered", "accepted", "signed"}
        assert session.scalar(select(func.max(LoanFact.days_past_due))) is not None
        agreed = [one["agreement"] for row in session.scalars(select(Application.decline_weighed)) for one in row]
        assert "no_profile" not in agreed
    assert told["applied"] == len(lived.year.tried)
    assert told["drawn"] > 0 < told["repaid"]
    assert sum(row.applied for row in funnel(held, "institution")) == told["applied"]
    assert league(held)[0].median_answer_hours > 0
    with pytest.raises(NotReconciled, match="offer"):
        reconciled(lived, stage, [replace(one, approved=False) for one in held])
    with pytest.raises(StageTaken, match=f"{PLAN['requests']} financing requests"):
        live_through(lived, settings)


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
