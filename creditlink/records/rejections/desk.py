"""What an operator sees of rejected rows, and does with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.records.rejections.identity import MOVES, STATES, RejectionState
from creditlink.records.tables import RejectedRow

PREFIX = "rej"


@dataclass(frozen=True)
class ListedRejection:
    """An entry with the firm that it is about, as the office knows it."""

    row: RejectedRow
    uscc: str

    @property
    def wire_id(self) -> str:
        """Return the entry's id on the wire."""
        return ids.external(PREFIX, UUID(int=self.row.id))

    def as_json(self) -> dict[str, object]:
        """Return it as the operator sees it."""
        row = self.row
        return {
            "id": self.wire_id,
            "source": row.source,
            "uscc": self.uscc,
            "resource": row.resource,
            "record_id": row.record_id,
            "version": row.row_version,
            "position": row.position,
            "field": row.field,
            "excerpt": row.excerpt,
            "reason": row.reason,
            "state": row.state,
            "times": row.times,
            "first_seen_at": row.recorded_at,
            "last_seen_at": row.seen_at,
            "changed_at": row.changed_at,
            "changed_by": row.changed_by,
            "note": row.note,
        }


def page_of(
    session: Session,
    source: str,
    *,
    state: str | None = None,
    resource: str | None = None,
    cursor: str | None = None,
    limit: int,
) -> tuple[list[ListedRejection], str | None]:
    """Return one page of a source's entries, the newest first, and the cursor of the next.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    query = (
        select(RejectedRow, Enterprise.uscc)
        .join(Enterprise, Enterprise.id == RejectedRow.enterprise_id)
        .where(RejectedRow.source == source)
    )
    if state is not None:
        query = query.where(RejectedRow.state == state)
    if resource is not None:
        query = query.where(RejectedRow.resource == resource)
    if cursor is not None:
        try:
            query = query.where(RejectedRow.id < number_of(cursor))
        except NotFound:
            raise InvalidRequest(errors=[{"pointer": "/cursor", "detail": "is not a cursor of this list"}]) from None
    rows = session.execute(query.order_by(RejectedRow.id.desc()).limit(limit + 1)).all()
    page = [ListedRejection(row, uscc) for row, uscc in rows[:limit]]
    return page, page[-1].wire_id if len(rows) > limit else None


def number_of(wire_id: str) -> int:
    """Return the number behind an entry's id.

    Raises
    ------
    NotFound
        It is not an id of an entry.
    """
    number = ids.internal(PREFIX, wire_id).int
    if not 0 < number < 2**63:
        raise NotFound
    return number


def note_reading(
    session: Session,
    source: str,
    count: int,
    *,
    act: str,
    actor: str,
    now: datetime,
    institution_id: UUID | None = None,
    client_id: str | None = None,
) -> None:
    """Record that entries were read or handed to their office: how many, of which source."""
    audit.record(
        session,
        action=f"rejections.{act}",
        result="done",
        actor=actor,
        now=now,
        institution_id=institution_id,
        client_id=client_id,
        detail={"source": source, "count": count},
    )


def move(
    session: Session,
    source: str | None,
    wire_id: str,
    state: RejectionState,
    *,
    note: str | None,
    actor: str,
    now: datetime,
    institution_id: UUID | None = None,
    client_id: str | None = None,
) -> ListedRejection:
    """Bring an entry into another state, with evidence in the firm's chain of who did it and why.

    Parameters
    ----------
    source : whose queue it must be in; None: any.

    Raises
    ------
    NotFound
        There is no such entry.
    InvalidRequest
        It is to be dismissed without a reason.
    Conflict
        It is in a state from which nobody can do that.
    """
    row = session.scalar(select(RejectedRow).where(RejectedRow.id == number_of(wire_id)).with_for_update())
    if row is None or source not in (None, row.source):
        raise NotFound
    if state == "dismissed" and not (note and note.strip()):
        raise InvalidRequest(errors=[{"pointer": "/note", "detail": "say why the row needs no correction"}])
    if state not in MOVES[_state_of(row)]:
        raise Conflict(f"an entry that is {row.state} cannot become {state}")
    changed = update(RejectedRow).where(RejectedRow.id == row.id)
    values = {"state": state, "changed_at": now, "changed_by": actor, "note": note}
    session.execute(changed.values(**values).execution_options(synchronize_session="fetch"))
    audit.record(
        session,
        action=f"rejection.{state}",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=row.enterprise_id,
        institution_id=institution_id,
        client_id=client_id,
        detail={"rejection": wire_id, "source": row.source, "resource": row.resource, "note": note},
    )
    session.refresh(row)
    return ListedRejection(row, session.get_one(Enterprise, row.enterprise_id).uscc)


def _state_of(row: RejectedRow) -> RejectionState:
    return next(state for state in STATES if state == row.state)


def mark_sent(session: Session, entries: Sequence[ListedRejection], *, actor: str, now: datetime) -> int:
    """Note that open entries were handed to their office; return how many, each with evidence."""
    chosen = [entry for entry in entries if entry.row.state == "open"]
    for entry in chosen:
        move(session, entry.row.source, entry.wire_id, "sent", note=None, actor=actor, now=now)
    return len(chosen)
