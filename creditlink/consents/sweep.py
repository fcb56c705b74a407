"""What time does to consents: requests unanswered, consents expired, or spent and past their data life."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Integer, and_, cast, func, select
from sqlalchemy.orm import Session

from creditlink.consents import service
from creditlink.consents.tables import Consent, ConsentUse

SYSTEM = "system"


def sweep(session: Session, now: datetime, *, at_most: int = 500) -> dict[str, int]:
    """Bring stored states up to the clock; return how many went where.

    The clock already refuses what is late: this makes the state say so. Rows that another transaction
    holds come last, in the queue of `service.locked`: a bank that never stops asking cannot keep its consent
    from ending, and its other consents do not wait for it.
    """
    due = {
        ("REJECTED", "unanswered"): and_(Consent.state == "REQUESTED", Consent.answer_until <= now),
        ("EXPIRED", "expired"): and_(Consent.state.in_(("ACTIVE", "PAUSED")), Consent.expires_at <= now),
        ("EXHAUSTED", "data_life_over"): and_(Consent.state == "ACTIVE", _spent_and_over(now)),
    }
    ended = {}
    for (to, why), condition in due.items():
        query = select(Consent).where(condition).order_by(Consent.id).limit(at_most).with_for_update(skip_locked=True)
        found = session.scalars(query.execution_options(populate_existing=True)).all()
        for consent in found:
            service.end(session, consent, to, actor=SYSTEM, reason=why, now=now)
        ended[to] = len(found)
    for (to, why), condition in due.items():
        for consent_id in session.scalars(
            select(Consent.id).where(condition).order_by(Consent.id).limit(at_most)
        ).all():
            held = service.locked(session, consent_id)
            if session.scalar(select(Consent.id).where(Consent.id == consent_id, condition)) is not None:
                service.end(session, held, to, actor=SYSTEM, reason=why, now=now)
                ended[to] += 1
    return ended


def _spent_and_over(now: datetime) -> ColumnElement[bool]:
    life = func.make_interval(0, 0, 0, cast(Consent.data_life_days, Integer))
    return (
        select(ConsentUse.consent_id)
        .where(
            and_(
                ConsentUse.consent_id == Consent.id,
                ConsentUse.period == "total",
                ConsentUse.used >= Consent.pulls_per_month,
                ConsentUse.last_at + life <= now,
            )
        )
        .exists()
    )
