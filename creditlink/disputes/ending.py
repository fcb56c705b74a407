"""The end of what is kept of disputes: rows whose time is over, for the purge."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from creditlink.disputes.tables import Dispute, DisputeFile

CLASS = "disputes"
"""Their class in `config/retention.toml`."""

TABLES = ("disputes",)
"""The table with a time of its own; what belongs to a dispute goes with it."""

DUE = "SELECT d.enterprise_id FROM disputes d WHERE d.keep_until <= :now AND d.ended_at IS NOT NULL"


def are_kept(session: Session, enterprise_id: UUID | None) -> bool:
    """Return whether disputes of a firm are kept: they are about its data, whatever consent brought it in."""
    return session.scalar(select(Dispute.id).where(Dispute.enterprise_id == enterprise_id).limit(1)) is not None


def delete_over(session: Session, enterprise_id: UUID, now: datetime) -> int:
    """Delete disputes of a firm whose time is over, with all that belongs to them; return how many.

    One that is still open is never over.
    """
    over = delete(Dispute).where(
        Dispute.enterprise_id == enterprise_id, Dispute.keep_until <= now, Dispute.ended_at.is_not(None)
    )
    return len(session.scalars(over.returning(Dispute.id)).all())


def empty_files(session: Session, now: datetime, *, kept_days: int) -> int:
    """Delete the content of files whose dispute ended so many days ago; their names and hashes stay."""
    ended = select(Dispute.id).where(Dispute.ended_at <= now - timedelta(days=kept_days))
    emptied = update(DisputeFile).where(DisputeFile.dispute_id.in_(ended), DisputeFile.sealed.is_not(None))
    return len(session.scalars(emptied.values(sealed=None).returning(DisputeFile.id)).all())
