"""What time does to consents: requests unanswered, consents expired, or spent and past their data life."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, and_, cast, func, select
from sqlalchemy.orm import Session

from creditlink.consents import service
from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent, ConsentUse
from creditlink.kit.jobs.dead_letters import not_resting
from creditlink.kit.jobs.items import each
from creditlink.kit.postgres import db

SYSTEM = "system"
TASK = "consents.sweep"


@dataclass(frozen=True)
class DueConsent:
    """A consent that time has ended, and the state that says so."""

    consent_id: UUID
    to: str
    reason: str


def due(session: Session, now: datetime, *, at_most: int = 500) -> list[DueConsent]:
    """Return the consents whose stored state is behind the clock, at most so many of each kind.

    The clock already refuses what is late: ending it updates the state. What failed a moment ago is left out.
    """
    return [
        DueConsent(consent_id, to, reason)
        for (to, reason), condition in _conditions(now).items()
        for consent_id in session.scalars(
            select(Consent.id).where(condition, not_resting(TASK, Consent.id, now)).order_by(Consent.id).limit(at_most)
        )
    ]


def end_due(session: Session, due_consent: DueConsent, now: datetime) -> bool:
    """End one consent if it is still due; return whether it was.

    Waits for its turn at the row, in the queue of `service.lock_consent`: a bank that never stops asking cannot keep
    its consent from ending.
    """
    consent = service.lock_consent(session, due_consent.consent_id)
    condition = _conditions(now)[due_consent.to, due_consent.reason]
    if session.scalar(select(Consent.id).where(Consent.id == due_consent.consent_id, condition)) is None:
        return False
    service.end(session, consent, due_consent.to, actor=SYSTEM, reason=due_consent.reason, now=now)
    return True


def sweep(now: datetime, *, at_most: int = 500) -> dict[str, int]:
    """Bring stored states up to date, each consent in its own transaction; return how many reached which state."""
    with db.transaction("worker") as session:
        late = due(session, now, at_most=at_most)
    ended = Counter(dict.fromkeys(("REJECTED", "EXPIRED", "EXHAUSTED"), 0))

    def end_one(session: Session, one: DueConsent) -> None:
        if end_due(session, one, now):
            ended[one.to] += 1

    each(TASK, late, end_one, now=now, key=lambda one: str(one.consent_id))
    return dict(ended)


def _conditions(now: datetime) -> dict[tuple[str, str], ColumnElement[bool]]:
    return {
        ("REJECTED", "unanswered"): and_(Consent.state == "REQUESTED", Consent.answer_until <= now),
        ("EXPIRED", "expired"): and_(Consent.state.in_(ALIVE), Consent.expires_at <= now),
        ("EXHAUSTED", "data_life_over"): and_(Consent.state == "ACTIVE", _spent_and_over(now)),
    }


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
