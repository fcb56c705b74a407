"""The rows that count on a day are those of `as_known`, whatever corrections and futures the frame holds."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.engine.facts.frames import FRAME_KEYS, as_known, empty
from creditlink.engine.facts.known_places import known_places
from tests.engine.features.builders import AS_OF, economy, frame

pytestmark = pytest.mark.pure

ECONOMY = economy(12)
FRAMES = sorted(set(FRAME_KEYS) - {"registration"})


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("as_of", [AS_OF, date(2025, 6, 30), date(2020, 1, 1)])
def test_agrees_with_the_query_on_every_frame(name, as_of):
    rows = ECONOMY.frame(name)
    keys = [*FRAME_KEYS[name], "known_on"]
    found = rows[known_places(rows, name, as_of)].sort(keys)
    assert found.equals(as_known(rows, name, as_of).sort(keys))


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.none() | st.integers(0, 10**6)),
        max_size=12,
        unique_by=lambda r: r[:2],
    ),
    st.integers(-1, 9),
)
def test_of_corrections_the_last_known_by_the_day_counts(rows, day):
    start = date(2026, 1, 1)
    made = frame(
        "payroll_months",
        [
            {"firm": 0, "period": date(2025, 1 + month, 1), "known_on": start + timedelta(days=known), "paid_fen": fen}
            for month, known, fen in rows
        ],
    )
    as_of = start + timedelta(days=day)
    found = made[known_places(made, "payroll_months", as_of)].sort("period")
    assert found.equals(as_known(made, "payroll_months", as_of).sort("period"))


def test_an_empty_frame_has_none_and_a_row_that_nobody_knew_does_not_count():
    assert known_places(empty("meter_months"), "meter_months", AS_OF) == []
    unknown = frame("payroll_months", [{"firm": 0, "period": date(2025, 1, 1), "known_on": None}])
    assert known_places(unknown, "payroll_months", AS_OF) == []
