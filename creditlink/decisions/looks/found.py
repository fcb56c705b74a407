"""Finding decisions by what they say: that is a look too, at one thing, and each firm found has it in its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session, undefer

from creditlink.audit import service as audit
from creditlink.decisions import archive
from creditlink.decisions.classes import DECISION_RECORD, RetentionClasses
from creditlink.decisions.looks.marks import marks_of
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.tables import DecisionRow
from creditlink.kit.keyring import Secret

MARKED_AT_ONCE = 200


def note_found(
    session: Session,
    rows: Iterable[DecisionRow],
    reader: Reader,
    *,
    by: Iterable[tuple[str, str]],
    classes: RetentionClasses,
    now: datetime,
) -> None:
    """Write into the log of each firm found by what its decision says: who searched, by what, why.

    Raises
    ------
    InsufficientRole
        The reader's role may not look, or not for this purpose.
    """
    reader.check(classes.of(DECISION_RECORD))
    told = [f"{kind} {name}" for kind, name in by]
    # In one order, so that two who search at once wait for each other and never for good.
    for row in sorted(rows, key=lambda one: one.chain_id):
        audit.record(
            session,
            action="decision.find",
            result="disclosed",
            actor=reader.actor,
            now=now,
            enterprise_id=row.chain_id,
            consent_id=row.consent_id,
            purpose=reader.purpose,
            detail={"decision": row.wire_id, "role": reader.role, "by": told},
            request_id=reader.request_id,
        )


def unmarked(session: Session) -> list[UUID]:
    """Return the records from before there were marks, the oldest first."""
    kept = (DecisionRow.marks.is_(None), DecisionRow.about.is_(None), DecisionRow.expired_at.is_(None))
    return list(session.scalars(select(DecisionRow.id).where(*kept).order_by(DecisionRow.decided_at, DecisionRow.id)))


def mark(session: Session, decisions: Sequence[UUID], *, secret: Secret) -> Iterator[str]:
    """Give records their marks, for the owner's role; yield what is wrong with one that cannot be opened.

    The machine opens a record to make digests of it; nobody is shown what it says, so it is no look.
    """
    for first in range(0, len(decisions), MARKED_AT_ONCE):
        some = DecisionRow.id.in_(decisions[first : first + MARKED_AT_ONCE])
        wanted = select(DecisionRow).where(some).options(undefer(DecisionRow.payload))
        for row in session.scalars(wanted.execution_options(populate_existing=True)):
            if row.marks is not None or row.payload is None:
                continue
            try:
                marks = marks_of(archive.open_sealed(row, secret), secret)
            except archive.RecordDamaged as error:
                yield str(error)
                continue
            session.execute(update(DecisionRow).where(DecisionRow.id == row.id).values(marks=marks))
        session.expire_all()
