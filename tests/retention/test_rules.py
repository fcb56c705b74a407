"""What keeps a fact alive: living consents that fetched it within their data life, the widest of them."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.retention.rules import Hold, Holder, holds, is_over

pytestmark = pytest.mark.pure

NOW = datetime(2026, 8, 24, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def holder(*, live=True, since=date(2024, 8, 1), life=30, ago=1, categories=("tax",)):
    return Holder(uuid4(), live, since, timedelta(days=life), dict.fromkeys(categories, NOW - ago * DAY))


def test_the_widest_living_consent_counts():
    narrow, wide = holder(since=date(2026, 1, 1)), holder(since=date(2023, 1, 1), categories=("tax", "electricity"))
    assert holds([narrow, wide], NOW) == (Hold("electricity", date(2023, 1, 1)), Hold("tax", date(2023, 1, 1)))
    assert holds([narrow], NOW) == (Hold("tax", date(2026, 1, 1)),)


def test_a_dead_consent_and_one_past_its_data_life_hold_nothing():
    assert holds([holder(live=False), holder(life=30, ago=30)], NOW) == ()
    assert holds([holder(life=30, ago=29)], NOW) != ()


holders = st.builds(
    holder,
    live=st.booleans(),
    since=st.dates(date(2020, 1, 1), date(2026, 8, 1)),
    life=st.integers(1, 400),
    ago=st.integers(0, 400),
    categories=st.sets(st.sampled_from(["tax", "electricity", "social_security"])).map(tuple),
)


@given(st.lists(holders, max_size=5), holders)
def test_one_more_consent_never_shortens_a_life(others, one):
    before, after = holds(others, NOW), holds([*others, one], NOW)
    assert all(any(a.category == b.category and a.since <= b.since for a in after) for b in before)


def test_the_end_is_exclusive():
    assert is_over(NOW - DAY, DAY, NOW)
    assert not is_over(NOW - DAY + timedelta(microseconds=1), DAY, NOW)
