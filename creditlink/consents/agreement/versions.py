"""Versions of one consent: each amendment names the version that it amends, which may be over by now."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent


def newest(session: Session, consent_id: UUID) -> Consent:
    """Return the version now in force in place of this one: itself, or the one the firm agreed to after it.

    A bank may have requested two changes of one version; once the firm agrees to the first, the second amends that
    one.
    """
    version = session.get_one(Consent, consent_id, populate_existing=True)
    while version.state not in ALIVE:
        later = select(Consent).where(Consent.amends == version.id, Consent.starts_at.is_not(None))
        successor = session.scalars(later.order_by(Consent.starts_at.desc()).limit(1)).first()
        if successor is None:
            break
        version = successor
    return version
