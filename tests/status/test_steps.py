"""What counts of answers say."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.status.steps import BOUNDS, STEPS, AnswerTally, bucket_of, median, state_of, step_of, worst_of

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("answers", "good", "state"),
    [(0, 0, "unknown"), (100, 100, "up"), (100, 99, "up"), (100, 98, "degraded"), (2, 1, "degraded"), (3, 1, "down")],
)
def test_states_follow_the_share_of_good_answers(answers, good, state):
    assert state_of(AnswerTally(answers, good, None)) == state


def test_the_worst_counts_and_the_unknown_does_not():
    assert worst_of(["up", "unknown", "degraded"]) == "degraded"
    assert worst_of(["unknown"]) == "unknown"
    assert worst_of(["up", "unknown"]) == "up"


@given(st.lists(st.floats(0.0001, 29.9), min_size=1, max_size=50))
def test_the_median_lies_in_the_bucket_of_the_true_one(seconds):
    counts = {}
    for value in seconds:
        counts[bucket_of(value)] = counts.get(bucket_of(value), 0) + 1
    bucket = bucket_of(statistics.median_low(seconds))
    low = BOUNDS[bucket - 1] if bucket else 0.0
    assert low <= median(counts) <= BOUNDS[bucket]


def test_times_without_bound_and_none_at_all():
    assert median({}) is None
    assert median({len(BOUNDS): 3}) == BOUNDS[-1]


@pytest.mark.parametrize(
    ("route", "step"),
    [
        ("/portal/authorize/<handle>", "consent_page"),
        ("/oauth/token", "token"),
        ("/v1/profiles/<profile_id>", "profile"),
        ("/v1/products", None),
        ("(none)", None),
    ],
)
def test_routes_belong_to_steps(route, step):
    assert step_of(route) == step
    assert step is None or step in STEPS
