"""Brings financing up to the clock: unanswered, overdue and lapsed things end, and late lenders are reminded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from creditlink.financing.applications import applications, events, states
from creditlink.financing.configuration import Clocks
from creditlink.financing.tables import Application, FinancingRequest, Offer
from creditlink.kit.jobs.dead_letters import not_resting
from creditlink.kit.jobs.items import each
from creditlink.kit.postgres import db

TASK = "financing.sweep"

_AT_ONCE = 500
_REQUEST = "request_expired"


@dataclass(frozen=True)
class DueStep:
    """What time has brought about: a kind of step, and the application or request that it is for."""

    kind: str
    id: UUID


def due(session: Session, now: datetime, clocks: Clocks) -> list[DueStep]:
    """Return what is due, at most some hundred of each kind; what failed a moment ago is left out."""
    found = []
    for kind, condition in _conditions(now, clocks).items():
        table = FinancingRequest if kind == _REQUEST else Application
        query = select(table.id).where(condition, not_resting(TASK, table.id, now)).order_by(table.id).limit(_AT_ONCE)
        found += [DueStep(kind, one) for one in session.scalars(query)]
    return found


def do(session: Session, one: DueStep, now: datetime, clocks: Clocks) -> bool:
    """Take one step if it is still due; return whether it was. A row in somebody's hands is left to the next sweep."""
    condition = _conditions(now, clocks)[one.kind]
    if one.kind == _REQUEST:
        query = select(FinancingRequest).where(FinancingRequest.id == one.id, condition)
        request = session.scalar(query.with_for_update(key_share=True, skip_locked=True))
        if request is not None:
            _end_request(session, request, now)
        return request is not None
    rows = select(Application).where(Application.id == one.id, condition)
    application = session.scalar(
        rows.with_for_update(key_share=True, skip_locked=True).execution_options(populate_existing=True)
    )
    if application is None:
        return False
    if one.kind == "escalated":
        _escalate(session, application, now)
        return True
    event = "expire" if one.kind == "expired" else "lapse"
    detail = {"reason": _REASONS[one.kind]}
    applications.step(session, application, event, role="system", actor="system", now=now, detail=detail)
    return True


def sweep(session: Session, now: datetime, clocks: Clocks) -> Counter[str]:
    """Do what is due in the caller's transaction; return how many of what."""
    return Counter(one.kind for one in due(session, now, clocks) if do(session, one, now, clocks))


def sweep_each(now: datetime, clocks: Clocks) -> Counter[str]:
    """Do what is due, each step in a transaction of its own; return how many of what."""
    with db.transaction("worker") as session:
        found = due(session, now, clocks)
    done: Counter[str] = Counter()

    def do_one(session: Session, one: DueStep) -> None:
        if do(session, one, now, clocks):
            done[one.kind] += 1

    each(TASK, found, do_one, now=now, key=lambda one: str(one.id))
    return done


_REASONS: Mapping[str, str] = {
    "expired": "clock",
    "offer_lapsed": "offer_lapsed",
    "accepted_lapsed": "not_in_time",
    "signed_lapsed": "not_in_time",
}


def _conditions(now: datetime, clocks: Clocks) -> dict[str, ColumnElement[bool]]:
    """Return each kind of step with the condition of the rows that it is due for, in the order they are taken."""
    near = now + clocks.after("answer_days") - clocks.after("escalate_days")
    revision = select(func.max(Offer.revision)).where(Offer.application_id == Application.id).correlate(Application)
    latest_is_over = (
        select(Offer.id)
        .where(
            Offer.application_id == Application.id,
            Offer.revision == revision.scalar_subquery(),
            Offer.valid_until <= now,
        )
        .correlate(Application)
        .exists()
    )
    unanswered = Application.state.in_(states.UNANSWERED)
    return {
        "expired": unanswered & (Application.answer_due_at <= now),
        "offer_lapsed": (Application.state == "offered") & latest_is_over,
        "accepted_lapsed": (Application.state == "accepted") & (Application.due_at <= now),
        "signed_lapsed": (Application.state == "signed") & (Application.due_at <= now),
        "escalated": unanswered
        & Application.escalated_at.is_(None)
        & (Application.answer_due_at <= near)
        & (Application.answer_due_at > now),
        _REQUEST: FinancingRequest.ended_at.is_(None) & (FinancingRequest.expires_at <= now),
    }


def _escalate(session: Session, application: Application, now: datetime) -> None:
    """Mark an application that nears the end of the answer clock; the lender and the operator are alerted."""
    application.escalated_at = now
    left: timedelta = application.answer_due_at - now
    events.of_application(
        session, application, "escalate", actor="system", now=now, from_state=application.state,
        detail={"hours_left": int(left.total_seconds() // 3600)},
    )  # fmt: skip
    session.flush()


def _end_request(session: Session, request: FinancingRequest, now: datetime) -> None:
    open_ones = session.scalars(
        select(Application)
        .where(Application.request_id == request.id, Application.state.in_(states.OPEN))
        .order_by(Application.id)
        .with_for_update(key_share=True)
    )
    for application in open_ones:
        detail = {"reason": "request_expired"}
        applications.step(session, application, "lapse", role="system", actor="system", now=now, detail=detail)
    request.ended_at, request.end_reason, request.changed_at = now, "expired", now
    session.flush()
    events.of_request(session, request, "expire", actor="system", now=now, detail={})
