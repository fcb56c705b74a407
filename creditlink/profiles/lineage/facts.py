"""The stored facts that an indicator of a profile read, each with the pull that brought it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, true
from sqlalchemy.orm import Session

from creditlink.engine.explanation.lineage import FrameReading, IndicatorReading, Role, StoredRow
from creditlink.engine.facts.frames import FRAME_KEYS
from creditlink.kit.clock import SHANGHAI
from creditlink.records.pulls.delivery import FactValue
from creditlink.records.pulls.reuse import USABLE
from creditlink.records.tables import FactRow, Pull, PullPart
from creditlink.uploads.tables import UploadedFact

_ENTRY = text("""
    SELECT valid_from, (known_at AT TIME ZONE 'Asia/Shanghai')::date AS known_on
    FROM registrations
    WHERE enterprise_id = :firm AND known_at <= :at
    ORDER BY known_at < :known_before AND valid_from <= :as_of DESC,
             CASE WHEN known_at < :known_before AND valid_from <= :as_of THEN valid_from END DESC,
             CASE WHEN known_at < :known_before AND valid_from <= :as_of THEN known_at END DESC,
             CASE WHEN known_at < :known_before AND valid_from <= :as_of THEN id END DESC, known_at, id
    LIMIT 1
""")
"""The registry's entry that the store reads for a day (`records.store`), with both of its clocks."""

UPLOADED = "uploaded"
"""What stands in place of an office where the firm itself gave a fact."""

_HOW = ("months", "filing")
"""Columns that say how a row is read: the months that it covers, and whether several of a month are added."""


@dataclass(frozen=True)
class OfficeAnswer:
    """How an office last answered, with something usable, before the profile was made."""

    source: str
    pull_id: UUID
    status: str
    finished_at: datetime


@dataclass(frozen=True)
class ReadFact:
    """One fact as the indicator read it: the columns it reads, and where they come from."""

    frame: str
    period: date
    key: Mapping[str, FactValue]  # what identifies it beside firm and period: kind, direction, day of an event
    role: Role  # what it was read for
    values: Mapping[str, FactValue]
    version: int
    complete: bool
    known_on: date
    source: str
    pull: tuple[UUID, datetime | None] | None  # None: it was there before, or another consent's pull brought it


def facts_read(
    session: Session,
    enterprise_id: UUID,
    fact_ids: Sequence[int],
    reading: IndicatorReading,
    *,
    as_of: date,
    consent_id: UUID | None,
    uploaded: Sequence[int] = (),
) -> list[ReadFact]:
    """Return those of a profile's facts that an indicator read, frame by frame, the newest month first.

    Parameters
    ----------
    consent_id : only pulls of this consent are told, as a bank may know; None: all, as the firm itself may.
    uploaded : the ids of those facts that the firm uploaded itself: no pull brought them.
    """
    own: ColumnElement[bool] = true() if consent_id is None else Pull.consent_id == consent_id
    query = (
        select(FactRow, Pull.id, PullPart.finished_at)
        .outerjoin(Pull, (Pull.id == FactRow.pull_id) & own)
        .outerjoin(PullPart, (PullPart.pull_id == Pull.id) & (PullPart.source == FactRow.source))
        .where(
            FactRow.id == func.any(list(fact_ids)),
            FactRow.enterprise_id == enterprise_id,
            FactRow.frame.in_([one.frame for one in reading.frames]),
        )
        .order_by(FactRow.frame, FactRow.period.desc(), FactRow.subkey, FactRow.id)
    )
    there: dict[str, list[tuple[FactRow, tuple[UUID, datetime | None] | None]]] = {}
    for row, pull_id, finished_at in session.execute(query):
        there.setdefault(row.frame, []).append((row, None if pull_id is None else (pull_id, finished_at)))
    for row in _uploaded(session, enterprise_id, uploaded, reading):
        rows = there.setdefault(row.frame, [])
        rows.append((row, None))
        rows.sort(key=lambda one: (-one[0].period.toordinal(), one[0].subkey))
    seen = {one.frame: [_seen(row, one) for row, _ in there.get(one.frame, ())] for one in reading.frames}
    found = []
    for frame, roles in sorted(reading.rows_read(seen, as_of).items()):
        for place, role in roles.items():
            row, pull = there[frame][place]
            found.append(_read(row, reading.of(frame), role, pull))
    return found


