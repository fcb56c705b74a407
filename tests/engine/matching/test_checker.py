import pytest

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.products.checker import check_product, reach
from creditlink.engine.matching.products.subjects import known_subjects
from tests.engine.matching.samples import GRADE_RULE, SETTINGS, crowd, firms, product, rule

pytestmark = pytest.mark.pure

KNOWN = known_subjects(BY_NAME)


def found(*rules, categories=("tax", "social_security", "electricity")):
    terms = product(rules=list(rules), required_categories=list(categories))
    return [(f.severity, f.code, f.rules) for f in check_product(terms, KNOWN)]


SALES = "indicator.sales_12_fen"


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ([GRADE_RULE, rule(SALES, ">=", 1)], []),
        ([rule(SALES, ">=", 10), rule(SALES, "<=", 5)], [("error", "contradiction", (0, 1))]),
        ([rule(SALES, ">", 5), rule(SALES, "<=", 5)], [("error", "contradiction", (0, 1))]),
        ([rule(SALES, ">=", 10), rule(SALES, ">=", 5)], [("warning", "redundant", (1, 0))]),
        ([rule(SALES, ">=", 5), rule(SALES, ">=", 10)], [("warning", "redundant", (0, 1))]),
        ([rule(SALES, ">=", 5), rule(SALES, "<=", 10)], []),
        ([rule("indicator.headcount", "<", 0)], [("error", "impossible", (0,))]),
        ([rule("indicator.headcount", ">=", 0)], [("warning", "always", (0,))]),
        ([rule("profile.pd_12m", "<=", 5)], [("warning", "always", (0,))]),
        ([rule("profile.pd_12m", ">=", 2)], [("error", "impossible", (0,))]),
        ([rule("profile.grade", "at_least_grade", "E")], [("warning", "always", (0,))]),
        (
            [rule("profile.grade", "at_least_grade", "A"), rule("profile.grade", "in", ["C", "D"])],
            [("error", "contradiction", (0, 1))],
        ),
        ([rule("profile.grade", "not_in", ["A+", "A", "B", "C", "D", "E"])], [("error", "impossible", (0,))]),
        (
            [rule("registration.industry", "in", ["C"]), rule("registration.industry", "not_in", ["C"])],
            [("error", "contradiction", (0, 1))],
        ),
        ([rule("registration.industry", "in", ["C"]), rule("registration.industry", "not_in", ["C30"])], []),
        (
            [rule("registration.industry", "in", ["C", "F"]), rule("registration.industry", "in", ["C30"])],
            [("warning", "redundant", (0, 1))],
        ),
        (
            [rule("registration.status", "==", "active"), rule("registration.status", "==", "revoked")],
            [("error", "contradiction", (0, 1))],
        ),
        (
            [rule("registration.region", "not_in", ["44"]), rule("registration.region", "not_in", ["4406"])],
            [("warning", "redundant", (1, 0))],
        ),
        ([rule("indicator.shoe_size", ">=", 1)], [("error", "unknown", (0,))]),
    ],
)
def test_finds_what_is_wrong(rules, wanted):
    assert found(*rules) == wanted


def test_a_category_that_is_not_required_is_told():
    assert found(rule(SALES, ">=", 5), categories=()) == [("warning", "category", (0,))]


def test_tells_it_in_both_languages():
    terms = product(rules=[rule("profile.points", ">=", 700), rule("profile.points", "<=", 600)])
    (one,) = check_product(terms, KNOWN)
    assert one.text_en == (
        '"credit points must be at least 700 points": contradicts "credit points must be at most 600 points"'
    )
    assert one.text_zh == "「信用分须不低于700分」与「信用分须不高于600分」矛盾"


def test_reach_counts_the_screened_firms_over_all_partitions():
    terms = product(rules=[rule("profile.points", ">=", 600), rule(SALES, ">=", 100)])
    book = compile_book([product("OTHER-1"), terms], BY_NAME, SETTINGS)
    one = firms(4, points=[500, 700, 700, 500], sales_12_fen=[1.0, 1.0, 100.0, None])
    two = firms(2, points=[700, 700], sales_12_fen=[None, 200.0])
    told = reach(book, 1, [one, two])
    assert (told.firms, told.eligible, told.undetermined, told.ineligible) == (6, 2, 1, 3)
    assert told.failing_alone == (2, 2)


def test_reach_agrees_with_a_random_crowd():
    book = compile_book([product(rules=[GRADE_RULE, rule(SALES, ">=", 1e9)])], BY_NAME, SETTINGS)
    halves = reach(book, 0, [crowd(100, seed=2), crowd(50, seed=3)])
    assert halves.eligible + halves.undetermined + halves.ineligible == halves.firms == 150
    assert max(halves.failing_alone) <= halves.ineligible <= sum(halves.failing_alone)
