import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.engine.scoring.scale import Scale, rounded
from creditlink.engine.vocabulary import GRADES

pytestmark = pytest.mark.pure


def test_points_are_600_at_odds_of_20_and_40_more_when_they_double():
    scale = Scale()
    assert scale.points_exact(-np.log(20)) == pytest.approx(600)
    assert scale.points_exact(-np.log(40)) == pytest.approx(640)
    assert scale.points_exact(-np.log(5)) == pytest.approx(520)


@given(pd=st.floats(1e-6, 1 - 1e-6))
def test_points_are_the_published_formula(pd):
    logit = np.log(pd) - np.log1p(-pd)
    assert Scale().points_exact(logit) == pytest.approx(600 + 40 * np.log2((1 - pd) / pd / 20), abs=1e-6)


@given(logit=st.floats(-20, 20))
def test_logit_at_undoes_points(logit):
    assert Scale().logit_at(Scale().points_exact(logit)) == pytest.approx(logit, abs=1e-9)


@pytest.mark.parametrize(
    ("pd", "grade"),
    [(0, "A+"), (0.00299, "A+"), (0.003, "A"), (0.0079, "A"), (0.008, "B"), (0.02, "C"), (0.05, "D"), (0.1499, "D"),
     (0.1501, "E"), (1, "E")],
)  # fmt: skip
def test_bands(pd, grade):
    assert Scale().grade([pd]).tolist() == [grade]


@given(pds=st.lists(st.floats(0, 1), min_size=2))
def test_a_higher_pd_never_has_a_better_grade(pds):
    numbers = Scale().grade_number(sorted(pds))
    assert (np.diff(numbers) >= 0).all()
    assert set(Scale().grade(pds)) <= set(GRADES)


def test_halves_go_away_from_zero():
    assert rounded([0.5, 1.5, 2.5, -0.5, -1.5, 2.4999, -2.4999, 612.5]).tolist() == [1, 2, 3, -1, -2, 2, -2, 613]
