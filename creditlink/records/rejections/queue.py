"""The queue of rejected rows: what a delivery adds to it, and what it puts right."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import case, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session

from creditlink.records.pulls.delivery import Delivery
from creditlink.records.rejections import identity
from creditlink.records.rejections.identity import STATES, WAITING, WaitingRow
from creditlink.records.tables import Pull, RejectedRow

MOST_OF_A_DELIVERY = 5_000
"""Entries that one delivery adds at most; its pull counts every row. An office with more has one fault, not many."""

_COUNTS = text("SELECT source, state, entries FROM creditlink_rejection_counts()")


def take_in(session: Session, delivery: Delivery, *, enterprise_id: UUID, pull_id: UUID, now: datetime) -> None:
    """Note the rows of a delivery that did not read, and close what it puts right."""
    met = identity.met_rows(delivery)
    waiting = _waiting(session, delivery, enterprise_id, pull_id)
    right = identity.put_right(delivery, waiting, [row.fingerprint for row in met])
    for how in sorted(set(right.values())):
        closed = [key for key, why in right.items() if why == how]
        session.execute(
            update(RejectedRow)
            .where(RejectedRow.id.in_(closed))
            .values(state="corrected", changed_at=now, changed_by="system", note=how)
            .execution_options(synchronize_session=False)
        )
    rows = [
        {
            "enterprise_id": enterprise_id,
            "pull_id": pull_id,
            "source": delivery.source,
            "resource": row.reject.resource,
            "position": row.reject.position,
            "field": row.reject.field,
            "excerpt": row.reject.excerpt,
            "reason": row.reject.reason,
            "record_id": None if row.reject.row is None else row.reject.row.record_id,
            "row_version": row.version,
            "fingerprint": row.fingerprint,
            "state": row.state,
            "times": 1,
            "recorded_at": now,
            "seen_at": now,
            "changed_at": now,
            "changed_by": "system",
            "note": identity.LATER_VERSION if row.is_corrected else None,
        }
        for row in met[:MOST_OF_A_DELIVERY]
    ]
    if rows:
        session.execute(_upsert(), rows)


def _waiting(session: Session, delivery: Delivery, enterprise_id: UUID, pull_id: UUID) -> list[WaitingRow]:
    since: date | None = session.scalar(select(Pull.since).where(Pull.id == pull_id))
    query = (
        select(RejectedRow, Pull.since)
        .join(Pull, Pull.id == RejectedRow.pull_id)
        .where(
            RejectedRow.enterprise_id == enterprise_id,
            RejectedRow.source == delivery.source,
            RejectedRow.state.in_(WAITING),
        )
    )
    return [
        WaitingRow(
            id=row.id,
            resource=row.resource,
            record_id=row.record_id,
            version=row.row_version,
            fingerprint=bytes(row.fingerprint),
            is_covered=since is not None and since <= earlier,
        )
        for row, earlier in session.execute(query)
    ]


def _upsert() -> Insert:
    row = insert(RejectedRow)
    new = row.excluded
    # The newest version that did not read is the one to put right; an older one, served for ever, changes nothing.
    is_news = func.coalesce(new.row_version, 0) >= func.coalesce(RejectedRow.row_version, 0)
    # What was corrected and comes wrong again is open again; what was dismissed stays so, and what was sent is known.
    moves = case(
        ((new.state == "corrected") & or_(*(RejectedRow.state == state for state in WAITING)), "corrected"),
        ((new.state == "open") & (RejectedRow.state == "corrected"), "open"),
        else_=RejectedRow.state,
    )
    has_moved = moves != RejectedRow.state
    newest = {
        name: case((is_news, new[name]), else_=getattr(RejectedRow, name)) for name in ("field", "excerpt", "reason")
    }
    return row.on_conflict_do_update(
        index_elements=["enterprise_id", "source", "fingerprint"],
        set_={
            **newest,
            "pull_id": new.pull_id,
            "position": new.position,
            "row_version": func.greatest(RejectedRow.row_version, new.row_version),
            "times": RejectedRow.times + case((RejectedRow.pull_id == new.pull_id, 0), else_=1),
            "seen_at": func.greatest(RejectedRow.seen_at, new.seen_at),
            "state": moves,
            "changed_at": case((has_moved, new.changed_at), else_=RejectedRow.changed_at),
            "changed_by": case((has_moved, new.changed_by), else_=RejectedRow.changed_by),
            "note": case((has_moved, new.note), else_=RejectedRow.note),
        },
    )


def counts(session: Session) -> dict[str, dict[str, int]]:
    """Return how many entries each source has in each state; the database sums them up, for anybody."""
    found: dict[str, dict[str, int]] = {}
    for source, state, entries in session.execute(_COUNTS):
        found.setdefault(source, dict.fromkeys(STATES, 0))[state] = entries
    return found
