"""What a firm owes an institution by the loans of this platform, as it was known on a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.engine.capacity.debt import LoanHeld
from creditlink.financing.applications import applications, states
from creditlink.financing.loans.labels import ReportedFact, known_by
from creditlink.financing.tables import Application, LoanFact
from creditlink.kit.clock import add_months


def loans_held(session: Session, enterprise_id: UUID, institution_id: UUID, as_of: date) -> list[LoanHeld]:
    """Return the loans of one institution that the firm had not repaid on a day, oldest application first.

    Row-level security shows an institution its own loans only, whatever is asked for.
    """
    query = select(Application).where(
        Application.enterprise_id == enterprise_id,
        Application.institution_id == institution_id,
        Application.state.in_(sorted(states.LENT)),
    )
    lent = list(session.scalars(query.order_by(Application.made_at, Application.id)))
    if not lent:
        return []
    offers = applications.latest_offers(session, lent)
    facts: dict[UUID, list[ReportedFact]] = {one.id: [] for one in lent}
    for row in session.scalars(select(LoanFact).where(LoanFact.application_id.in_(facts)).order_by(LoanFact.id)):
        facts[row.application_id].append(
            ReportedFact(row.kind, row.about_on, row.days_past_due, row.amount_fen, row.reference, row.known_at)
        )
    held = []
    for one in lent:
        terms = offers[one.id].terms
        owed = outstanding(facts[one.id], term_months=terms["term_months"], as_of=as_of)
        if owed is not None:
            fen, months_left = owed
            held.append(
                LoanHeld(
                    application=one.wire_id,
                    outstanding_fen=fen,
                    rate_bps=terms["rate_bps"],
                    months_left=months_left,
                    repayment=terms["repayment"],
                )
            )
    return held


def outstanding(facts: Iterable[ReportedFact], *, term_months: int, as_of: date) -> tuple[int, int] | None:
    """Return what is owed of a loan on a day, in fen, and the months of its term that are left; None: nothing is.

    The newest month's report counts, and what was drawn after that month. What was written off is still owed, and at
    once.
    """
    known = [one for one in known_by(facts, as_of) if one.about_on <= as_of]
    draws = [one for one in known if one.kind == "draw" and one.amount_fen > 0]
    if not draws or any(one.kind == "closure" for one in known):
        return None
    lost = [one for one in known if one.kind == "write_off"]
    if lost:
        fen = max(lost, key=lambda one: one.about_on).amount_fen
        return (fen, 0) if fen else None
    reports = [one for one in known if one.kind == "repayment"]
    last = max(reports, key=lambda one: one.about_on, default=None)
    since = date.min if last is None else add_months(last.about_on, 1)
    fen = (0 if last is None else last.amount_fen) + sum(one.amount_fen for one in draws if one.about_on >= since)
    if not fen:
        return None
    end = add_months(min(one.about_on for one in draws), term_months)
    months = (end.year - as_of.year) * 12 + end.month - as_of.month + (end.day > as_of.day)
    return fen, max(months, 0)
