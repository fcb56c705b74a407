"""Proposals to firms of the city: relief leads for none that is healthy, first loans lead where there was none."""

from __future__ import annotations

import pytest

from creditlink.engine.facts.relief_policies import ReliefBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.financing.requests import requests
from creditlink.financing.requests.ask import FinancingAsk
from creditlink.financing.requests.order import is_for_first_loan, is_relief
from creditlink.financing.requests.proposals import proposals_for
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import add_months, day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.products.service import live_book
from creditlink.profiles.reliance.rules import ProfileRules
from creditlink.records.store import save_facts
from creditlink.sandbox.platform.seed import seed_lenders
from tests import factories as make
from tests.profiles.conftest import city, facts_of, known_lately, of_hazard, rich_firm, safe_firm

__all__ = ["city", "rich_firm", "safe_firm"]


@pytest.fixture
def proposed(app, settings, city):
    """Return what a firm with the records of one of the city is proposed, with every lender of the seed taking part."""

    def run(number: int):
        now = utc_now()
        with db.transaction("owner") as session:
            seed_lenders(session, settings, now=now)
            for bank in session.query(Institution).filter(Institution.kind == "bank"):
                make.make_client(session, bank, scopes=["financing:read", "profile:create"])
            firm = make.make_enterprise(session)
            facts = facts_of(city, number, ("tax", "social_security", "electricity"))
            save_facts(session, facts, enterprise_id=firm.id, source="tax", pull_id=None, now=now)
        with app.app_context(), db.transaction("owner") as session:
            return proposals_for(
                session,
                session.merge(firm),
                FinancingAsk(50_000_000, 12, "working_capital"),
                live=runtime.part(LiveModel),
                relief=runtime.part(ReliefBook),
                book=live_book(session, settings),
                desks=requests.desks(session),
                as_of=day_of(now),
                capacity=runtime.part(ProfileRules).capacity,
            )

    return run


def test_a_healthy_firm_is_not_led_to_relief(proposed, safe_firm):
    found = proposed(safe_firm)
    assert found.need.relief is False
    assert found.need.first_loan is True
    eligible = [one.terms for one in found.open if one.match.state == "eligible"]
    assert eligible
    assert not is_relief(eligible[0])
    assert all(one.match.rank > 1 for one in found.open if not is_relief(one.terms))  # by cost alone relief would lead
    places = [k for k, terms in enumerate(eligible) if is_relief(terms)]
    assert places == list(range(len(eligible) - len(places), len(eligible)))  # all behind the others
    firsts = [is_for_first_loan(terms) for terms in eligible]
    assert firsts == sorted(firsts, reverse=True)


def test_a_weak_firm_keeps_relief_where_the_published_order_has_it(proposed, city):
    known = known_lately(city, ("payroll_months", "meter_months"), add_months(day_of(utc_now()).replace(day=1), -4))
    risky = sorted(of_hazard(city, known), key=lambda row: (-row[1], row[0]))
    for number, _ in risky[len(risky) // 8 :: 4]:  # of the riskiest no product is to be had at all
        found = proposed(number)
        eligible = [one for one in found.open if one.match.state == "eligible"]
        if found.need.relief and any(is_relief(one.terms) for one in eligible):
            break
    else:
        pytest.fail("the city has no weak firm that relief is open to")
    assert found.need.relief is True
    rest = [one for one in found.open if one.match.state == "eligible" and not is_for_first_loan(one.terms)]
    ranks = [one.match.rank for one in rest]
    assert len(ranks) > 1
    assert ranks == sorted(ranks)


def test_what_it_can_bear_is_derived_from_the_same_run(proposed, rich_firm):
    found = proposed(rich_firm)
    assert found.capacity is not None
    assert found.capacity.state == "derived"
    assert found.capacity.suggested_fen is not None
