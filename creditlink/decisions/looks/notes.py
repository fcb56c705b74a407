"""Notes that staff write beside a decision: added, read by who looks at it, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.tables import DecisionNote, DecisionRow
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import InvalidRequest, NotFound

MOST_TEXT = 2_000


@dataclass(frozen=True)
class WrittenNote:
    """A note, and who wrote it."""

    note: DecisionNote
    author: str


def add(
    session: Session, decision_id: UUID, text: str, reader: Reader, *, author_id: UUID, now: datetime
) -> DecisionNote:
    """Write a note beside a decision that the caller looks at in the same transaction, with its evidence.

    The words stay out of the evidence, which names their hash.

    Parameters
    ----------
    text : as `checked` returns it

    Raises
    ------
    NotFound
        There is no such decision, or its time is over.
    """
    row = session.get(DecisionRow, decision_id)
    if row is None or row.enterprise_id is None or row.consent_id is None:
        raise NotFound
    note = DecisionNote(
        decision_id=row.id,
        enterprise_id=row.enterprise_id,
        consent_id=row.consent_id,
        author_id=author_id,
        role=reader.role,
        text=text,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        written_at=now,
        keep_until=row.keep_until,
    )
    session.add(note)
    audit.record(
        session,
        action="decision.note",
        result="done",
        actor=reader.actor,
        now=now,
        enterprise_id=row.enterprise_id,
        consent_id=row.consent_id,
        purpose=reader.purpose,
        detail={"decision": row.wire_id, "role": reader.role, "sha256": note.text_sha256},
        request_id=reader.request_id,
    )
    return note


def checked(text: str) -> str:
    """Return a note's text as it is kept.

    Raises
    ------
    InvalidRequest
        The text is empty, too long, or holds what a text cannot.
    """
    text = text.replace("\r\n", "\n").strip()
    if not 0 < len(text) <= MOST_TEXT:
        said = f"must have 1 … {MOST_TEXT} characters, got {len(text)}"
        raise InvalidRequest(errors=[{"pointer": "/text", "detail": said}])
    if "\0" in text or not _is_utf8(text):
        raise InvalidRequest(errors=[{"pointer": "/text", "detail": "holds characters that are no text"}])
    return text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def notes_of(session: Session, decision_id: UUID) -> Sequence[WrittenNote]:
    """Return the notes beside a decision, the oldest first; for who looks at it in the same transaction."""
    wanted = select(DecisionNote, Account.display_name).join(Account, Account.id == DecisionNote.author_id)
    ordered = wanted.where(DecisionNote.decision_id == decision_id).order_by(DecisionNote.written_at, DecisionNote.id)
    return [WrittenNote(note, author) for note, author in session.execute(ordered)]


def delete_over(session: Session, enterprise_id: UUID, now: datetime) -> Iterator[tuple[str, UUID, str]]:
    """Delete a firm's notes whose decisions' time is over; yield table, consent and hash of each."""
    over = delete(DecisionNote).where(DecisionNote.enterprise_id == enterprise_id, DecisionNote.keep_until <= now)
    for consent_id, digest in session.execute(over.returning(DecisionNote.consent_id, DecisionNote.text_sha256)):
        yield "decision_notes", consent_id, digest
