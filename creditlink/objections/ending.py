"""The end of what is kept of objections: rows whose time is over, for the purge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from creditlink.objections.tables import AccessObjection

CLASS = "objections"
"""Their class in `config/retention.toml`."""

TABLES = ("access_objections",)


def are_kept(session: Session, consent_id: UUID) -> bool:
    """Return whether an objection to an access under a consent is kept."""
    query = select(AccessObjection.id).where(AccessObjection.consent_id == consent_id).limit(1)
    return session.scalar(query) is not None


def delete_over(session: Session, enterprise_id: UUID, now: datetime) -> Iterator[tuple[str, UUID, str]]:
    """Delete what is over of one firm; yield table, consent and hash of every row that went.

    An objection to an access without a consent goes too, and there is no consent whose certificate could tell of it.
    """
    over = delete(AccessObjection).where(
        AccessObjection.enterprise_id == enterprise_id, AccessObjection.keep_until <= now
    )
    for consent_id, row_id in session.execute(over.returning(AccessObjection.consent_id, AccessObjection.id)):
        if consent_id is not None:
            yield "access_objections", consent_id, hashlib.sha256(row_id.bytes).hexdigest()
