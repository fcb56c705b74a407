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
"""What was drawn of each application, in fen, as counted by one transaction that has locked its row."""


def record(
    session: Session,
    application: Application,
    outcome: LoanOutcome,
    *,
    actor: str,
    now: datetime,
    drawn: Drawn | None = None,
) -> bool:
    """Record one outcome of an application that the caller has locked; return whether it was new.

    The same outcome again changes nothing. A different one under the same key (kind, day, reference) is a
    correction: a further row, known later, that leaves the state as it is. With `drawn`, a caller that records
    many outcomes in one transaction need not count the draws before each.

    Raises
    ------
    StepRefused
        The application's state allows no such outcome.
    Conflict
        More is drawn than the accepted offer promised.
    InvalidRequest
        The day lies in the future, or in a year before any loan.
    """
    if outcome.about_on.year < EARLIEST_YEAR:
        raise _wrong_day(f"is before {EARLIEST_YEAR}", outcome)
    if outcome.about_on > day_of(now):
        raise _wrong_day("lies in the future", outcome)
    earlier = _latest(session, application, outcome)
    if earlier is not None and (earlier.amount_fen, earlier.days_past_due) == (
        outcome.amount_fen,
        outcome.days_past_due,
    ):
        return False
    if application.state not in states.ACCEPTED:
        may = list(states.allowed(application.state, "bank"))
        raise StepRefused(
            f"{outcome.kind}: the application is {application.state}: nothing was lent",
            state=application.state,
            allowed=may,
        )
    drawn = {} if drawn is None else drawn
    if outcome.kind == "draw":
        _check_room(session, application, outcome, earlier, drawn)
    if earlier is None:
        applications.step(
            session,
            application,
            EVENT_OF[outcome.kind],
            role="bank",
            actor=actor,
            now=now,
            detail={"on": outcome.about_on.isoformat(), "reference": outcome.reference},
            is_new=True,  # no fact has this kind, day and reference yet
        )
    elif now <= earlier.known_at:
        raise Conflict("a correction must be known later than what it corrects", reason="clock")
    session.add(
        LoanFact(
            application_id=application.id,
            enterprise_id=application.enterprise_id,
            institution_id=application.institution_id,
            kind=outcome.kind,
            about_on=outcome.about_on,
            reference=outcome.reference,
            amount_fen=outcome.amount_fen,
            days_past_due=outcome.days_past_due,
            known_at=now,
            reported_by=actor,
        )
    )
    session.flush()
    if outcome.kind == "draw" and application.id in drawn:
        drawn[application.id] += outcome.amount_fen - (earlier.amount_fen if earlier is not None else 0)
    return True


def facts_of(session: Session, application: Application, *, known_at: datetime | None = None) -> list[LoanFact]:
    """Return the facts of the loan, as known at an instant (default: now), by day."""
    query = select(LoanFact).where(LoanFact.application_id == application.id)
    if known_at is not None:
        query = query.where(LoanFact.known_at <= known_at)
    last: dict[tuple[str, date, str], LoanFact] = {}
    for fact in session.scalars(query.order_by(LoanFact.known_at, LoanFact.id)):
        last[fact.kind, fact.about_on, fact.reference] = fact
    return sorted(last.values(), key=lambda fact: (fact.about_on, fact.id))


def _latest(session: Session, application: Application, outcome: LoanOutcome) -> LoanFact | None:
    return session.scalars(
        select(LoanFact)
        .where(
            LoanFact.application_id == application.id,
            LoanFact.kind == outcome.kind,
            LoanFact.about_on == outcome.about_on,
            LoanFact.reference == outcome.reference,
        )
        .order_by(LoanFact.known_at.desc())
        .limit(1)
    ).first()


def _wrong_day(problem: str, outcome: LoanOutcome) -> InvalidRequest:
    return InvalidRequest(errors=[{"pointer": "/on", "detail": f"{problem}, got {outcome.about_on}"}])


def _check_room(
    session: Session, application: Application, outcome: LoanOutcome, earlier: LoanFact | None, drawn: Drawn
) -> None:
    """Refuse a draw beyond the offer; what was repaid of a revolving line may be drawn again."""
    current = applications.latest_offer(session, application)
    if current is None:
        return
    if application.id not in drawn:
        drawn[application.id] = _sum(session, application, "draw")
    before = drawn[application.id] - (earlier.amount_fen if earlier is not None else 0)
    promised = int(current.terms["amount_fen"])
    repaid = _sum(session, application, "repayment") if current.terms["repayment"] == "revolving" else 0
    if before + outcome.amount_fen > promised + repaid:
        and_repaid = f" and the {repaid} repaid" if repaid else ""
        raise Conflict(
            f"amount_fen {outcome.amount_fen}: {promised + repaid - before} of the promised {promised}{and_repaid}"
            " are left",
            reason="beyond_the_offer",
        )


def _sum(session: Session, application: Application, kind: str) -> int:
    """Return the sum of the draws or repayments, each as it was last corrected."""
    last = (
        select(LoanFact.amount_fen)
        .where(LoanFact.application_id == application.id, LoanFact.kind == kind)
        .ext(distinct_on(LoanFact.about_on, LoanFact.reference))
        .order_by(LoanFact.about_on, LoanFact.reference, LoanFact.known_at.desc(), LoanFact.id.desc())
        .subquery()
    )
    return int(session.scalar(select(func.coalesce(func.sum(last.c.amount_fen), 0))) or 0)
