"""Evidence files: sealed on the way in, scanned by the worker, opened only once they may be handed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from creditlink.disputes.tables import FILE_PREFIX, Dispute, DisputeFile
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.kit.files import sealed
from creditlink.kit.files.documents import TakenFile
from creditlink.kit.postgres import db

SEALED = "creditlink dispute evidence"


@dataclass(frozen=True)
class OpenedEvidence:
    """A file as it is handed out."""

    row: DisputeFile
    content: bytes


def take(session: Session, dispute: Dispute, evidence: Sequence[TakenFile], *, now: datetime) -> None:
    """Keep files with a dispute; they wait for the scanner, if one is connected."""
    for one in evidence:
        session.add(DisputeFile(dispute_id=dispute.id, **sealed.values_of(one, purpose=SEALED, now=now)))
    session.flush()


def of_dispute(session: Session, dispute_id: UUID) -> Sequence[DisputeFile]:
    """Return the files of a dispute, without their content."""
    query = select(DisputeFile).where(DisputeFile.dispute_id == dispute_id)
    return session.scalars(query.order_by(DisputeFile.added_at, DisputeFile.name)).all()


def opened(session: Session, dispute: Dispute, wire_id: str) -> OpenedEvidence:
    """Return a file's content.

    Raises
    ------
    NotFound
        There is none, it was not scanned or found infected, its time is over, or the server's key has changed.
    """
    query = select(DisputeFile).where(
        DisputeFile.id == ids.internal(FILE_PREFIX, wire_id), DisputeFile.dispute_id == dispute.id
    )
    row = session.scalars(query.options(undefer(DisputeFile.sealed))).one_or_none()
    content = None if row is None else _content(row)
    if row is None or content is None:
        raise NotFound
    return OpenedEvidence(row, content)


def served(session: Session, dispute: Dispute) -> list[OpenedEvidence]:
    """Return the files that may go to the source, with their content."""
    query = select(DisputeFile).where(DisputeFile.dispute_id == dispute.id).order_by(DisputeFile.added_at)
    found = [(row, _content(row)) for row in session.scalars(query.options(undefer(DisputeFile.sealed)))]
    return [OpenedEvidence(row, content) for row, content in found if content is not None]


def _content(row: DisputeFile) -> bytes | None:
    return sealed.content_of(row, purpose=SEALED)


def wait(session: Session, dispute: Dispute, now: datetime, *, hours: int) -> bool:
    """Return whether a dispute still waits for the scanner; one that is away costs the firm so many hours at most."""
    waiting = [one for one in of_dispute(session, dispute.id) if one.scan == "waiting"]
    return any(now < one.added_at + timedelta(hours=hours) for one in waiting)


def scan_waiting(dispute_id: UUID, now: datetime) -> None:
    """Have a dispute's waiting files scanned, outside of any transaction; what the scanner does not say stays waiting.

    Without a scanner that is connected any more they are unscanned.
    """
    with db.transaction("worker") as session:
        query = select(DisputeFile).where(DisputeFile.dispute_id == dispute_id, DisputeFile.scan == "waiting")
        rows = session.scalars(query.options(undefer(DisputeFile.sealed)))
        waiting = [(row.id, sealed.content_of(row, purpose=SEALED, scanned=False)) for row in rows]
    for file_id, content in waiting:
        state, said = sealed.scanned(content)
        if state is not None:
            with db.transaction("worker") as session:
                settle(session, file_id, state, said, now)


def settle(session: Session, file_id: UUID, state: str, said: str | None, now: datetime) -> None:
    """Note what the scanner said of a file that waits; an infected one's content goes at once."""
    row = session.scalars(
        select(DisputeFile).where(DisputeFile.id == file_id, DisputeFile.scan == "waiting").with_for_update()
    ).one_or_none()
    if row is None:
        return
    sealed.note_scan(row, state, said, now)


def late(session: Session, now: datetime, patience: timedelta) -> Sequence[UUID]:
    """Return the disputes with files that have waited for long."""
    query = select(DisputeFile.dispute_id).where(DisputeFile.scan == "waiting", DisputeFile.added_at < now - patience)
    return session.scalars(query.distinct()).all()