def _uploaded(
    session: Session, enterprise_id: UUID, fact_ids: Sequence[int], reading: IndicatorReading
) -> list[FactRow]:
    """Return the firm's own facts in the form of an office's, with what they are in place of a source."""
    query = select(UploadedFact).where(
        UploadedFact.id == func.any(list(fact_ids)),
        UploadedFact.enterprise_id == enterprise_id,
        UploadedFact.frame.in_([one.frame for one in reading.frames]),
    )
    return [
        FactRow(
            id=row.id, enterprise_id=row.enterprise_id, category=row.category, frame=row.frame, period=row.period,
            subkey=row.subkey, values=row.values, version=0, complete=row.complete, known_at=row.known_at,
            source=UPLOADED,
        )
        for row in session.scalars(query)
    ]  # fmt: skip


def _key(row: FactRow) -> dict[str, FactValue]:
    keys = FRAME_KEYS[row.frame][2:]  # beside firm and period; the first of them leads the sub-key
    key: dict[str, FactValue] = {name: row.values.get(name) for name in keys}
    if keys:
        key[keys[0]] = row.subkey.partition("/")[0]
    return key


def _seen(row: FactRow, one: FrameReading) -> StoredRow:
    kind = _key(row).get(one.kind_column) if one.kind_column else None
    covers = row.values.get(one.span_column) if one.span_column else None
    return StoredRow(
        kind=None if kind is None else str(kind), period=row.period, months=int(covers or 1), values=row.values
    )


def _read(row: FactRow, one: FrameReading | None, role: Role, pull: tuple[UUID, datetime | None] | None) -> ReadFact:
    # What a row covers says how it is read, whatever is read of it.
    wanted = (*(name for name in _HOW if name in row.values), *(one.columns if one else ()))
    return ReadFact(
        frame=row.frame,
        period=row.period,
        key=_key(row),
        role=role,
        values={name: row.values.get(name) for name in dict.fromkeys(wanted)},
        version=row.version,
        complete=row.complete,
        known_on=row.known_at.astimezone(SHANGHAI).date(),
        source=row.source,
        pull=pull,
    )


def count_gone(session: Session, enterprise_id: UUID, fact_ids: Sequence[int], uploaded: Sequence[int] = ()) -> int:
    """Return how many of a profile's facts are no longer there: their data life was over."""
    gone = 0
    for table, wanted in ((FactRow, fact_ids), (UploadedFact, uploaded)):
        there = select(func.count()).where(table.id == func.any(list(wanted)), table.enterprise_id == enterprise_id)
        gone += len(set(wanted)) - (session.scalar(there) or 0)
    return gone


def answers_before(
    session: Session, consent_id: UUID, sources: Sequence[str], created_at: datetime
) -> list[OfficeAnswer]:
    """Return how each office last answered under a consent, with something usable, by the time a profile was made."""
    query = (
        select(PullPart.source, Pull.id, PullPart.status, PullPart.finished_at)
        .join(Pull, Pull.id == PullPart.pull_id)
        .where(
            Pull.consent_id == consent_id,
            PullPart.source.in_(sources),
            PullPart.status.in_(USABLE),
            PullPart.finished_at <= created_at,
        )
        .order_by(PullPart.source, PullPart.finished_at.desc(), Pull.id)
    )
    newest: dict[str, OfficeAnswer] = {}
    for source, pull_id, status, finished_at in session.execute(query):
        if finished_at is not None:  # it is, by its condition; for the type checker
            newest.setdefault(source, OfficeAnswer(source, pull_id, status, finished_at))
    return list(newest.values())


def registered_since(
    session: Session, enterprise_id: UUID, *, as_of: date, known_before: datetime, at: datetime
) -> tuple[date, date] | None:
    """Return from when the registry's entry that a profile read holds, and the day since when it was known.

    Parameters
    ----------
    known_before : the first instant after the profile's day.
    at : when the profile was made; what the registry learned later it did not read.
    """
    bounds = {"firm": enterprise_id, "as_of": as_of, "known_before": known_before, "at": at}
    row = session.execute(_ENTRY, bounds).one_or_none()
    return None if row is None else (row.valid_from, row.known_on)
