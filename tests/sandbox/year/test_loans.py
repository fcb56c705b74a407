"""A loan's course follows the firm's truth, and tells nothing impossible."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.kit.clock import add_months, day_of
from creditlink.sandbox.year.loans import BAD_DAYS, WRITE_OFF_DAYS, run

pytestmark = pytest.mark.pure

DRAWN = date(2025, 3, 17)


def course(*, default_on=None, term=12, hazard=0.02, until=date(2030, 1, 1), seed=1, amortises=True):
    return list(
        run(
            drawn_on=DRAWN, amount_fen=120_000_000, term_months=term, amortises=amortises, hazard_12m=hazard,
            default_on=default_on, until=until, rng=np.random.default_rng(seed),
        )
    )  # fmt: skip


def test_a_good_loan_is_repaid_and_closed():
    told = course()
    assert [one.outcome.kind for one in told][-1] == "closure"
    assert told[-2].outcome.amount_fen == 0
    assert all((one.outcome.days_past_due or 0) < 30 for one in told)


def test_a_bad_one_is_ninety_days_late_by_its_default_and_written_off_later():
    default_on = date(2025, 9, 20)
    told = [one.outcome for one in course(default_on=default_on)]
    late = {one.about_on: one.days_past_due for one in told if one.kind == "repayment"}
    assert late[date(2025, 8, 1)] < BAD_DAYS <= late[date(2025, 9, 1)]
    assert told[-1].kind == "write_off"
    assert max(late.values()) >= WRITE_OFF_DAYS
    assert told[-1].amount_fen > 0


def test_no_loan_is_later_than_its_first_instalment_is_old():
    late = [one.outcome for one in course(default_on=date(2025, 3, 20)) if one.outcome.kind == "repayment"]
    for one in late:
        assert one.days_past_due <= max((add_months(one.about_on, 1) - add_months(DRAWN, 1)).days, 29)


def test_a_firm_that_goes_bad_after_the_term_has_repaid():
    assert course(default_on=date(2027, 1, 1))[-1].outcome.kind == "closure"


def test_a_bullet_is_outstanding_in_full_until_its_end():
    told = [one.outcome for one in course(amortises=False) if one.outcome.kind == "repayment"]
    assert {one.amount_fen for one in told[:-1]} == {120_000_000}
    assert told[-1].amount_fen == 0


def test_some_months_are_put_right_later():
    told = [one for seed in range(60) for one in course(hazard=0.9, seed=seed)]
    assert len({(one.outcome.about_on, one.at) for one in told}) > len({one.outcome.about_on for one in told})
    corrected = [
        (a, b)
        for seed in range(60)
        for a, b in zip(course(hazard=0.9, seed=seed), course(hazard=0.9, seed=seed)[1:], strict=False)
        if (a.outcome.kind, a.outcome.about_on) == (b.outcome.kind, b.outcome.about_on)
    ]
    assert corrected
    assert all(a.at < b.at and a.outcome.days_past_due < b.outcome.days_past_due for a, b in corrected)


@given(
    st.one_of(st.none(), st.dates(date(2025, 3, 18), date(2027, 12, 31))), st.integers(1, 36), st.integers(0, 99),
    st.dates(date(2025, 4, 1), date(2028, 12, 31)), st.booleans(),
)  # fmt: skip
@settings(max_examples=80)
def test_everything_told_is_in_order_in_the_past_and_before_the_end(default_on, term, seed, until, amortises):
    told = course(default_on=default_on, term=term, seed=seed, until=until, amortises=amortises)
    assert all(day_of(one.at) < until and one.outcome.about_on <= day_of(one.at) for one in told)
    assert sum(one.outcome.kind in ("closure", "write_off") for one in told) <= 1
    months = [one.outcome.about_on for one in told if one.outcome.kind == "repayment"]
    assert months == sorted(months)
    assert all(0 <= one.outcome.amount_fen <= 120_000_000 for one in told)
