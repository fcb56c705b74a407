import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.products.rules import FAIL, PASS, UNKNOWN, RuleSet, check_rule, distinct, interval
from creditlink.engine.matching.products.subjects import Subjects, known_subjects
from creditlink.engine.matching.products.terms import Rule
from tests.engine.matching.samples import crowd, firms

pytestmark = pytest.mark.pure

KNOWN = known_subjects(BY_NAME)
NUMBER = "indicator.sales_growth_12"
finite = st.floats(-1e9, 1e9)


def outcome(rule, subjects):
    evaluation = RuleSet((rule,), KNOWN).evaluate(subjects)
    return int(evaluation.status[0, 0]), float(evaluation.gap[0, 0])


@pytest.mark.parametrize(
    ("operator", "limit", "value", "status", "gap"),
    [
        (">=", 0.5, 0.5, PASS, 0),
        (">=", 0.5, 0.25, FAIL, 0.25),
        (">", 0.5, 0.5, FAIL, 0),
        ("<=", 0.5, 0.75, FAIL, -0.25),
        ("<", 0.5, 0.5, FAIL, 0),
        ("<", 0.5, 0.25, PASS, 0),
        ("==", 0.0, 0.0, PASS, 0),
        ("==", 0.0, 1.0, FAIL, -1),
        ("between", (0.0, 1.0), 1.0, PASS, 0),
        ("between", (0.0, 1.0), -2.0, FAIL, 2),
        ("between", (0.0, 1.0), 1.5, FAIL, -0.5),
    ],
)
def test_numbers(operator, limit, value, status, gap):
    found = outcome(Rule(NUMBER, operator, limit), firms(sales_growth_12=[value]))
    assert found == (status, pytest.approx(gap))


@pytest.mark.parametrize(
    ("operator", "limit", "code", "status"),
    [
        ("in", ("C", "F51"), "C30", PASS),
        ("in", ("C", "F51"), "F52", FAIL),
        ("not_in", ("C", "F51"), "C30", FAIL),
        ("not_in", ("C", "F51"), "F52", PASS),
        ("==", "C30", "C30", PASS),
    ],
)
def test_industries_go_by_prefix(operator, limit, code, status):
    found, gap = outcome(Rule("registration.industry", operator, limit), firms(register={"industry": [code]}))
    assert found == status
    assert math.isnan(gap)


def test_entity_types_do_not_go_by_prefix():
    assert outcome(Rule("registration.entity_type", "in", ("comp",)), firms())[0] == FAIL


@pytest.mark.parametrize(("grade", "status", "gap"), [("A+", PASS, 0), ("C", PASS, 0), ("D", FAIL, 1), ("E", FAIL, 2)])
def test_grades_are_counted_in_steps(grade, status, gap):
    assert outcome(Rule("profile.grade", "at_least_grade", "C"), firms(grade=[grade])) == (status, gap)


def test_a_grade_out_of_a_list():
    rule = Rule("profile.grade", "in", ("A", "B"))
    assert outcome(rule, firms(grade=["B"]))[0] == PASS
    assert outcome(rule, firms(grade=["A+"]))[0] == FAIL


def test_missing_is_unknown_for_every_operator():
    rules = [
        Rule(NUMBER, operator, limit)
        for operator, limit in ((">=", 0.0), ("<=", 0.0), (">", 0.0), ("<", 0.0), ("==", 0.0), ("between", (0.0, 1.0)))
    ]
    rules += [Rule("registration.paid_in_capital_fen", ">=", 1.0), Rule("registration.region", "not_in", ("44",))]
    evaluation = RuleSet(tuple(rules), KNOWN).evaluate(firms(register={"region": [None]}))
    assert (evaluation.status == UNKNOWN).all()
    assert np.isnan(evaluation.gap).all()


def test_a_month_counts_when_it_is_whole():
    age = Rule("registration.age_months", "==", 71.0)  # 2020-01-20 to 2026-01-15
    assert outcome(age, firms())[0] == PASS


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Rule("indicator.shoe_size", ">=", 1.0), "subject"),
        (Rule("registration.name", "==", "x"), "subject"),
        (Rule("registration.industry", ">=", 1.0), "operator"),
        (Rule("profile.points", "in", ("600",)), "operator"),
        (Rule("profile.points", "==", "600"), "limit"),
        (Rule("registration.status", "==", 1.0), "limit"),
        (Rule("profile.grade", "in", ("A", "F")), "limit"),
    ],
)
def test_a_rule_that_makes_no_sense_is_told_by_its_field(rule, field):
    flaw = check_rule(rule, KNOWN)
    assert flaw is not None
    assert flaw.field == field


def test_an_unknown_indicator_is_named():
    assert str(check_rule(Rule("indicator.shoe_size", ">=", 1.0), KNOWN)) == (
        "field 'subject': value 'indicator.shoe_size': is not a known indicator"
    )


def test_equal_rules_are_one():
    one, two = Rule(NUMBER, ">=", 1.0), Rule(NUMBER, ">=", 2.0)
    rules, at = distinct([one, two, Rule(NUMBER, ">=", 1.0)])
    assert rules == (one, two)
    assert at.tolist() == [0, 1, 0]


@settings(deadline=None)
@given(
    st.sampled_from([">=", "<=", ">", "<", "==", "between"]),
    st.tuples(finite, finite).map(sorted),
    finite,
)
def test_moving_by_the_gap_passes(operator, bounds, value):
    limit = tuple(bounds) if operator == "between" else bounds[0]
    low, high = interval(Rule(NUMBER, operator, limit))
    one = Subjects(np.zeros(1, dtype=np.int32), {NUMBER: np.array([value])}, {})
    status, gap = outcome(Rule(NUMBER, operator, limit), one)
    assert (status == PASS) == (low <= value <= high)
    assert (gap == 0) == (status == PASS)
    if status == FAIL:
        moved = value + gap
        nearest = low if gap > 0 else high
        assert moved == pytest.approx(nearest, abs=1e-15 * max(abs(value), abs(nearest)))


def test_screening_sees_the_same_statuses_as_explaining():
    rules = (
        Rule(NUMBER, ">=", 0.5),
        Rule("profile.grade", "at_least_grade", "B"),
        Rule("profile.grade", "in", ("A",)),
        Rule("registration.industry", "in", ("C", "F")),
        Rule("registration.age_months", ">", 12.0),
    )
    rule_set = RuleSet(rules, KNOWN)
    subjects = crowd(500)
    assert np.array_equal(rule_set.statuses(subjects), rule_set.evaluate(subjects).status)
    assert set(np.unique(rule_set.statuses(subjects))) == {PASS, FAIL, UNKNOWN}
