import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.match import match_many
from creditlink.engine.matching.offers.cost import annual_rate_bps, cash_flows
from creditlink.engine.matching.offers.offer import Ask, offer_worth
from tests.engine.matching.samples import SETTINGS, firms, product

pytestmark = pytest.mark.pure


def offer(terms, subjects, ask=None):
    return match_many(compile_book([terms], BY_NAME, SETTINGS), subjects, ask=ask).explain(0)[0].offer


class TestPrice:
    def test_is_expected_loss_plus_running_cost(self):
        # PD 2 % × LGD 60 % = 120; a bank's funding 190 and operating cost 110.
        made = offer(product(), firms(pd_12m=[0.02]))
        assert (made.expected_loss_bps, made.running_bps, made.unclipped_bps) == (pytest.approx(120), 300, 420)
        assert made.rate_bps == made.yearly_cost_bps == 420

    def test_stays_within_the_products_range(self):
        assert offer(product(rate_bps_min=500), firms(pd_12m=[0.001])).rate_bps == 500
        assert offer(product(), firms(pd_12m=[0.3])).rate_bps == 600

    def test_a_guarantor_carries_its_share_of_the_loss(self):
        terms = product(guarantee="fund", risk_share_bps=8000)
        assert offer(terms, firms(pd_12m=[0.02])).expected_loss_bps == pytest.approx(0.02 * 0.5 * 0.2 * 10_000)

    def test_the_subsidy_lowers_what_the_firm_pays_not_what_the_lender_charges(self):
        made = offer(product(subsidy_bps=100), firms(pd_12m=[0.02]))
        assert (made.rate_bps, made.yearly_cost_bps) == (420, 320)

    def test_fees_weigh_by_the_time_they_are_spread_over(self):
        firm = firms(pd_12m=[0.02])
        year = offer(product(fees_bps=60), firm, Ask(term_months=12))
        half = offer(product(fees_bps=60), firm, Ask(term_months=6))
        assert (year.term_months, half.term_months) == (12, 6)
        for made in (year, half):
            flows = cash_flows(rate_bps=made.rate_bps, fees_bps=60, term_months=made.term_months, repayment="bullet")
            assert made.yearly_cost_bps == pytest.approx(annual_rate_bps(flows), abs=0.5)
        assert (year.yearly_cost_bps, half.yearly_cost_bps) == (482, 542)


class TestLimit:
    def test_is_derived_line_by_line(self):
        firm = firms(sales_12_fen=[2_000_000_00], contribution_base_12_fen=[100_000_00])
        made = offer(product(kind="credit"), firm)
        assert [(b.name, b.observed, b.amount_fen) for b in made.bases] == [
            ("turnover", 2_000_000_00, 300_000_00),
            ("payroll", 100_000_00, 600_000_00),
        ]
        assert made.grade_factor == 1.0
        assert made.limit_fen == 450_000_00

    def test_a_missing_basis_is_left_out(self):
        made = offer(product(kind="credit"), firms(contribution_base_12_fen=[100_000_00]))
        assert made.bases[0].amount_fen is None
        assert made.limit_fen == 600_000_00

    def test_without_any_basis_none_is_suggested(self):
        assert offer(product(), firms()).limit_fen is None

    def test_it_is_capped_and_nothing_below_the_smallest_amount(self):
        assert offer(product(), firms(sales_12_fen=[10**12])).limit_fen == 300_000_000
        assert offer(product(), firms(sales_12_fen=[5_000_000])).limit_fen == 0

    def test_a_weaker_grade_carries_less(self):
        sales = [10**9]
        limits = [offer(product(), firms(sales_12_fen=sales, grade=[g])).limit_fen for g in ("A+", "A", "B", "C", "D")]
        assert limits == sorted(limits, reverse=True)
        assert len(set(limits)) == 5


class TestAsk:
    @pytest.mark.parametrize("values", [{"amount_fen": 0}, {"term_months": -3}])
    def test_what_is_asked_must_be_positive(self, values):
        with pytest.raises(ValueError, match=rf"{next(iter(values))}: value {next(iter(values.values()))}"):
            Ask(**values)


class TestYearlyCost:
    def test_a_loan_without_fees_costs_its_rate(self):
        for repayment in ("bullet", "equal_instalment"):
            flows = cash_flows(rate_bps=480, fees_bps=0, term_months=12, repayment=repayment)
            assert annual_rate_bps(flows) == pytest.approx(480, abs=1e-6)

    def test_a_published_case(self):
        # 1 lent, twelve equal instalments with 1 % a month: the annuity 0.0888488 of any table.
        flows = cash_flows(rate_bps=1200, fees_bps=0, term_months=12, repayment="equal_instalment")
        assert flows[1] == pytest.approx(-0.0888488, abs=1e-7)

    @settings(deadline=None)
    @given(
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.integers(0, 9_000),
        st.integers(1, 360),
        st.sampled_from(["bullet", "equal_instalment", "revolving"]),
    )
    def test_at_the_yearly_cost_the_flows_are_worth_nothing(self, rate, subsidy, fees, term, repayment):
        flows = cash_flows(rate_bps=rate, subsidy_bps=subsidy, fees_bps=fees, term_months=term, repayment=repayment)
        cost = annual_rate_bps(flows)
        worths = [
            sum(flow / (1 + (cost + step) / 120_000) ** month for month, flow in enumerate(flows))
            for step in (-0.01, 0.01)
        ]
        assert worths[0] < 0 < worths[1]

    def test_nothing_paid_out_has_no_rate(self):
        with pytest.raises(ValueError, match="nothing is paid out"):
            annual_rate_bps([0.0, -1.0])

    @settings(deadline=None)
    @given(
        st.integers(200, 2400),
        st.integers(0, 200),
        st.integers(3, 60),
        st.sampled_from(["bullet", "equal_instalment", "revolving"]),
    )
    def test_the_quick_cost_is_close_to_the_exact_one(self, rate, fees, term, repayment):
        """Within 6 % of the exact yearly cost over the whole range of the seed's rates, fees and terms."""
        terms = product(
            rate_bps_min=rate,
            rate_bps_max=rate,
            fees_bps=fees,
            term_months_min=term,
            term_months_max=term,
            repayment=repayment,
        )
        book = compile_book([terms], BY_NAME, SETTINGS)
        quick = offer_worth(book, firms(), np.zeros((1, 1)), Ask()).yearly_cost_bps[0, 0]
        flows = cash_flows(rate_bps=rate, fees_bps=fees, term_months=term, repayment=repayment)
        assert quick == pytest.approx(annual_rate_bps(flows), rel=0.06)


def test_arrays_cover_products_by_firms():
    book = compile_book([product("A-1"), product("B-1", kind="payroll")], BY_NAME, SETTINGS)
    made = offer_worth(book, firms(3, sales_12_fen=[1e9, np.nan, 1e9]), np.zeros((2, 3)), Ask())
    for name in ("approval", "rate_bps", "yearly_cost_bps", "limit_fen", "fit", "score"):
        assert getattr(made, name).shape == (2, 3)
    assert np.isnan(made.limit_fen).tolist() == [[False, True, False], [True, True, True]]
