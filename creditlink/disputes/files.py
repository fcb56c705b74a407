"""Evidence files: sealed on the way in, scanned by the worker, opened only once they may be handed out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from cryptography.fernet import InvalidToken
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from creditlink.disputes.rules.evidence import SERVED, EvidenceFile
from creditlink.disputes.tables import FILE_PREFIX, Dispute, DisputeFile
from creditlink.kit import ids, keyring
from creditlink.kit.errors import NotFound
from creditlink.kit.files.scanning import Scanner, ScannerAway
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

_PURPOSE = "creditlink dispute evidence"


@dataclass(frozen=True)
class OpenedEvidence:
    """A file as it is handed out."""

    row: DisputeFile
    content: bytes


def take(session: Session, dispute: Dispute, evidence: Sequence[EvidenceFile], *, now: datetime) -> None:
    """Keep files with a dispute; they wait for the scanner, if one is connected."""
    settings = runtime.part(Settings)
    box = keyring.box(settings.secret_key, _PURPOSE)
    for one in evidence:
        session.add(
            DisputeFile(
                id=uuid4(), dispute_id=dispute.id, name=one.name, kind=one.kind, size_bytes=len(one.content),
                sha256=hashlib.sha256(one.content).hexdigest(), sealed=box.encrypt(one.content),
                scan="waiting" if settings.clamd else "unscanned", added_at=now,
            )
        )  # fmt: skip
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


def _content(row: DisputeFile, *, scanned: bool = True) -> bytes | None:
    if row.sealed is None or (scanned and row.scan not in SERVED):
        return None
    try:
        return keyring.box(runtime.part(Settings).secret_key, _PURPOSE).decrypt(row.sealed)
    except InvalidToken:
        return None


def wait(session: Session, dispute: Dispute, now: datetime, *, hours: int) -> bool:
    """Return whether a dispute still waits for the scanner; one that is away costs the firm so many hours at most."""
    waiting = [one for one in of_dispute(session, dispute.id) if one.scan == "waiting"]
    return any(now < one.added_at + timedelta(hours=hours) for one in waiting)


def scan_waiting(dispute_id: UUID, now: datetime) -> None:
    """Have a dispute's waiting files scanned, outside of any transaction; what the scanner does not say stays waiting.

    Without a scanner that is connected any more they are unscanned.
    """
    address = runtime.part(Settings).clamd
    with db.transaction("worker") as session:
        query = select(DisputeFile).where(DisputeFile.dispute_id == dispute_id, DisputeFile.scan == "waiting")
        waiting = [(row.id, _content(row, scanned=False)) for row in session.scalars(
            query.options(undefer(DisputeFile.sealed))
        )]  # fmt: skip
    for file_id, content in waiting:
        state, said = _scanned(address, content)
        if state is not None:
            with db.transaction("worker") as session:
                settle(session, file_id, state, said, now)


def _scanned(address: str | None, content: bytes | None) -> tuple[str | None, str | None]:
    if content is None:
        return None, None
    if address is None:
        return "unscanned", None
    try:
        found = Scanner(address).scan(content)
    except ScannerAway as away:
        return None, str(away)
    return ("clean", None) if found.is_clean else ("infected", found.found)


def settle(session: Session, file_id: UUID, state: str, said: str | None, now: datetime) -> None:
    """Note what the scanner said of a file that waits; an infected one's content goes at once."""
    row = session.scalars(
        select(DisputeFile).where(DisputeFile.id == file_id, DisputeFile.scan == "waiting").with_for_update()
    ).one_or_none()
    if row is None:
        return
    row.scan, row.scan_said, row.scanned_at = state, said, now
    if state == "infected":
        row.sealed = None


def late(session: Session, now: datetime, patience: timedelta) -> Sequence[UUID]:
    """Return the disputes with files that have waited for long."""
    query = select(DisputeFile.dispute_id).where(DisputeFile.scan == "waiting", DisputeFile.added_at < now - patience)
    return session.scalars(query.distinct()).all()
