"""Two models over the same firms, in numbers that can be worked out by hand."""

import numpy as np
import pytest

from creditlink.engine.vocabulary import GRADES
from creditlink.shadow.comparison import FEWEST, ShadowComparison, bands_between, compare

pytestmark = pytest.mark.pure


def test_the_same_model_is_not_apart_from_itself():
    pd = np.linspace(0.01, 0.4, 60)
    found = compare(pd, pd, ["A"] * 60, ["A"] * 60)
    assert found == ShadowComparison(60, pytest.approx(1.0), 0.0, pytest.approx(0.0))
    assert not found.asks_for_a_person


def test_a_model_that_ranks_the_other_way_round_asks_for_a_person():
    pd = np.linspace(0.01, 0.4, FEWEST)
    found = compare(pd, pd[::-1], ["A"] * FEWEST, ["A"] * FEWEST)
    assert found.rank_correlation == pytest.approx(-1.0)
    assert found.asks_for_a_person


def test_ties_have_the_mean_rank():
    found = compare(np.array([0.1, 0.1, 0.2]), np.array([0.1, 0.2, 0.3]), ["A"] * 3, ["A"] * 3)
    assert found.rank_correlation == pytest.approx(np.corrcoef([1.5, 1.5, 3.0], [1.0, 2.0, 3.0])[0, 1])


def test_where_all_are_equal_nobody_is_ranked():
    assert compare(np.full(3, 0.1), np.arange(3) / 10, ["A"] * 3, ["A"] * 3).rank_correlation is None


def test_the_share_apart_and_the_mix():
    found = compare(np.arange(4) / 10, np.arange(4) / 10, ["A+", "A", "A", "C"], ["A+", "A", "B", "A"])
    assert found.share_apart == 0.25
    shares = np.maximum(np.array([[1, 2, 0, 1, 0, 0], [1, 2, 1, 0, 0, 0]]) / 4, 1e-4)
    assert found.psi == pytest.approx(np.sum((shares[0] - shares[1]) * np.log(shares[0] / shares[1])))


def test_a_few_profiles_say_nothing():
    assert not ShadowComparison(FEWEST - 1, -1.0, 1.0, 9.0).asks_for_a_person
    for beyond in ((0.89, 0.0, 0.0), (1.0, 0.11, 0.0), (1.0, 0.0, 0.26)):
        assert ShadowComparison(FEWEST, *beyond).asks_for_a_person
    assert not ShadowComparison(FEWEST, 0.90, 0.10, 0.25).asks_for_a_person


def test_bands_are_counted_both_ways():
    assert bands_between(GRADES[0], GRADES[-1]) == bands_between(GRADES[-1], GRADES[0]) == len(GRADES) - 1


@pytest.mark.parametrize("lengths", [(0, 0, 0, 0), (2, 1, 2, 2), (1, 1, 1, 2)])
def test_columns_that_do_not_belong_together_are_refused(lengths):
    pd, live, grades, others = lengths
    with pytest.raises(ValueError, match="one length"):
        compare(np.zeros(pd), np.zeros(live), ["A"] * grades, ["A"] * others)
