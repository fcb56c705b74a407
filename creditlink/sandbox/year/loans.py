"""How a loan runs after its draw: what its lender reports month by month until it is over. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.kit.clock import add_months, day_of, month_start, start_of_day

BAD_DAYS = 90
WRITE_OFF_DAYS = 180
_REPORT_DAY = 3
"""A month is reported on the third day after its end."""
_LATE_BASE, _LATE_SLOPE = 0.03, 0.6
_CORRECTED = 0.02
_MOST_LATE = 29
_MONTHS_AFTER = 9  # after its term an unpaid loan is reported until it is written off


@dataclass(frozen=True, slots=True)
class Report:
    """One thing that a lender reports, and when."""

    at: datetime
    outcome: LoanOutcome


def run(
    *,
    drawn_on: date,
    amount_fen: int,
    term_months: int,
    amortises: bool,
    hazard_12m: float,
    default_on: date | None,
    until: date,
    rng: np.random.Generator,
) -> Iterator[Report]:
    """Yield what is reported of a loan after its draw, in order, up to but not including `until`.

    `default_on` is the day on which the firm truly goes bad: 90 days past due. Its arrears begin 90 days before, or
    with the loan's first instalment where that is later: no loan is later than its first instalment is old. Firms that
    do not go bad are late for less than a month now and then, the riskier ones more often.
    """
    late_since = None
    if default_on is not None:
        late_since = max(default_on - timedelta(days=BAD_DAYS), add_months(drawn_on, 1))
        if late_since >= add_months(drawn_on, term_months):
            late_since = None  # repaid before
    for k in range(1, term_months + (1 if late_since is None else _MONTHS_AFTER)):
        month = add_months(month_start(drawn_on), k)
        ended = add_months(month, 1)
        reported_at = start_of_day(ended + timedelta(days=_REPORT_DAY - 1)) + timedelta(hours=9)
        chance, by_chance, corrected = rng.random(), int(rng.integers(2, _MOST_LATE)), rng.random()
        if day_of(reported_at) >= until:
            return
        late = 0 if chance >= _LATE_BASE + _LATE_SLOPE * hazard_12m else by_chance
        if late_since is not None and ended > late_since:
            late = max((ended - late_since).days, 0)
        left = _outstanding(amount_fen, term_months, k, amortises=amortises, late_since=late_since, drawn_on=drawn_on)
        if late >= WRITE_OFF_DAYS:
            yield Report(reported_at, LoanOutcome("repayment", month, left, late))
            yield Report(reported_at + timedelta(hours=1), LoanOutcome("write_off", ended, left))
            return
        if corrected < _CORRECTED and late == by_chance:
            # First reported as paid in time, corrected 20 days later: both stay, each with its own clock.
            yield Report(reported_at, LoanOutcome("repayment", month, left, 0))
            later = reported_at + timedelta(days=20)
            if day_of(later) < until:
                yield Report(later, LoanOutcome("repayment", month, left, late))
        else:
            yield Report(reported_at, LoanOutcome("repayment", month, left, late))
        closed_at = reported_at + timedelta(days=21)
        if k == term_months and late_since is None and day_of(closed_at) < until:
            yield Report(closed_at, LoanOutcome("closure", ended, 0))


def _outstanding(
    amount_fen: int, term_months: int, k: int, *, amortises: bool, late_since: date | None, drawn_on: date
) -> int:
    """Return the principal outstanding after `k` instalments; nothing is repaid once a firm has stopped paying."""
    paid = k
    if late_since is not None:
        unpaid_from = (late_since.year - drawn_on.year) * 12 + late_since.month - drawn_on.month
        paid = min(k, max(unpaid_from - 1, 0), term_months - 1)
    if not amortises:
        return amount_fen if paid < term_months else 0
    return amount_fen * (term_months - paid) // term_months
