"""What became of a loan, as its lender reports it: draws, repayment by month, closure, write-off, corrections."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from creditlink.financing.applications import applications, states
from creditlink.financing.applications.applications import StepRefused
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.financing.tables import Application, LoanFact
from creditlink.kit.clock import EARLIEST_YEAR, day_of
from creditlink.kit.errors import Conflict, InvalidRequest

EVENT_OF = {"draw": "draw", "repayment": "report", "closure": "close", "write_off": "write_off"}


Drawn = dict[UUID, int]
"""What was drawn of each application, in fen, as one transaction that holds its row has counted it."""


def record(
    session: Session, held: Application, told: LoanOutcome, *, actor: str, now: datetime, drawn: Drawn | None = None
) -> bool:
    """Record one outcome of an application that the caller has locked; return whether it was new.

    The same outcome again changes nothing. A different one under the same key (kind, day, reference) is a
    correction: a further row, known later, that leaves the state as it is. `drawn` spares whoever records many
    outcomes in one transaction to count the draws before each.

    Raises
    ------
    StepRefused
        The application's state allows no such outcome.
    Conflict
        More is drawn than the accepted offer promised.
    InvalidRequest
        The day lies in the future, or in a year before any loan.
    """
    if told.about_on.year < EARLIEST_YEAR:
        raise InvalidRequest(errors=[{"pointer": "/on", "detail": f"is before {EARLIEST_YEAR}, got {told.about_on}"}])
    if told.about_on > day_of(now):
        raise InvalidRequest(errors=[{"pointer": "/on", "detail": f"lies in the future, got {told.about_on}"}])
    earlier = _latest(session, held, told)
    if earlier is not None and (earlier.amount_fen, earlier.days_past_due) == (told.amount_fen, told.days_past_due):
        return False
    if held.state not in states.ACCEPTED:
        may = list(states.allowed(held.state, "bank"))
        raise StepRefused(
            f"{told.kind}: the application is {held.state}: nothing was lent", state=held.state, allowed=may
        )
    drawn = {} if drawn is None else drawn
    if told.kind == "draw":
        _check_room(session, held, told, earlier, drawn)
    if earlier is None:
        applications.step(
            session,
            held,
            EVENT_OF[told.kind],
            role="bank",
            actor=actor,
            now=now,
            detail={"on": told.about_on.isoformat(), "reference": told.reference},
            is_new=True,  # no fact has this kind, day and reference yet
        )
    elif now <= earlier.known_at:
        raise Conflict("a correction must be known later than what it corrects", reason="clock")
    session.add(
        LoanFact(
            application_id=held.id,
            enterprise_id=held.enterprise_id,
            institution_id=held.institution_id,
            kind=told.kind,
            about_on=told.about_on,
            reference=told.reference,
            amount_fen=told.amount_fen,
            days_past_due=told.days_past_due,
            known_at=now,
            reported_by=actor,
        )
    )
    session.flush()
    if told.kind == "draw" and held.id in drawn:
        drawn[held.id] += told.amount_fen - (earlier.amount_fen if earlier is not None else 0)
    return True


def facts_of(session: Session, held: Application, *, known_at: datetime | None = None) -> list[LoanFact]:
    """Return what holds of the loan, as known at an instant (default: now), by day."""
    query = select(LoanFact).where(LoanFact.application_id == held.id)
    if known_at is not None:
        query = query.where(LoanFact.known_at <= known_at)
    last: dict[tuple[str, date, str], LoanFact] = {}
    for fact in session.scalars(query.order_by(LoanFact.known_at, LoanFact.id)):
        last[fact.kind, fact.about_on, fact.reference] = fact
    return sorted(last.values(), key=lambda fact: (fact.about_on, fact.id))


def _latest(session: Session, held: Application, told: LoanOutcome) -> LoanFact | None:
    return session.scalars(
        select(LoanFact)
        .where(
            LoanFact.application_id == held.id,
            LoanFact.kind == told.kind,
            LoanFact.about_on == told.about_on,
            LoanFact.reference == told.reference,
        )
        .order_by(LoanFact.known_at.desc())
        .limit(1)
    ).first()


def _check_room(session: Session, held: Application, told: LoanOutcome, earlier: LoanFact | None, drawn: Drawn) -> None:
    """Refuse a draw beyond the offer; a revolving line may be drawn again and again."""
    current = applications.latest_offer(session, held)
    if current is None or current.terms["repayment"] == "revolving":
        return
    if held.id not in drawn:
        drawn[held.id] = _drawn(session, held)
    before = drawn[held.id] - (earlier.amount_fen if earlier is not None else 0)
    promised = int(current.terms["amount_fen"])
    if before + told.amount_fen > promised:
        raise Conflict(
            f"amount_fen {told.amount_fen}: {promised - before} of the promised {promised} are left",
            reason="beyond_the_offer",
        )


def _drawn(session: Session, held: Application) -> int:
    """Return the sum of the draws as they hold now, each as it was last corrected."""
    last = (
        select(LoanFact.amount_fen)
        .where(LoanFact.application_id == held.id, LoanFact.kind == "draw")
        .ext(distinct_on(LoanFact.about_on, LoanFact.reference))
        .order_by(LoanFact.about_on, LoanFact.reference, LoanFact.known_at.desc(), LoanFact.id.desc())
        .subquery()
    )
    return int(session.scalar(select(func.coalesce(func.sum(last.c.amount_fen), 0))) or 0)
