"""Venn–Abers, cut-offs, selection and alternatives, each against what is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.training.outcomes import alternatives
from creditlink.training.outcomes.alternatives import CURRENT, alike, search_alternatives
from creditlink.training.outcomes.cutoffs import LoanEconomics, simulate_cutoffs
from creditlink.training.outcomes.inference import LEAST_SHARE, METHODS, learning_rows, lot_share
from creditlink.training.outcomes.selection import selection_report
from creditlink.training.outcomes.venn_abers import GRID, venn_abers
from tests.training.outcomes.firms import made_up

pytestmark = pytest.mark.pure


class TestVennAbers:
    def test_is_the_isotonic_fit_with_one_more_firm(self):
        rng = np.random.default_rng(0)
        score = np.round(rng.normal(0, 1, 120), 1)  # with ties
        bad = (rng.random(120) < sigmoid(score)).astype(np.int8)
        at = np.array([-2.0, -0.3, -0.25, 0.0, 0.1, 3.0])
        low, high = venn_abers(score, bad, at)
        for k, place in enumerate(at):
            for taken_as, found in ((0, low), (1, high)):
                fitted = IsotonicRegression(y_min=0, y_max=1).fit(np.append(score, place), np.append(bad, taken_as))
                assert found[k] == pytest.approx(fitted.predict([place])[0])

    def test_a_grid_stays_on_the_safe_side(self):
        rng = np.random.default_rng(1)
        score, at = rng.normal(0, 1, 300), rng.normal(0, 1, 3 * GRID)
        bad = (rng.random(300) < sigmoid(score)).astype(np.int8)
        low, high = venn_abers(score, bad, at)
        some = np.arange(0, len(at), 40)
        exact_low, exact_high = venn_abers(score, bad, at[some])
        assert (low[some] <= exact_low + 1e-12).all()
        assert (high[some] >= exact_high - 1e-12).all()

    @pytest.mark.parametrize("score", [[], [np.nan]])
    def test_needs_numbers(self, score):
        with pytest.raises(ValueError, match="finite numbers are needed"):
            venn_abers(np.array(score, np.float64), np.zeros(len(score), np.int8), np.zeros(1))


class TestCutoffs:
    def test_earn_what_can_be_counted_by_hand(self):
        found = simulate_cutoffs(
            np.array([0.01, 0.02, 0.03, 0.5]), np.array([0, 0, 1, 1], np.int8), LoanEconomics(10_000, 500, 5_000, 10)
        )
        assert [one.profit_fen for one in found.rows] == [-10, 115, 240, -1010, -2260]  # the mean of four
        assert found.best == 2
        assert found.rows[2].bads_declined == 1.0
        assert found.rows[2].goods_declined == 0.0
        assert found.rows[0].bad_rate is None
        assert found.break_even_pd == pytest.approx(500 / 5_500)
        assert found.rows[found.approve_all].approved_share == 1.0

    def test_the_best_one_is_near_where_a_loan_breaks_even(self):
        rng = np.random.default_rng(0)
        pd_12m = sigmoid(rng.normal(-2.5, 1.2, 20_000))
        bad = (rng.random(20_000) < pd_12m).astype(np.int8)
        found = simulate_cutoffs(pd_12m, bad, LoanEconomics(10**8, 500, 5_000))
        assert found.rows[found.best].pd_below == pytest.approx(found.break_even_pd, rel=0.4)
        assert found.better_than_all > 0.95

    @pytest.mark.parametrize(
        ("changed", "told"), [({"amount_fen": 0}, "amount_fen: 0"), ({"margin_bps": 10_001}, "margin_bps: 10001")]
    )
    def test_a_value_that_cannot_be_is_named(self, changed, told):
        with pytest.raises(ValueError, match=told):
            LoanEconomics(**{"amount_fen": 100, "margin_bps": 1, "loss_bps": 1} | changed)

    def test_no_firm_or_no_probability_is_refused(self):
        for pd_12m in ([], [1.5], [np.nan]):
            with pytest.raises(ValueError, match="pd_12m"):
                simulate_cutoffs(np.array(pd_12m), np.zeros(len(pd_12m), np.int8), LoanEconomics(100, 1, 1))


@pytest.fixture(scope="module")
def selected():
    """Officers see what no indicator shows: declined firms are riskier than approved ones that look alike."""
    applicants, hazard = made_up(2400, approve=0.6, by_lot=0.4, hidden=1.2, level=-1.5)
    return applicants, hazard, selection_report(applicants, seed=1, hazard=hazard)


class TestSelection:
    def test_bounds_hold_the_truth_and_say_how_little_is_known(self, selected):
        applicants, hazard, report = selected
        known = report["known"]
        assert known["bad_rate_at_least"] < hazard.mean() < known["bad_rate_at_most"]
        assert known["bad_rate_by_lot"]["low"] < hazard[~applicants.approved].mean() < known["bad_rate_by_lot"]["high"]
        assert known["psi_of_score"] > 0.25

    def test_the_lot_measures_what_the_truth_says_of_each_method(self, selected):
        methods = selected[2]["methods"]
        assert [one["method"] for one in methods] == list(METHODS)
        for one in methods:
            assert abs(one["gap_of_declined"] - one["true_gap_of_declined"]) < 4 * one["error_of_gap"] + 0.02

    def test_inference_from_the_approved_underrates_the_declined_and_the_lot_less(self, selected):
        gap = {one["method"]: one["true_gap_of_declined"] for one in selected[2]["methods"]}
        assert gap["approved_only"] < -0.05
        assert gap["augmentation"] < -0.05
        assert abs(gap["by_lot"]) < 0.6 * abs(gap["approved_only"])

    def test_without_a_lot_nothing_is_measured_and_nothing_is_made_up(self):
        applicants, _ = made_up(800, approve=0.7, level=-1.0)
        report = selection_report(applicants, seed=1)
        assert lot_share(applicants) == 0
        assert report["known"]["bad_rate_by_lot"] is None
        assert "by_lot" not in [one["method"] for one in report["methods"]]
        assert {one["gap_of_declined"] for one in report["methods"]} == {None}

    def test_methods_weigh_as_they_say(self, selected):
        applicants = selected[0]
        lot = learning_rows(applicants, "by_lot", seed=1)
        assert lot.weight.sum() == pytest.approx(2400, rel=1e-9)
        assert len(lot.place) == int(applicants.known.sum())
        augmented = learning_rows(applicants, "augmentation", seed=1)
        assert not applicants.drawn[augmented.place].any()
        assert 1 <= augmented.weight.min() <= augmented.weight.max() <= 1 / LEAST_SHARE
        with pytest.raises(KeyError):
            learning_rows(applicants, "wishing", seed=1)


class TestAlternatives:
    def test_a_model_without_the_proxy_is_found_where_it_costs_little(self, monkeypatch):
        applicants, _ = made_up(1600, proxy=3.0, level=-1.5)
        named = (CURRENT, "without employment", "segments weighed alike")
        all_of = alternatives.candidates_of
        monkeypatch.setattr(
            alternatives, "candidates_of", lambda *given: {k: v for k, v in all_of(*given).items() if k in named}
        )
        found = search_alternatives(applicants, "entity_type", approve_share=0.6, most_auc_lost=0.03, seed=1)
        current, without = found.candidates[:2]
        assert (current.name, current.gain) == (CURRENT, 0.0)
        assert without.name == "without employment"
        assert current.ratio < without.ratio - 0.05
        chosen = next(one for one in found.candidates if one.name == found.found)
        assert chosen.auc_lost <= 0.03
        assert chosen.gain_low > 0

    def test_segments_weighed_alike_have_one_bad_rate(self):
        applicants, _ = made_up(400, proxy=3.0)
        segment = applicants.rows["entity_type"].to_numpy().astype(str)
        weight, bad = alike(segment, applicants.is_bad), applicants.is_bad == 1
        for name in ("company", "sole_trader"):
            here = segment == name
            assert weight[here & bad].sum() / weight[here].sum() == pytest.approx(bad.mean())

    def test_one_segment_is_nothing_to_compare(self):
        applicants, _ = made_up(400)
        with pytest.raises(ValueError, match="region: 1 segments have"):
            search_alternatives(applicants, "region", approve_share=0.6, most_auc_lost=0.02, seed=1)
