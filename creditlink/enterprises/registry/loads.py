"""A load of the registry: opened, filled with rows, taken batch by batch, ended. Every step may be repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises.registry import clearing, taking
from creditlink.enterprises.registry.change import ChangeInvalid, FieldFlaw, RegistryChange, change_of, readable_uscc
from creditlink.enterprises.registry.feed_file import FeedRow
from creditlink.enterprises.registry.tables import RegistryLoad, RegistryRow
from creditlink.enterprises.registry.taking import BatchFirms, RowRefused
from creditlink.enterprises.registry.versions import UNLISTED
from creditlink.enterprises.relations import linked
from creditlink.kit import ids, keyring
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.textfile import canonical_json

KINDS = ("full", "incremental")
STATES = ("waiting", "applied", "unchanged", "repeated", "refused")
MOST_UNLISTED_BPS = 500
"""A full list that lacks more than one in twenty of the known firms is a broken list, until somebody says otherwise."""

BATCH = 200
_TAKEN = ("applied", "unchanged")
_TURNS = 7_214_883  # any number, as long as it is the same everywhere: one batch is taken at a time
_PERSONS = "creditlink registry persons"


@dataclass(frozen=True)
class Opening:
    """What a load is to be."""

    source: str
    kind: str
    region: str = ""
    file_sha256: str | None = None
    most_unlisted_bps: int = MOST_UNLISTED_BPS


def open_load(session: Session, wanted: Opening, *, actor: str, now: datetime) -> RegistryLoad:
    """Open a load; one of the same file that was interrupted is gone on with.

    Raises
    ------
    InvalidRequest
        The source or region cannot be.
    """
    errors = []
    if not (1 <= len(wanted.source) <= 64 and wanted.source.isprintable() and " " not in wanted.source):
        errors.append({"pointer": "/source", "detail": "must be 1 to 64 characters without spaces"})
    if wanted.region and not (len(wanted.region) in (2, 4, 6) and wanted.region.isascii() and wanted.region.isdigit()):
        errors.append({"pointer": "/region", "detail": "must be the first 2, 4 or 6 digits of GB/T 2260"})
    elif wanted.region and wanted.kind != "full":
        errors.append({"pointer": "/region", "detail": "is for a full list: what it is complete for"})
    if errors:
        raise InvalidRequest(f"{errors[0]['pointer'][1:]}: {errors[0]['detail']}", errors=errors)
    if wanted.file_sha256 is not None:
        same = {name: getattr(wanted, name) for name in ("source", "kind", "region", "file_sha256")}
        found = session.scalar(select(RegistryLoad).filter_by(**same).where(RegistryLoad.state != "done"))
        if found is not None:
            return found
    load = RegistryLoad(**vars(wanted), state="open", actor=actor, began_at=now)
    session.add(load)
    session.flush()
    return load


def load_of(session: Session, wire_id: str) -> RegistryLoad:
    """Return a load by its id on the wire.

    Raises
    ------
    NotFound
        There is none.
    """
    load = session.get(RegistryLoad, ids.internal("rgl", wire_id))
    if load is None:
        raise NotFound
    return load


def stage(session: Session, load: RegistryLoad, rows: Iterable[FeedRow]) -> None:
    """Add rows to an open load; those whose place is filled are passed over.

    Raises
    ------
    Conflict
        All its rows were there already.
    """
    if load.state != "open":
        raise Conflict(f"{load.wire_id} takes no more rows", reason=load.state)
    values = [_staged(load, row) for row in rows]
    if values:
        session.execute(insert(RegistryRow).on_conflict_do_nothing(), values)


def next_position(session: Session, load: RegistryLoad) -> int:
    """Return the first place without a row, with the load locked, so that two senders do not take the same."""
    session.refresh(load, with_for_update=True)
    last = session.scalar(select(func.max(RegistryRow.position)).where(RegistryRow.load_id == load.id))
    return (last or 0) + 1


def _staged(load: RegistryLoad, row: FeedRow) -> dict[str, object]:
    given = row.members.get("sequence")
    sequence = given[:64] if isinstance(given, str) else ""
    if not sequence and load.kind == "full":
        sequence = f"{load.id.hex[:12]}:{row.line}"  # a whole list need not be numbered
    return {
        "load_id": load.id,
        "position": row.line,
        "source": load.source,
        "sequence": sequence,
        "uscc": readable_uscc(row.members),
        "sha256": hashlib.sha256(canonical_json(row.members).encode()).hexdigest(),
        "body": None if row.flaw else row.members,
        "state": "refused" if row.flaw else "waiting",
        "problems": [row.flaw.to_dict()] if row.flaw else None,
    }


def mark_ready(load: RegistryLoad, now: datetime) -> None:
    """Say that all rows of a load are there."""
    if load.state == "open":
        load.state, load.ready_at = "ready", now


def take_batch(
    session: Session, load: RegistryLoad, *, secret: keyring.Secret, now: datetime, most: int = BATCH
) -> int:
    """Take the next rows of a load into the registry; return how many there were, 0 at the end.

    A row that cannot be taken is kept aside with the reasons, and undoes nothing of the others.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURNS})
    rows = session.scalars(
        select(RegistryRow)
        .where(RegistryRow.load_id == load.id, RegistryRow.state == "waiting")
        .order_by(RegistryRow.position)
        .limit(most)
    ).all()
    if not rows:
        return 0
    changes = dict(_readable(load, rows))
    seen = _seen(session, load, rows)
    firms = taking.firms_of(
        session,
        [*changes.values()],
        load_id=load.id,
        source=load.source,
        person_key=partial(keyring.fingerprint, secret, _PERSONS),
        now=now,
    )
    with session.no_autoflush:  # a batch is written in few statements, not row by row
        evidence = list(_taken(session, load, rows, changes, seen, firms))
    firms.write(session)
    session.flush()
    for enterprise_id, detail in evidence:  # last: each locks the head of a firm's chain
        audit.record(
            session, action="registry.change", result="done", actor=f"registry:{load.source}", now=now,
            enterprise_id=enterprise_id, detail={"load": load.wire_id, **detail},
        )  # fmt: skip
    return len(rows)


