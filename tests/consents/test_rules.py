"""When a consent is alive, what it covers, which windows count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.consents.life.rules import (
    STATES,
    TRANSITIONS,
    ConsentTerms,
    ReadRequest,
    dead_reason,
    may_change,
    refusal,
    window_key,
    windows,
)
from tests.factories import NOW

pytestmark = pytest.mark.pure

BANK = uuid4()
TERMS = ConsentTerms(
    consent_id=uuid4(),
    institution_id=BANK,
    enterprise_id=uuid4(),
    state="ACTIVE",
    categories=frozenset({"tax", "electricity"}),
    actions=frozenset({"profile"}),
    purpose="underwriting",
    access="once",
    history_months=24,
    starts_at=NOW - timedelta(days=1),
    expires_at=NOW + timedelta(days=1),
    pulls_per_month=3,
    pulls_per_day=None,
)
ASK = ReadRequest(BANK, "profile", frozenset({"tax"}))


def reason(terms=TERMS, ask=ASK, now=NOW):
    found = refusal(terms, ask, now)
    return found.reason if found else None


def test_a_live_consent_covers_what_it_grants():
    assert reason() is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": "REVOKED"}, "revoked"),
        ({"state": "PAUSED"}, "paused"),
        ({"state": "REJECTED"}, "rejected"),
        ({"state": "EXPIRED"}, "expired"),
        ({"state": "EXHAUSTED"}, "exhausted"),
        ({"state": "REQUESTED"}, "not_active"),
        ({"starts_at": NOW + timedelta(seconds=1)}, "not_active"),
        ({"starts_at": None}, "not_active"),
        ({"institution_id": uuid4()}, "wrong_institution"),
        ({"institution_active": False}, "institution_suspended"),
        ({"categories": frozenset({"electricity"})}, "category_not_granted:tax"),
        ({"actions": frozenset({"match"})}, "action_not_granted:profile"),
    ],
)
def test_each_missing_condition_has_its_word(change, why):
    assert reason(replace(TERMS, **change)) == why


def test_expiry_is_exact_to_the_microsecond():
    end = TERMS.expires_at
    assert reason(now=end - timedelta(microseconds=1)) is None
    assert reason(now=end) == "expired"
    assert reason(replace(TERMS, state="PAUSED"), now=end) == "expired"


def test_a_stranger_learns_nothing_of_the_state():
    for state in STATES:
        assert reason(replace(TERMS, state=state), ReadRequest(uuid4(), "profile")) == "wrong_institution"


@given(st.sampled_from(STATES), st.timedeltas(timedelta(days=-3), timedelta(days=3)))
def test_only_an_active_consent_in_its_time_opens_anything(state, offset):
    terms = replace(TERMS, state=state)
    alive = state == "ACTIVE" and TERMS.starts_at <= NOW + offset < TERMS.expires_at
    assert (dead_reason(terms, NOW + offset) is None) == alive


def test_no_state_leads_back_to_a_request_and_ends_are_ends():
    assert set(TRANSITIONS) == set(STATES)
    for state in ("REJECTED", "REVOKED", "EXPIRED", "EXHAUSTED"):
        assert not any(may_change(state, to) for to in STATES)
    assert not any(may_change(state, "REQUESTED") for state in STATES)


@pytest.mark.parametrize(
    ("instant", "month", "day"),
    [
        (datetime(2026, 7, 31, 15, 59, 59, tzinfo=UTC), "2026-07", "2026-07-31"),
        (datetime(2026, 7, 31, 16, 0, 0, tzinfo=UTC), "2026-08", "2026-08-01"),
        (datetime(2026, 12, 31, 16, 0, 0, tzinfo=UTC), "2027-01", "2027-01-01"),
        # 1986-1991 had daylight saving in China: the calendar day is still the local one.
        (datetime(1990, 7, 31, 15, 30, tzinfo=UTC), "1990-08", "1990-08-01"),
    ],
)
def test_windows_turn_at_midnight_in_shanghai(instant, month, day):
    assert (window_key("month", instant), window_key("day", instant)) == (month, day)
    assert window_key("total", instant) == "total"


def test_what_is_counted():
    assert windows(TERMS) == (("total", 3),)
    assert windows(replace(TERMS, access="recurring", pulls_per_day=1)) == (("month", 3), ("day", 1))
