"""What an amendment changes, and whether it is more."""

import pytest

from creditlink.consents.agreement.difference import difference

pytestmark = pytest.mark.pure

BEFORE = {
    "categories": ["tax"],
    "actions": ["profile"],
    "purpose": "underwriting",
    "access": "once",
    "history_months": 24,
    "valid_until": "2026-09-01T00:00:00Z",
    "data_life_days": 30,
    "pulls_per_month": 2,
    "pulls_per_day": 1,
}


def test_the_same_differs_in_nothing():
    assert difference(BEFORE, dict(BEFORE)) == []


@pytest.mark.parametrize(
    ("change", "wider"),
    [
        ({"categories": ["tax", "electricity"]}, True),
        ({"categories": ["electricity"]}, True),
        ({"actions": ["profile", "report"]}, True),
        ({"purpose": "monitoring"}, True),
        ({"history_months": 36}, True),
        ({"history_months": 12}, False),
        ({"valid_until": "2026-10-01T00:00:00Z"}, True),
        ({"valid_until": "2026-08-30T00:00:00Z"}, False),
        ({"pulls_per_day": None}, True),
        ({"pulls_per_month": 1}, False),
    ],
)
def test_each_change_says_whether_it_is_more(change, wider):
    (found,) = difference(BEFORE, BEFORE | change)
    assert (found.attribute, found.is_wider) == (next(iter(change)), wider)


def test_a_limit_where_there_was_none_is_less():
    (found,) = difference({**BEFORE, "pulls_per_day": None}, BEFORE)
    assert not found.is_wider