def _taken(
    session: Session,
    load: RegistryLoad,
    rows: Sequence[RegistryRow],
    changes: Mapping[int, RegistryChange],
    seen: _Seen,
    firms: BatchFirms,
) -> Iterator[tuple[UUID, dict[str, object]]]:
    """Take the rows that can be read; yield each known firm that one changed, with what its evidence says."""
    for row in rows:
        if row.state == "refused":
            continue
        earlier = seen.sequences.get(row.sequence)
        twin = seen.codes.get(row.uscc or "") if load.kind == "full" else None
        if row.sha256 in (earlier, twin):
            row.state, row.body = "repeated", None
            continue
        if earlier is not None:
            _refuse(row, [FieldFlaw("sequence", row.sequence, "was that of another row already")])
            continue
        change = changes[row.position]
        try:
            if twin is not None:
                problem = "is the code of another row of this full list too"
                raise RowRefused([FieldFlaw("uscc", change.uscc, problem)], firms.by_code.get(change.uscc))
            firm, changed, is_new = taking.take(session, change, firms)
        except RowRefused as refused:
            _refuse(row, refused.flaws)
            if refused.duplicate_of is not None:
                about: dict[str, object] = {
                    "names": [refused.duplicate_of.name, change.name],
                    "established_on": [refused.duplicate_of.established_on, change.registration.get("established_on")],
                    "load": load.wire_id,
                    "row": row.position,
                }
                clearing.note(
                    session, "duplicate", refused.duplicate_of, uscc=change.uscc, now=firms.now,
                    evidence={name: _plain(value) for name, value in about.items()},
                )  # fmt: skip
            continue
        row.state, row.body = "applied" if changed else "unchanged", None
        seen.sequences[row.sequence] = row.sha256
        seen.codes[row.uscc or ""] = row.sha256
        if changed and not is_new:
            day = change.valid_from
            yield firm.id, {"changed": sorted(set(changed)), "valid_from": _plain(day or firms.today)}


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def _readable(load: RegistryLoad, rows: Iterable[RegistryRow]) -> Iterator[tuple[int, RegistryChange]]:
    """Yield the rows that can be read, by their places; refuse the others."""
    for row in rows:
        try:
            change = change_of(row.body or {})
        except ChangeInvalid as invalid:
            _refuse(row, invalid.flaws)
            continue
        if change.sequence is None and load.kind == "incremental":
            _refuse(row, [FieldFlaw("sequence", "", "is missing: a change has the registrar's number")])
            continue
        yield row.position, change


def _refuse(row: RegistryRow, flaws: Iterable[FieldFlaw]) -> None:
    row.state, row.body = "refused", None
    row.problems = [flaw.to_dict() for flaw in flaws]


@dataclass(frozen=True)
class _Seen:
    """What was taken before: number -> digest of its row, and code -> digest of its row in this load."""

    sequences: dict[str, str]
    codes: dict[str, str]


def _seen(session: Session, load: RegistryLoad, rows: Iterable[RegistryRow]) -> _Seen:
    numbers, codes = {row.sequence for row in rows}, {row.uscc for row in rows if row.uscc}
    taken = select(RegistryRow.sequence, RegistryRow.sha256).where(
        RegistryRow.source == load.source, RegistryRow.sequence.in_(numbers), RegistryRow.state.in_(_TAKEN)
    )
    listed = select(RegistryRow.uscc, RegistryRow.sha256).where(
        RegistryRow.load_id == load.id, RegistryRow.uscc.in_(codes), RegistryRow.state.in_(_TAKEN)
    )
    return _Seen(
        dict(session.execute(taken).all()),
        {code: digest for code, digest in session.execute(listed) if code},
    )


