"""Hidden policies: deterministic, bound by what is published, and the same whoever else is asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.offers.cost import annual_rate_bps, cash_flows
from creditlink.kit.settings import ROOT
from creditlink.products.files.settings import load_settings
from creditlink.sandbox.year.cost import yearly_cost_bps
from creditlink.sandbox.year.policies import REASONS, Applicant, Chances, Lenders, draw_policies
from tests.engine.matching import samples

pytestmark = pytest.mark.pure

FIRM = Applicant(
    pd_12m=0.01, hazard_12m=0.01, sales_12_fen=1_000_000_000.0, section="C", amount_fen=50_000_000, term_months=12
)
NONE_YET = np.zeros(2, dtype=np.int64)


@pytest.fixture(scope="module")
def lenders() -> Lenders:
    products = [
        samples.product(f"{code}-{k}", institution_code=code, amount_min_fen=1_000_000, amount_max_fen=200_000_000)
        for code in ("AAA", "BBB")
        for k in range(20)
    ]
    book = compile_book(products, BY_NAME, load_settings(ROOT / "config" / "matching.toml"))
    return Lenders.of(book, draw_policies(["AAA", "BBB"], requests_a_month=40, seed=9))


def with_policy(lenders: Lenders, **values) -> Lenders:
    usual = {"dislikes": frozenset(), "offers_a_month": 99, "silent": 0.0, "caution": 50.0, "sales_multiple": 1.0}
    return replace(lenders, policies=tuple(replace(policy, **usual | values) for policy in lenders.policies))


def answers(lenders: Lenders, firm: Applicant = FIRM, *, so_far=NONE_YET, states=None, request=0):
    n = len(lenders.book)
    states = np.zeros(n, dtype=np.uint8) if states is None else states
    return lenders.answers(firm, states, Chances.draw(n, 2, seed=1, request=request), so_far)


def reasons(found) -> set[str]:
    return {REASONS[k] for k in found.reason if k >= 0}


class TestPolicies:
    def test_the_same_seed_gives_the_same_and_a_lender_has_its_own_whoever_else_there_is(self):
        alone, together = (draw_policies(codes, requests_a_month=40, seed=9) for codes in (["BBB"], ["AAA", "BBB"]))
        assert together == draw_policies(["AAA", "BBB"], requests_a_month=40, seed=9)
        assert alone[0] == together[1] != together[0]
        assert draw_policies(["BBB"], requests_a_month=40, seed=10)[0] != alone[0]

    def test_a_generous_lender_takes_a_good_firm(self, lenders):
        found = answers(with_policy(lenders))
        assert found.approved.all()
        assert found.fits.all()
        assert (found.amount_fen == FIRM.amount_fen).all()

    def test_a_cautious_one_takes_no_risk(self, lenders):
        found = answers(with_policy(lenders, caution=1e-4))
        assert reasons(found) == {"risk"}
        assert not found.approved.any()

    def test_riskier_firms_are_taken_more_rarely_and_pay_more(self, lenders):
        modest = with_policy(lenders, caution=1.0)
        found = [answers(modest, replace(FIRM, pd_12m=pd, hazard_12m=pd)) for pd in (0.001, 0.02, 0.2)]
        shares = [one.approved.mean() for one in found]
        assert shares[0] > shares[1] > shares[2]
        assert found[0].rate_bps.mean() < found[2].rate_bps.mean()

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"dislikes": frozenset("C")}, "sector"),
            ({"offers_a_month": 3}, "quota"),
            ({"sales_multiple": 0.01}, "amount"),
        ],
    )
    def test_each_reason_has_its_cause(self, lenders, values, said):
        found = answers(with_policy(lenders, **values), so_far=np.array([3, 3]))
        assert reasons(found) == {said}

    def test_an_undecided_rule_turns_some_away(self, lenders):
        undecided = np.ones(len(lenders.book), dtype=np.uint8)
        assert reasons(answers(with_policy(lenders, thin_refused=1.0), states=undecided)) == {"thin"}
        assert reasons(answers(with_policy(lenders, thin_refused=0.0), states=undecided)) == set()

    def test_nobody_lends_against_its_published_rules_and_the_silent_offer_nothing(self, lenders):
        failed = np.full(len(lenders.book), 2, dtype=np.uint8)
        assert not answers(with_policy(lenders), states=failed).approved.any()
        assert not answers(with_policy(lenders, silent=1.0)).approved.any()

    def test_offers_lie_within_what_is_published(self, lenders):
        for request in range(20):
            found = answers(lenders, replace(FIRM, amount_fen=900_000_000, term_months=60), request=request)
            low, high = lenders.book.rate_range
            assert ((low <= found.rate_bps) & (found.rate_bps <= high)).all()
            assert (found.amount_fen <= lenders.book.amount_max).all()
            assert (found.term_months <= lenders.book.term_max).all()
            assert not found.fits.any()

    def test_unknown_sales_bound_the_amount(self, lenders):
        found = answers(with_policy(lenders), replace(FIRM, sales_12_fen=float("nan")))
        assert (found.amount_fen <= 3 * lenders.book.amount_min).all()


def test_yearly_cost_is_that_of_the_cash_flows():
    rng = np.random.default_rng(4)
    rates, fees, terms = rng.uniform(0, 2400, 60), rng.uniform(0, 400, 60), rng.integers(1, 61, 60)
    amortises = rng.random(60) < 0.5
    found = yearly_cost_bps(rates, fees, terms, amortises)
    for k in range(60):
        repayment = "equal_instalment" if amortises[k] else "bullet"
        flows = cash_flows(rate_bps=rates[k], fees_bps=fees[k], term_months=int(terms[k]), repayment=repayment)
        assert found[k] == pytest.approx(annual_rate_bps(flows), abs=0.01)
