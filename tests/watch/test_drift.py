"""Indices that can be worked out by hand, and how often chance alone cries wolf."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.engine.scoring.measures import smoothed_shares, stability_index
from creditlink.watch.rules.acts import cause_of
from creditlink.watch.rules.drift import DriftFinding, DriftThresholds, judge, worst
from creditlink.watch.rules.outcomes import held_against
from creditlink.watch.rules.segments import parts_of
from creditlink.watch.rules.settings import parse
from tests.watch.rules import RULES, TABLE

pytestmark = pytest.mark.pure
EVEN = np.full(10, 0.1)


def judged(counts, expected=EVEN, *, firms=None, reference=100_000, thresholds=None):
    firms = sum(counts) if firms is None else firms
    return judge(counts, expected, firms=firms, reference_firms=reference, thresholds=thresholds or DriftThresholds())


def test_the_index_is_that_of_the_shares():
    counts = [150, 150, 100, 100, 100, 100, 100, 100, 50, 50]
    found = judged(counts)
    shares = np.array(counts) / 1000
    assert found.index == pytest.approx(np.sum((shares - EVEN) * np.log(shares / EVEN)), rel=0.02)
    assert found.level == "moved"
    assert judged([500, *[50] * 8, 100]).level == "shifted"
    assert judged([100] * 10).level == "stable"


def test_few_firms_say_nothing_however_far_they_are_away():
    assert judged([30] + [0] * 9).level == "few"
    # One firm that is profiled every day is one firm.
    assert judged([3000] + [0] * 9, firms=1).level == "few"
    assert judged([3000] + [0] * 9, firms=3000).level == "shifted"
    assert judged([300] * 10, reference=20).level == "few"


def test_what_chance_could_have_made_is_not_a_level():
    counts = [14, 6, 5, 9, 12, 4, 9, 11, 6, 4]  # 80 firms, an index above 0.10
    found = judged(counts)
    assert found.index > 0.10
    assert found.limit > 0.25
    assert found.level == "few"
    assert judged([one * 100 for one in counts]).level == "moved"


def test_chance_alone_exceeds_the_limit_as_often_as_was_set():
    rng = np.random.default_rng(5)
    thresholds = DriftThresholds(false_alarms=0.01)
    shares = np.array([0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01])
    for firms, reference in ((300, 100_000), (1000, 1000)):
        beyond = 0
        for _ in range(2000):
            measured = smoothed_shares(rng.multinomial(reference, shares))
            found = judged(
                rng.multinomial(firms, shares).tolist(), measured, reference=reference, thresholds=thresholds
            )
            beyond += found.index > found.limit
        assert 0.002 < beyond / 2000 < 0.025


def test_bins_that_hardly_anybody_is_expected_in_are_joined():
    rare = np.array([0.5, 0.499, 0.001])
    found = judged([500, 495, 5], rare)  # five where one was expected
    assert found.index < 0.01
    assert judged([500, 500], np.array([1.0, 0.0])).level == "few"  # one bin is left


def test_bins_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="3 bins were counted and 10 expected"):
        judged([1, 2, 3])


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12))
def test_the_index_is_never_negative_and_nothing_at_home(counts):
    shares = smoothed_shares(counts)
    assert stability_index(shares, shares) == 0.0
    assert stability_index(smoothed_shares(counts[::-1]), shares) >= 0.0


def test_the_longest_of_the_windows_that_say_most():
    calm, loud = DriftFinding(100, 0.0, 0.1, "stable"), DriftFinding(100, 0.5, 0.1, "shifted")
    assert worst([(1, loud), (7, loud), (30, calm)]) == (7, loud)


def finding(level, index=0.3):
    return DriftFinding(1000, index, 0.05, level)


@pytest.mark.parametrize(
    ("findings", "contradicted", "act", "strongest"),
    [
        ({}, [], None, None),
        ({"points": finding("stable"), "a": finding("few")}, [], None, None),
        ({"points": finding("moved")}, [], "alert", "points"),
        ({"points": finding("shifted")}, [], "fall_back", "points"),
        ({"a": finding("shifted"), "b": finding("shifted")}, [], "alert", "a"),
        ({name: finding("shifted", 0.3 + place) for place, name in enumerate("abc")}, [], "freeze", "c"),
        ({name: finding("shifted") for name in "abx"}, [], "alert", "a"),  # x changes no score
        ({"points@region:4406": finding("shifted")}, [], "alert", "points@region:4406"),
        ({"coverage.tax": finding("shifted")}, [], "alert", "coverage.tax"),
        ({"points": finding("shifted"), **{name: finding("shifted") for name in "abc"}}, [], "fall_back", "points"),
        ({}, ["calibration"], "freeze", "calibration"),
    ],
)
def test_what_is_done(findings, contradicted, act, strongest):
    cause = cause_of(findings, used={"a", "b", "c"}, contradicted=contradicted, settings=RULES)
    assert (cause and cause.act) == act
    if cause is not None:
        assert cause.series[0] == strongest


def test_outcomes_contradict_by_more_than_chance_alone():
    pds = np.full(1000, 0.02)
    assert not held_against(pds, np.arange(1000) < 24).contradicts
    found = held_against(pds, np.arange(1000) < 45)
    assert found.contradicts
    assert found.z == pytest.approx((45 - 20) / np.sqrt(1000 * 0.02 * 0.98))
    assert held_against(pds, np.arange(1000) < 5).auc is None
    assert held_against([], []).loans == 0
    ranked = held_against(np.linspace(0.01, 0.2, 100), np.arange(100) >= 80)
    assert ranked.auc == 1.0


def test_parts_of_a_firm_are_what_the_register_says():
    row = {"industry": "C30", "region": "440604", "entity_type": "company"}
    assert parts_of(row) == ("industry:C", "region:4406", "entity_type:company")
    assert parts_of({"industry": None, "region": "", "entity_type": "sole_trader"}) == ("entity_type:sole_trader",)


@pytest.mark.parametrize(
    ("table", "change", "told"),
    [
        (None, {"version": 2}, "version: 1 is expected, got 2"),
        (None, {"more": 1}, "more: there is no such setting"),
        (None, {"keep_days": 1}, "keep_days: a whole number from 400"),
        (None, {"acts": 5}, "acts: a table is expected, got 5"),
        ("drift", {"moved": "0.1"}, "drift.moved: a number above 0"),
        ("drift", {"moved": True}, "drift.moved"),
        ("drift", {"moved": float("nan")}, "drift.moved"),
        ("drift", {"moved": 0.3}, "drift.shifted: 0.25 must be above"),
        ("drift", {"false_alarms": 0}, "drift.false_alarms"),
        ("drift", {"windows_days": []}, "drift.windows_days"),
        ("drift", {"windows_days": [1, True]}, "drift.windows_days"),
        ("drift", {"windows_days": [90]}, "drift.windows_days"),
        ("drift", {"fewset": 50}, "drift.fewset: there is no such setting"),
        ("reference", {"baseline_firms": 10}, "reference.baseline_firms: a whole number from 50"),
        ("acts", {"score": "panic"}, "acts.score: one of alert, freeze, fall_back is expected, got 'panic'"),
        ("acts", {"fall_back_model": None}, "acts.fall_back_model"),
    ],
)
def test_a_wrong_setting_is_named(table, change, told):
    wrong = TABLE | (change if table is None else {table: TABLE[table] | change})
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        parse(wrong)