# The firms of the region that a full list does not name, by no code that they have or had. What is deregistered has
# left the lists, and who was marked before stays marked.
_LACKING = """
    FROM enterprises e
    WHERE starts_with(e.region, :region) AND e.status <> 'deregistered'
      AND NOT EXISTS (SELECT 1 FROM registry_rows r WHERE r.load_id = :load_id AND r.uscc = e.uscc)
      AND NOT EXISTS (SELECT 1 FROM registry_items i JOIN registry_rows r ON r.load_id = :load_id AND r.uscc = i.uscc
                      WHERE i.enterprise_id = e.id AND i.kind = 'uscc')
      AND 'unlisted' IS DISTINCT FROM (
          SELECT i.name FROM registry_versions v JOIN registry_items i ON i.version_id = v.id
          WHERE v.enterprise_id = e.id AND v.kind = 'listing' ORDER BY v.valid_from DESC, v.known_at DESC, v.id DESC
          LIMIT 1)
"""
_COUNT = text(f"SELECT count(*) {_LACKING}")
_KNOWN = text("SELECT count(*) FROM enterprises WHERE starts_with(region, :region) AND status <> 'deregistered'")
_MARK = text(f"""
    WITH lacking AS (SELECT e.id {_LACKING}),
         marked AS (INSERT INTO registry_versions (enterprise_id, kind, valid_from, known_at, load_id)
                    SELECT id, 'listing', :today, :now, :load_id FROM lacking RETURNING id, enterprise_id)
    INSERT INTO registry_items (version_id, place, enterprise_id, kind, name)
    SELECT id, 0, enterprise_id, 'listing', '{UNLISTED}' FROM marked
""")  # noqa: S608 (constant text)


def finish(session: Session, load: RegistryLoad, *, now: datetime) -> None:
    """End a load of which every row was looked at: mark whom a full list lacks, look for codes to clear, for ties."""
    session.refresh(load, with_for_update=True)
    if load.state == "done":
        return
    if load.kind == "full":
        _unlist(session, load, now)
    clearing.scan(session, now=now)
    linked.derive(session, now=now)
    load.state, load.ended_at = "done", now
    audit.record(
        session, action="registry.load", result="done", actor=load.actor, now=now,
        detail={"load": load.wire_id, "source": load.source, "kind": load.kind, **counts(session, load)},
    )  # fmt: skip


def _unlist(session: Session, load: RegistryLoad, now: datetime) -> None:
    bounds = {"region": load.region, "load_id": load.id}
    nameless = session.scalar(
        select(func.count()).where(
            RegistryRow.load_id == load.id, RegistryRow.state == "refused", RegistryRow.uscc.is_(None)
        )
    )
    lacking, known = session.scalar(_COUNT, bounds) or 0, session.scalar(_KNOWN, bounds) or 0
    load.unlisted = 0
    if nameless:
        load.not_unlisted_because = f"{nameless} rows name no firm that can be read: one of them may be any firm's"
    elif lacking * 10_000 > known * load.most_unlisted_bps:
        share = load.most_unlisted_bps / 100
        load.not_unlisted_because = f"it lacks {lacking} of {known} firms, more than {share:g} %: is it whole?"
    elif lacking:
        session.execute(_MARK, bounds | {"today": day_of(now), "now": now})
        load.unlisted = lacking


def counts(session: Session, load: RegistryLoad) -> dict[str, int]:
    """Return how many rows of a load are in each state."""
    found = select(RegistryRow.state, func.count()).where(RegistryRow.load_id == load.id).group_by(RegistryRow.state)
    by_state = dict(session.execute(found).all())
    return {state: by_state.get(state, 0) for state in STATES}


def as_json(session: Session, load: RegistryLoad) -> dict[str, object]:
    """Return a load as the operator sees it."""
    return {
        "id": load.wire_id,
        "source": load.source,
        "kind": load.kind,
        "region": load.region or None,
        "state": load.state,
        "rows": counts(session, load),
        "unlisted": load.unlisted,
        "not_unlisted_because": load.not_unlisted_because,
        "began_at": load.began_at,
        "ended_at": load.ended_at,
    }


def refused_rows(session: Session, load: RegistryLoad, *, after: int = 0, limit: int = 100) -> list[dict[str, object]]:
    """Return what was kept aside of a load, by place."""
    rows = session.scalars(
        select(RegistryRow)
        .where(RegistryRow.load_id == load.id, RegistryRow.state == "refused", RegistryRow.position > after)
        .order_by(RegistryRow.position)
        .limit(limit)
    )
    return [
        {"row": row.position, "sequence": row.sequence or None, "uscc": row.uscc, "problems": row.problems}
        for row in rows
    ]
