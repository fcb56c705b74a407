"""Figures against the truth, on requests whose truth is written by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from creditlink.sandbox.year import truth
from creditlink.sandbox.year.ordering import CHEAPEST, LEARNED, RULES

pytestmark = pytest.mark.pure


def judged(learned, rules, cheapest, *, approved, cost, fits=None, states=None):
    """A request before as many products as `approved` has members."""
    n = len(approved)
    orders = {LEARNED: learned, RULES: rules, CHEAPEST: cheapest}
    return SimpleNamespace(
        listing=SimpleNamespace(
            states=np.array(states or [0] * n, dtype=np.uint8),
            orders={name: np.array(order, dtype=np.intp) for name, order in orders.items()},
            odds={LEARNED: np.linspace(0.2, 0.8, n), RULES: np.full(n, 0.9)},
        ),
        answers=SimpleNamespace(
            approved=np.array(approved, dtype=bool),
            fits=np.array(fits or [True] * n, dtype=bool),
            cost_bps=np.array(cost, dtype=np.float64),
        ),
    )


ONE = judged([2, 0, 1, 3], [0, 1, 3, 2], [3, 0, 1, 2], approved=[0, 1, 1, 0], cost=[300, 500, 400, 350])


class TestBest:
    def test_it_is_the_cheapest_of_those_that_would_offer_what_fits(self):
        assert truth.best_place(ONE) == 2

    def test_an_offer_that_does_not_fit_is_none(self):
        held = judged([0, 1], [0, 1], [0, 1], approved=[1, 1], cost=[300, 500], fits=[False, True])
        assert truth.best_place(held) == 1

    def test_a_product_whose_published_rules_fail_is_never_best(self):
        held = judged([1], [1], [1], approved=[1, 1], cost=[300, 500], states=[2, 0])
        assert truth.best_place(held) == 1

    def test_where_nobody_would_offer_there_is_none(self):
        assert truth.best_place(judged([0], [0], [0], approved=[0], cost=[300])) is None


def test_each_order_is_judged_by_where_the_best_stands_and_what_following_it_costs():
    found = {one.order: one for one in truth.judge_orders([ONE])}
    assert (found[LEARNED].top1, found[LEARNED].lenders_tried, found[LEARNED].cost_above_best_bps) == (1.0, 1.0, 0.0)
    assert (found[RULES].top1, found[RULES].top3, found[RULES].lenders_tried) == (0.0, 0.0, 2.0)
    assert found[RULES].cost_above_best_bps == 100.0
    assert (found[CHEAPEST].top3, found[CHEAPEST].lenders_tried) == (0.0, 3.0)
    assert (found[truth.CHANCE].top1, found[truth.CHANCE].top3) == (0.25, 0.75)
    assert found[truth.CHANCE].lenders_tried == pytest.approx(5 / 3, abs=1e-3)


def test_requests_without_a_best_product_judge_nothing():
    nobody = judged([0], [0], [0], approved=[0], cost=[300])
    assert [one.requests for one in truth.judge_orders([nobody, ONE])] == [1, 1, 1, 1]
    assert {one.requests for one in truth.judge_orders([nobody])} == {0}


def test_calibration_is_nought_for_odds_that_hold_and_the_gap_for_those_that_do_not():
    p = np.repeat(np.linspace(0.05, 0.95, 10), 100)
    yes = np.concatenate([np.arange(100) < round(100 * share) for share in np.linspace(0.05, 0.95, 10)])
    assert truth.calibration(p, yes, odds="x", over="y").ece == pytest.approx(0.0, abs=0.006)
    told = truth.calibration(np.full(1000, 0.9), yes, odds="x", over="y")
    assert told.mean_odds - told.approved == pytest.approx(0.4, abs=0.01)
    assert sum(count for _, _, count in told.curve) == 1000


def test_everything_shown_leaves_out_what_was_not_shown():
    held = judged([1], [1], [1], approved=[1, 1], cost=[300, 500], states=[2, 0])
    assert [one.answers for one in truth.of_everything_shown([held])] == [1, 1]
