"""Bringing financing up to the clock: unanswered, overdue and lapsed things end, and lenders that are late are told."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.financing import applications, events, states
from creditlink.financing.settings import Clocks
from creditlink.financing.tables import Application, FinancingRequest

_AT_ONCE = 500


def sweep(session: Session, now: datetime, clocks: Clocks) -> Counter[str]:
    """End what time has ended, at most some hundred of each; return how many of what.

    Rows that somebody works on right now are passed over: the next sweep finds them.
    """
    done: Counter[str] = Counter()
    done["expired"] = _each(
        session, now, Application.state.in_(states.UNANSWERED), Application.answer_due_at <= now, event="expire"
    )
    done["offer_lapsed"] = _lapse_offers(session, now)
    for state in ("accepted", "signed"):
        done[f"{state}_lapsed"] = _each(
            session, now, Application.state == state, Application.due_at <= now, event="lapse", reason="not_in_time"
        )
    done["escalated"] = _escalate(session, now, clocks)
    done["request_expired"] = _end_requests(session, now)
    return +done


def _each(session: Session, now: datetime, *which: object, event: str, reason: str = "clock") -> int:
    query = select(Application).where(*which).order_by(Application.id).limit(_AT_ONCE)  # type: ignore[arg-type]  # columns' conditions
    rows = session.scalars(query.with_for_update(key_share=True, skip_locked=True)).all()
    for held in rows:
        applications.step(session, held, event, role="system", actor="system", now=now, detail={"reason": reason})
    return len(rows)


def _lapse_offers(session: Session, now: datetime) -> int:
    query = select(Application).where(Application.state == "offered").order_by(Application.changed_at).limit(_AT_ONCE)
    rows = session.scalars(query.with_for_update(key_share=True, skip_locked=True)).all()
    offers = applications.latest_offers(session, rows)
    over = [held for held in rows if held.id in offers and offers[held.id].valid_until <= now]
    for held in over:
        detail = {"reason": "offer_lapsed"}
        applications.step(session, held, "lapse", role="system", actor="system", now=now, detail=detail)
    return len(over)


def _escalate(session: Session, now: datetime, clocks: Clocks) -> int:
    """Mark applications that near the end of the answer clock; the mark is told to the lender and the operator."""
    near = now + clocks.after("answer_days") - clocks.after("escalate_days")
    query = (
        select(Application)
        .where(
            Application.state.in_(states.UNANSWERED),
            Application.escalated_at.is_(None),
            Application.answer_due_at <= near,
            Application.answer_due_at > now,
        )
        .order_by(Application.id)
        .limit(_AT_ONCE)
    )
    rows = session.scalars(query.with_for_update(key_share=True, skip_locked=True)).all()
    for held in rows:
        held.escalated_at = now
        left: timedelta = held.answer_due_at - now
        events.of_application(
            session, held, "escalate", actor="system", now=now, from_state=held.state,
            detail={"hours_left": int(left.total_seconds() // 3600)},
        )  # fmt: skip
    session.flush()
    return len(rows)


def _end_requests(session: Session, now: datetime) -> int:
    query = (
        select(FinancingRequest)
        .where(FinancingRequest.ended_at.is_(None), FinancingRequest.expires_at <= now)
        .order_by(FinancingRequest.id)
        .limit(_AT_ONCE)
        .with_for_update(key_share=True, skip_locked=True)
    )
    rows = session.scalars(query).all()
    for request in rows:
        open_ones = session.scalars(
            select(Application)
            .where(Application.request_id == request.id, Application.state.in_(states.OPEN))
            .order_by(Application.id)
            .with_for_update(key_share=True)
        )
        for held in open_ones:
            detail = {"reason": "request_expired"}
            applications.step(session, held, "lapse", role="system", actor="system", now=now, detail=detail)
        request.ended_at, request.end_reason, request.changed_at = now, "expired", now
        session.flush()
        events.of_request(session, request, "expire", actor="system", now=now, detail={})
    return len(rows)
