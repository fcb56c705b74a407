"""A firm asks that what need not stay of a consent goes at once, not when its time is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.consents import service as consents
from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent
from creditlink.kit import jobs
from creditlink.kit.errors import Conflict
from creditlink.retention.tables import DeletionRequest


def ask(session: Session, consent: Consent, *, actor: str, now: datetime) -> bool:
    """Withdraw a consent that still lives, and note that its data is to go; return whether that was not noted before.

    Raises
    ------
    Conflict
        Nothing was ever agreed: there is nothing to delete.
    """
    if consent.starts_at is None or consent.enterprise_id is None:
        raise Conflict("nothing was agreed under this consent", reason=consent.state.lower())
    current = consents.lock_consent(session, consent.id)
    if current.state_at(now) in ALIVE:
        consents.revoke(session, current, actor=actor, reason="by_the_firm", now=now)
    row = {"consent_id": consent.id, "enterprise_id": consent.enterprise_id, "asked_at": now, "asked_by": actor}
    noted = insert(DeletionRequest).values(row).on_conflict_do_nothing().returning(DeletionRequest.consent_id)
    if session.scalar(noted) is None:
        return False
    # The purge finds it by the request itself, every hour; this makes it minutes.
    at = int(now.timestamp())
    jobs.defer(session, "retention.purge", queue="system", queueing_lock="retention.purge", timestamp=at)
    audit.record(
        session, action="data.deletion_asked", result="done", actor=actor, now=now, enterprise_id=consent.enterprise_id,
        institution_id=consent.institution_id, client_id=consent.client_id, consent_id=consent.id,
        purpose=consent.purpose,
    )  # fmt: skip
    return True


def asked_of(session: Session, enterprise_id: UUID) -> Mapping[UUID, datetime]:
    """Return the consents of a firm whose data is to go at once, and since when."""
    asked = select(DeletionRequest).where(DeletionRequest.enterprise_id == enterprise_id)
    return {one.consent_id: one.asked_at for one in session.scalars(asked)}


def of_consent(session: Session, consent_id: UUID) -> DeletionRequest | None:
    """Return the firm's wish about one consent, as far as the transaction may see it."""
    return session.get(DeletionRequest, consent_id)
