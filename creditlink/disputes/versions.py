"""The version of a datum that is in force: what a source's fact says, or the register's entry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Interval, literal, or_, select
from sqlalchemy.orm import Session

from creditlink.disputes.rules import registration
from creditlink.disputes.rules.datum import Datum, entry_of
from creditlink.disputes.rules.registration import ENTRIES, RegistrationEntry, Stored
from creditlink.disputes.rules.states import WATCHED
from creditlink.disputes.tables import Dispute
from creditlink.enterprises.registry import versions as registry
from creditlink.enterprises.registry.tables import RegistryVersion
from creditlink.enterprises.registry.versions import RegisteredItem, Version
from creditlink.enterprises.tables import Enterprise, RegisteredEntry
from creditlink.kit.clock import day_of
from creditlink.kit.files.textfile import canonical_json
from creditlink.records.pulls.delivery import FactValue
from creditlink.records.tables import FactRow

_A_BATCH = timedelta(hours=1)
"""Longer than any batch of the registry takes."""


@dataclass(frozen=True)
class DatumVersion:
    """What a datum says at a moment, and since when that is known."""

    datum: Datum
    category: str
    source: str
    values: Mapping[str, FactValue]
    content_hash: bytes
    known_at: datetime
    fact_id: int | None = None  # None: the register's
    version: int | None = None


def in_force(session: Session, enterprise_id: UUID, datum: Datum, now: datetime) -> DatumVersion | None:
    """Return the version of a firm's datum that is in force, as far as the viewer may see it."""
    if datum.is_registered:
        firm = session.get(Enterprise, enterprise_id)
        return None if firm is None else _registered(session, firm, (ENTRIES[datum.subkey],), now)[0]
    fact = fact_of(session, enterprise_id, datum)
    return None if fact is None else of_fact(fact)


def of_fact(fact: FactRow) -> DatumVersion:
    """Return a stored fact as a version of its datum."""
    datum = Datum(fact.frame, fact.period, fact.subkey)
    return DatumVersion(
        datum, fact.category, fact.source, fact.values, fact.content_hash, fact.known_at, fact.id, fact.version
    )


def registered(session: Session, firm: Enterprise, now: datetime) -> list[DatumVersion]:
    """Return all that the register says of a firm and that can be disputed, entry by entry."""
    return _registered(session, firm, tuple(ENTRIES.values()), now)


def _registered(
    session: Session, firm: Enterprise, entries: Sequence[RegistrationEntry], now: datetime
) -> list[DatumVersion]:
    kinds = [one.kind for one in entries if one.kind is not None]
    known = registry.held(session, [firm.id], day=day_of(now), known_at=now, kinds=kinds) if kinds else {}
    of_firm = known.get(firm.id, {})
    return [_entry(session, firm, one, of_firm.get(one.kind or "")) for one in entries]


def _entry(session: Session, firm: Enterprise, entry: RegistrationEntry, version: Version | None) -> DatumVersion:
    known_at = firm.created_at if version is None else version.known_at
    if entry.kind is None:
        column = getattr(RegisteredEntry, entry.name)
        value = registration.stored(getattr(firm, entry.name))
        same = column.is_(None) if value is None else column == getattr(firm, entry.name)
        query = select(RegisteredEntry.known_at).where(RegisteredEntry.enterprise_id == firm.id, same)
        known_at = session.scalar(query.order_by(RegisteredEntry.known_at).limit(1)) or known_at
    elif entry.kind == "name":
        value = firm.name
    else:
        value = _text(entry, version)
    values: dict[str, FactValue] = {entry.name: value}
    digest = hashlib.sha256(canonical_json(values).encode()).digest()
    return DatumVersion(entry_of(entry.name), registration.FRAME, registration.SOURCE, values, digest, known_at)


def _text(entry: RegistrationEntry, version: Version | None) -> Stored:
    items: tuple[RegisteredItem, ...] = () if version is None else version.items
    if entry.form != "list":
        return items[0].name if items else None
    return registration.lines_of(
        [
            registration.line_of(one.name, share_bps=one.share_bps, amount_fen=one.amount_fen, uscc=one.uscc)
            for one in items
        ]
    )


def fact_of(session: Session, enterprise_id: UUID, datum: Datum) -> FactRow | None:
    """Return the version of a fact that is in force, as far as the viewer may see it."""
    query = select(FactRow).where(*_of_datum(enterprise_id, datum))
    order = (FactRow.version.desc(), FactRow.known_at.desc(), FactRow.complete.desc(), FactRow.id.desc())
    return session.scalars(query.order_by(*order).limit(1)).first()


def facts_of(session: Session, dispute: Dispute) -> list[FactRow]:
    """Return every stored fact of a disputed datum, the first first; none of the register's."""
    if dispute.datum.is_registered:
        return []
    query = select(FactRow).where(*_of_datum(dispute.enterprise_id, dispute.datum))
    return list(session.scalars(query.order_by(FactRow.id)))


def held_since(session: Session, enterprise_id: UUID, version: DatumVersion, now: datetime) -> datetime:
    """Return when the first version of a datum came in; of the register's, when what it says did."""
    if version.fact_id is None:
        return version.known_at
    query = select(FactRow.recorded_at).where(*_of_datum(enterprise_id, version.datum))
    return min(session.scalars(query), default=now)


def _of_datum(enterprise_id: UUID, datum: Datum) -> tuple[ColumnElement[bool], ...]:
    return (
        FactRow.enterprise_id == enterprise_id,
        FactRow.frame == datum.frame,
        FactRow.period == datum.period,
        FactRow.subkey == datum.subkey,
    )


def is_corrected(dispute: Dispute, version: DatumVersion) -> bool:
    """Whether a version says otherwise than the disputed one: in what the firm wants changed, where it said what."""
    if version.content_hash == dispute.said_hash:
        return False
    if dispute.datum.is_registered:
        name = dispute.subkey
        return registration.ends(
            dispute.said.get(name), dispute.wanted, version.values.get(name), name=name,
            is_promised=dispute.verdict == "corrected",
        )  # fmt: skip
    if version.fact_id == dispute.fact_id:
        return False
    columns = dispute.wanted or {**dispute.said, **version.values}
    return any(version.values.get(name) != dispute.said.get(name) for name in columns)


def moved_in_register(session: Session) -> list[Dispute]:
    """Return watched disputes of entries whose firm's registration has changed since they were filed.

    A delivery is known from the moment its batch began, which may be before a dispute that did not see it yet.
    """
    since = Dispute.opened_at - literal(_A_BATCH, Interval)
    newer = (
        select(RegistryVersion.id)
        .where(RegistryVersion.enterprise_id == Dispute.enterprise_id, RegistryVersion.known_at >= since)
        .exists()
    )
    query = (
        select(Dispute)
        .join(Enterprise, Enterprise.id == Dispute.enterprise_id)
        .where(
            Dispute.frame == registration.FRAME, Dispute.state.in_(WATCHED),
            or_(Enterprise.updated_at >= since, newer),
        )
    )  # fmt: skip
    return list(session.scalars(query.order_by(Dispute.opened_at)))
