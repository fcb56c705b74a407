"""How a firm stands when it asks: what else it asks for, what it owes by loans of this platform, whether it ever did.

Read in the firm's own transaction: row-level security shows it all of its own, whichever lender it is with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.engine.capacity.debt import LoanHeld
from creditlink.financing.applications.states import FINAL, LENT, UNANSWERED
from creditlink.financing.loans.holdings import loans_held
from creditlink.financing.requests.papers import receivables
from creditlink.financing.requests.warnings import warnings_for
from creditlink.financing.tables import Application, FinancingRequest


@dataclass(frozen=True)
class OtherRequests:
    """A firm's other requests that are open: how many, and what they ask for in all."""

    count: int
    amount_fen: int


def others_of(session: Session, request: FinancingRequest) -> OtherRequests:
    """Return the firm's other open requests that at least one lender knows of.

    One that nobody was asked yet is a draft; one that was accepted and not drawn yet will be a debt.
    """
    live = select(Application.request_id).where(
        Application.enterprise_id == request.enterprise_id, Application.state.not_in(sorted(FINAL | LENT))
    )
    query = select(FinancingRequest.amount_fen).where(
        FinancingRequest.enterprise_id == request.enterprise_id,
        FinancingRequest.id != request.id,
        FinancingRequest.id.in_(live),
    )
    amounts = list(session.scalars(query))
    return OtherRequests(len(amounts), sum(amounts))


def had_no_loan(session: Session, enterprise_id: UUID) -> bool:
    """Return whether no lender here ever paid out a loan to a firm."""
    lent = select(Application.id).where(Application.enterprise_id == enterprise_id, Application.state.in_(sorted(LENT)))
    return session.scalar(lent.limit(1)) is None


def loans_of_all(session: Session, enterprise_id: UUID, as_of: date) -> list[LoanHeld]:
    """Return what a firm owes all lenders of this platform: for its own eyes."""
    lenders = select(Application.institution_id).where(
        Application.enterprise_id == enterprise_id, Application.state.in_(sorted(LENT))
    )
    found: list[LoanHeld] = []
    for institution_id in sorted(set(session.scalars(lenders))):
        found += loans_held(session, enterprise_id, institution_id, as_of)
    return found


def warnings_of(session: Session, request: FinancingRequest, *, bearable_fen: int | None) -> list[str]:
    """Return what a firm is warned of about a request, as it is now."""
    others = others_of(session, request)
    return warnings_for(
        request.amount_fen,
        bearable_fen=bearable_fen,
        others_fen=others.amount_fen,
        others=others.count,
        receivable_twice=any(one.own for one in receivables.offered(session, request.id)),
    )


def tell_lenders(session: Session, applications: Sequence[Application], warnings: Sequence[str]) -> None:
    """Have the lenders that have not answered yet read the warnings of today."""
    for one in applications:
        if one.state in UNANSWERED and list(one.warnings) != list(warnings):
            one.warnings = list(warnings)
    session.flush()
