"""How often an office may be asked: the rules, without a database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from creditlink.records.offices.budget import LONGEST_REST, Budget, CallLimits, refusal, rested, retry_after, take

pytestmark = pytest.mark.pure

NOW = datetime(2026, 8, 20, 3, 0, tzinfo=UTC)  # 11:00 in Shanghai
PATIENT = {"patience": timedelta(seconds=10), "rest_patience": timedelta(seconds=2)}


def turns(limits, times, budget=None, now=NOW, **patience):
    budget = budget or Budget.full(limits, now)
    found = []
    for at in times:
        turn = take(budget, limits, now + timedelta(seconds=at), **(PATIENT | patience))
        budget = turn.budget
        found.append(turn)
    return found


def test_a_burst_of_one_second_goes_out_and_then_one_by_one():
    waits = [turn.wait.total_seconds() for turn in turns(CallLimits(per_second=2), [0, 0, 0, 0])]
    assert waits == [0, 0, 0.5, 1.0]


def test_the_bucket_fills_again_and_no_further():
    waits = [turn.wait.total_seconds() for turn in turns(CallLimits(per_second=2), [0, 0, 0, 100, 100, 100])]
    assert waits == [0, 0, 0.5, 0, 0, 0.5]


def test_less_than_one_a_second():
    waits = [turn.wait.total_seconds() for turn in turns(CallLimits(per_second=0.5), [0, 0, 2])]
    assert waits == [0, 2, 2]


def test_whose_turn_would_come_too_late_takes_none():
    first, second, third, fourth = turns(CallLimits(per_second=0.2), [0, 0, 0, 0])
    assert [first.wait.total_seconds(), second.wait.total_seconds(), third.wait.total_seconds()] == [0, 5, 10]
    assert fourth.refused_until == NOW + timedelta(seconds=15)
    assert fourth.budget == third.budget
    assert "0.2 requests a second" in fourth.sentence


def test_a_day_of_shanghai_has_so_many_and_the_next_begins_anew():
    limits = CallLimits(per_day=2)
    until_midnight = 13 * 3600
    first, second, third, after = turns(limits, [0, 1, 2, until_midnight])
    assert [first.refused_until, second.refused_until, after.refused_until] == [None, None, None]
    assert third.refused_until == datetime(2026, 8, 20, 16, 0, tzinfo=UTC)
    assert "2 requests a day" in third.sentence
    assert (after.budget.day, after.budget.used) == (date(2026, 8, 21), 1)


def test_an_office_that_wants_a_rest_has_it():
    budget = rested(Budget.full(CallLimits(), NOW), NOW, 60)
    assert take(budget, CallLimits(), NOW, **PATIENT).refused_until == NOW + timedelta(seconds=60)
    assert refusal(budget, CallLimits(), NOW).refused_until == NOW + timedelta(seconds=60)
    assert "2026-08-20 03:01:00 UTC" in refusal(budget, CallLimits(), NOW).sentence
    assert refusal(budget, CallLimits(), NOW + timedelta(seconds=60)) is None


def test_a_short_rest_is_waited_for():
    budget = rested(Budget.full(CallLimits(), NOW), NOW, 1.5)
    assert take(budget, CallLimits(), NOW, **PATIENT).wait == timedelta(seconds=1.5)
    assert take(
        budget, CallLimits(), NOW, patience=timedelta(seconds=1), rest_patience=timedelta(seconds=2)
    ).refused_until


def test_a_shorter_wish_does_not_shorten_a_longer_one_and_none_lasts_beyond_a_day():
    budget = rested(rested(Budget.full(CallLimits(), NOW), NOW, 600), NOW, 5)
    assert budget.rest_until == NOW + timedelta(seconds=600)
    assert rested(budget, NOW, 10**9).rest_until == NOW + LONGEST_REST


def test_a_clock_that_goes_back_gives_nothing_away():
    limits = CallLimits(per_second=1)
    [turn] = turns(limits, [-3600], budget=replace(Budget.full(limits, NOW), tokens=0.0))
    assert turn.wait == timedelta(seconds=1)
    assert turn.budget.filled_at == NOW


def test_a_queue_of_a_moment_is_no_refusal():
    limits = CallLimits(per_second=1)
    assert refusal(replace(Budget.full(limits, NOW), tokens=-5.0), limits, NOW) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 3 ", 3),
        ("0", 0),
        ("99999999999999999999999", 86400),
        ("Thu, 20 Aug 2026 03:00:30 GMT", 30),
        ("Thu, 20 Aug 2026 02:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("１２", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value, seconds):
    assert retry_after(value, NOW) == seconds
