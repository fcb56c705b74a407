"""What became of loans after a person departed from the model: the outcome beside each override."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.financing.loans.labels import ReportedFact, label_of
from creditlink.financing.tables import Application, LoanFact
from creditlink.kit.clock import day_of
from creditlink.reviews.tables import OverrideOutcome, ReviewOverride

HORIZON_MONTHS = 12
_SETTLED = ("good", "bad")


def unsettled(session: Session) -> list[UUID]:
    """Return the overrides whose loan is not known to be good or bad, the oldest first."""
    query = (
        select(ReviewOverride.id)
        .outerjoin(OverrideOutcome, OverrideOutcome.override_id == ReviewOverride.id)
        .where(OverrideOutcome.label.is_(None) | OverrideOutcome.label.not_in(_SETTLED))
        .order_by(ReviewOverride.decided_at)
    )
    return list(session.scalars(query))


def settle(session: Session, override_id: UUID, *, now: datetime) -> str | None:
    """Note what is known by now of the loan that its bank made under an override's consent; None: it made none."""
    override = session.get(ReviewOverride, override_id)
    if override is None:
        return None
    facts = session.scalars(
        select(LoanFact)
        .join(Application, Application.id == LoanFact.application_id)
        .where(
            Application.consent_id == override.consent_id,
            Application.institution_id == override.institution_id,
        )
    ).all()
    if not facts:
        return None
    since = day_of(override.decided_at)
    label = label_of(
        (
            ReportedFact(one.kind, one.about_on, one.days_past_due, one.amount_fen, one.reference, one.known_at)
            for one in facts
        ),
        as_of=since,
        horizon_months=HORIZON_MONTHS,
        cut=day_of(now),
    )
    found = {"label": label, "since_on": since, "known_at": now}
    session.execute(
        insert(OverrideOutcome)
        .values(override_id=override.id, **found)
        .on_conflict_do_update(index_elements=["override_id"], set_=found)
    )
    return label
