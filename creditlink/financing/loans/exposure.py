"""What a lender has out to firms, from what it reported of its own loans. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from creditlink.financing.loans.labels import ReportedFact, known_by
from creditlink.kit.clock import add_months


def outstanding_of(facts: Iterable[ReportedFact], as_of: date) -> int:
    """Return what is outstanding of one loan in fen, by what was known at the end of a day.

    It is what the last reported month ended with, and what was drawn after it; nothing once the loan is closed or
    written off.
    """
    known = [fact for fact in known_by(facts, as_of) if fact.about_on <= as_of]
    if any(fact.kind in ("closure", "write_off") for fact in known):
        return 0
    months = [fact for fact in known if fact.kind == "repayment"]
    last = max(months, key=lambda fact: fact.about_on, default=None)
    after = add_months(last.about_on, 1) if last else date.min
    return (last.amount_fen if last else 0) + sum(
        fact.amount_fen for fact in known if fact.kind == "draw" and fact.about_on >= after
    )
