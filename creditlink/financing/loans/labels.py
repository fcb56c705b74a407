"""Outcomes as labels: good or bad within a horizon, as far as it was known on a day. Pure.

The event is that of the model: 90 days past due, or written off, within the horizon after the day that the indicators
speak of (domain: 12 months). Two clocks: what a lender reported later than the cut does not count, and a correction
only from the day it was known. What cannot be judged yet is left out by name, the bad ones too: a loan that went bad
early must not count while its good neighbours still wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from creditlink.kit.clock import add_months, start_of_day

BAD_DAYS = 90
HORIZON_MONTHS = (1, 60)

Label = Literal["good", "bad", "immature", "unreported", "not_drawn"]

LABELS: dict[str, str] = {
    "good": "repaid as agreed, or late by less than 90 days, through the horizon",
    "bad": "90 days late or written off within the horizon",
    "immature": "the horizon ends after the cut",
    "unreported": "the lender has not told how the horizon ended: no report of its last month, no closure",
    "not_drawn": "no draw within the horizon is known",
}
GAPS = {
    "no_record": "no decision is on record: none was made before the answer, or the record's time is over",
    "withdrawn": "the firm withdrew its consent or asked for deletion: what stays sealed teaches nobody",
    "declined": "the lender declined: what would have become of the loan is not known",
    "not_taken": "an offer that led to no loan",
    "no_records": "the city knows no such firm",
}
"""Why an answered application has no outcome to learn from."""


@dataclass(frozen=True, slots=True)
class ReportedFact:
    """One fact of a loan: the day it is about, and when it was known; `key` is what a correction shares."""

    kind: str  # draw | repayment | closure | write_off
    about_on: date  # of a repayment: the first day of its month
    days_past_due: int | None
    amount_fen: int
    reference: str
    known_at: datetime

    @property
    def key(self) -> tuple[str, date, str]:
        """What identifies the fact: of one key, the fact known last counts."""
        return self.kind, self.about_on, self.reference


def known_by(facts: Iterable[ReportedFact], cut: date) -> list[ReportedFact]:
    """Return what was known at the end of the day `cut` (Asia/Shanghai): without later facts and corrections."""
    end = start_of_day(cut + timedelta(days=1))
    last: dict[tuple[str, date, str], ReportedFact] = {}
    for fact in sorted((one for one in facts if one.known_at < end), key=lambda one: one.known_at):
        last[fact.key] = fact
    return list(last.values())


def label_of(facts: Iterable[ReportedFact], *, as_of: date, horizon_months: int, cut: date) -> Label:
    """Return what a loan counts as.

    Parameters
    ----------
    facts : everything ever reported of the loan.
    as_of : the day that its indicators speak of; the horizon is the months after it.
    cut : the day whose knowledge counts.
    """
    end = add_months(as_of, horizon_months)
    if end > cut:
        return "immature"
    known = known_by(facts, cut)
    if not any(one.kind == "draw" and one.amount_fen > 0 and one.about_on <= end for one in known):
        return "not_drawn"
    within = [one for one in known if _last_day(one) <= end]
    if any(one.kind == "write_off" or (one.days_past_due or 0) >= BAD_DAYS for one in within):
        return "bad"
    # The last whole month before the end, or anything that ends the loan, must have been reported.
    last_month = add_months(end + timedelta(days=1), -1).replace(day=1)
    through = any(
        one.kind in ("closure", "write_off") or (one.kind == "repayment" and one.about_on >= last_month)
        for one in known
    )
    return "good" if through else "unreported"


def _last_day(fact: ReportedFact) -> date:
    return add_months(fact.about_on, 1) - timedelta(days=1) if fact.kind == "repayment" else fact.about_on
