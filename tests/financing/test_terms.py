"""What an offer costs in all, and that its hash says which offer it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.engine.matching.offers.cost import fee_fen, net_cost_bps
from creditlink.financing.applications.terms import OfferTerms, TermsInvalid
from creditlink.financing.requests.ask import AMOUNT_FEN, AskInvalid, FinancingAsk

pytestmark = pytest.mark.pure

OFFER = OfferTerms(amount_fen=100_000_000, term_months=12, rate_bps=480, fee_fen=500_000)


def test_a_loan_without_fees_costs_its_rate():
    assert replace(OFFER, fee_fen=0).yearly_cost_bps == 480
    assert replace(OFFER, fee_fen=0, repayment="bullet").yearly_cost_bps == 480


def test_interest_of_a_bullet_loan_is_rate_times_amount():
    assert replace(OFFER, fee_fen=0, repayment="bullet").total_cost_fen == 4_800_000


def test_fees_weigh_more_on_a_short_loan():
    assert OFFER.yearly_cost_bps > 480
    assert replace(OFFER, term_months=6).yearly_cost_bps > OFFER.yearly_cost_bps


@given(
    amount=st.integers(100_000, 10_000_000_000),
    term=st.integers(1, 360),
    rate=st.integers(0, 3600),
    fee_share=st.integers(0, 200),
    repayment=st.sampled_from(["bullet", "equal_instalment", "revolving"]),
)
@settings(max_examples=60, deadline=None)
def test_costs_are_never_below_the_rate(amount, term, rate, fee_share, repayment):
    offer = OfferTerms(amount, term, rate, fee_fen=amount * fee_share // 10_000, repayment=repayment)
    assert offer.yearly_cost_bps >= rate
    assert offer.total_cost_fen >= offer.fee_fen - 1


def test_the_hash_changes_with_every_term():
    said = {"application": "app_1", "valid_until": "2026-12-01T00:00:00+00:00"}
    first = OFFER.sha256(**said)
    assert OFFER.sha256(**said) == first
    for changed in ({"rate_bps": 481}, {"fee_fen": 0}, {"conditions": "x"}, {"cooling_off_days": 4}):
        assert replace(OFFER, **changed).sha256(**said) != first
    assert OFFER.sha256(**(said | {"application": "app_2"})) != first


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount_fen", 0), ("term_months", 0), ("rate_bps", -1), ("fee_fen", 100_000_000), ("repayment", "whenever")],
)
def test_wrong_terms_name_field_and_value(field, value):
    with pytest.raises(TermsInvalid) as wrong:
        replace(OFFER, **{field: value})
    assert (wrong.value.field, wrong.value.value) == (field, value)


@pytest.mark.parametrize(
    ("field", "value"), [("amount_fen", 99), ("term_months", 361), ("use", "gambling"), ("collateral", "soul")]
)
def test_a_wrong_ask_names_field_and_value(field, value):
    right = {"amount_fen": 1_000_000, "term_months": 12, "use": "payroll", "collateral": "none"}
    with pytest.raises(AskInvalid) as wrong:
        FinancingAsk(**(right | {field: value}))
    assert (wrong.value.field, wrong.value.value) == (field, value)


@pytest.mark.parametrize("repayment", ["bullet", "equal_instalment", "revolving"])
def test_a_subsidy_lowers_what_the_firm_pays_to_what_the_product_list_says(repayment):
    offer = replace(OFFER, rate_bps=345, subsidy_bps=200, fee_fen=0, repayment=repayment)
    listed = net_cost_bps(rate_bps=345, subsidy_bps=200, fees_bps=0, term_months=12, repayment=repayment)
    assert offer.yearly_cost_bps == listed == 145
    whole = replace(offer, subsidy_bps=0)
    assert offer.total_cost_fen + offer.subsidy_fen == pytest.approx(whole.total_cost_fen, abs=1)
    assert offer.subsidy_fen == pytest.approx(whole.total_cost_fen * 200 / 345, rel=1e-6)
    assert replace(offer, rate_bps=150).yearly_cost_bps == 0  # never more than the interest
    dear = replace(offer, fee_fen=offer.amount_fen // 100)
    told = {"rate_bps": 345, "subsidy_bps": 200, "term_months": 12, "repayment": repayment}
    assert dear.yearly_cost_bps == net_cost_bps(**told, fees_bps=100) > 145


@given(
    amount=st.integers(*AMOUNT_FEN),
    fees=st.integers(0, 1_000),
    rate=st.integers(0, 2_400),
    subsidy=st.integers(0, 300),
    term=st.integers(1, 60),
    repayment=st.sampled_from(["bullet", "equal_instalment", "revolving"]),
)
@settings(max_examples=200, deadline=None)
def test_an_offer_as_the_product_says_costs_what_the_product_list_says(amount, fees, rate, subsidy, term, repayment):
    """Whatever the amount: fees in whole fen cost no basis point more or less than the share that they are."""
    told = {"rate_bps": rate, "subsidy_bps": subsidy, "term_months": term, "repayment": repayment}
    offer = OfferTerms(amount_fen=amount, fee_fen=fee_fen(amount, fees), **told)
    assert (offer.fees_bps, offer.yearly_cost_bps) == (fees, net_cost_bps(**told, fees_bps=fees))
