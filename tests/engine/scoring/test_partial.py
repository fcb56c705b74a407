"""How good a grade may be without a required category."""

import pytest

from creditlink.engine.scoring.limits.partial import partial_of
from creditlink.engine.scoring.settings import PartialSettings
from creditlink.engine.vocabulary import GRADES

pytestmark = pytest.mark.pure

SETTINGS = PartialSettings(otherwise="B", floor="D", best_grade={"tax": "C"})


@pytest.mark.parametrize(
    ("missing", "best"),
    [
        (["utility"], "B"),
        (["tax"], "C"),
        (["utility", "social_security"], "C"),
        (["tax", "utility"], "D"),
        (["tax", "utility", "social_security"], "D"),  # never the grade of a firm that is known to be bad
    ],
)
def test_the_strictest_cap_holds_and_each_further_category_costs_a_grade(missing, best):
    found = partial_of(dict.fromkeys(missing, "source_down"), SETTINGS)
    assert found.best_grade == best
    for grade in GRADES:
        capped = found.capped(grade)
        assert GRADES.index(capped) == max(GRADES.index(grade), GRADES.index(best))


def test_nothing_missing_is_no_partial_profile():
    assert partial_of({}, SETTINGS) is None


def test_it_says_what_is_missing_why_and_what_the_score_alone_would_give():
    found = partial_of({"tax": "timeout"}, SETTINGS)
    told = found.to_dict("A+")
    assert (told["missing"], told["best_grade"], told["grade_by_score"]) == ({"tax": "timeout"}, "C", "A+")
    assert "did not answer in time" in told["text_en"]
    assert "数据源未及时响应" in told["text_zh"]
    (review,) = found.review()
    assert (review["code"], review["category"], review["observed"]) == ("H02", "tax", "timeout")
