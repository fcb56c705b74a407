"""How reads and changes of one consent take turns.

Row locks alone are not fair: PostgreSQL lets a new reader share a row past a change that waits for it, so that a
bank which keeps reading could hold up a revocation for as long as it likes. Advisory locks queue in order: once a
change waits, later reads wait behind it. docs/adr/0013-reads-and-revocations-queue.md
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.kit.postgres import db


def keep_reads_out(session: Session, consent_id: UUID) -> None:
    """Wait for the reads under way, and let no other begin until the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(consent_id), 0))))


def keep_changes_out(session: Session, consent_id: UUID, viewer: db.Viewer | None = None) -> None:
    """Let no change of the consent commit until the transaction ends, and let those that wait already go first.

    It is a statement of its own: the next one sees what was committed while this one waited. `viewer` enters
    by the same statement.
    """
    lock = func.pg_advisory_xact_lock_shared(func.hashtextextended(str(consent_id), 0))
    session.execute(select(*(viewer.entering() if viewer else ()), lock))
