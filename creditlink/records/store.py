"""The fact store: deliveries in, record sets as of a day out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import polars as pl
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Uuid

from creditlink.engine.facts.frames import (
    CATEGORY_FRAMES,
    FRAME_CATEGORY,
    FRAME_KEYS,
    FRAME_SCHEMAS,
    RecordSet,
    empty,
)
from creditlink.engine.facts.meters import sum_service_points
from creditlink.engine.facts.occasions import join_events, sum_occasions
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, evidence_of, supplies_apart
from creditlink.kit.clock import start_of_day
from creditlink.records.pulls.delivery import Delivery, Fact
from creditlink.records.rejections import queue

_INSERT = text("""
    INSERT INTO facts (enterprise_id, category, frame, period, subkey, "values", version, complete, known_at,
                       content_hash, source, pull_id, recorded_at)
    SELECT :enterprise_id, u.category, u.frame, u.period, u.subkey, u.body::jsonb, u.version, u.complete, u.known_at,
           u.content_hash, :source, :pull_id, :recorded_at
    FROM unnest(CAST(:categories AS text[]), CAST(:frames AS text[]), CAST(:periods AS date[]),
                CAST(:subkeys AS text[]), CAST(:bodies AS text[]), CAST(:versions AS bigint[]),
                CAST(:completes AS boolean[]), CAST(:known_ats AS timestamptz[]), CAST(:hashes AS bytea[]))
         AS u(category, frame, period, subkey, body, version, complete, known_at, content_hash)
    ON CONFLICT (enterprise_id, frame, period, subkey, content_hash) DO NOTHING
""")

# Of the rows of one key, the highest version known on that day counts; of two deliveries of one version,
# the complete one, then the one that was stored last.
_READ = text("""
    SELECT DISTINCT ON (enterprise_id, frame, period, subkey)
           id, enterprise_id, category, frame, period, subkey, "values"::text AS body,
           (known_at AT TIME ZONE 'Asia/Shanghai')::date AS known_on, content_hash
    FROM facts
    WHERE enterprise_id = ANY(:enterprise_ids) AND frame = ANY(:frames) AND category = ANY(:categories)
      AND (period >= :since OR category = ANY(:public)) AND period <= :as_of AND known_at < :known_before
    ORDER BY enterprise_id, frame, period, subkey, version DESC, known_at DESC, complete DESC, id DESC
""").bindparams(bindparam("enterprise_ids", type_=ARRAY(Uuid)))

# Of a firm's entries in the registry, those known and in force on that day, the newest in force; for a day before all
# of them, the first that was known: nobody can have read an earlier one.
_REGISTERED = text("""
    SELECT DISTINCT ON (enterprise_id) enterprise_id, industry, region, entity_type, status, established_on,
           registered_capital_fen, paid_in_capital_fen, linked_struck_off
    FROM (SELECT *, known_at < :known_before AND valid_from <= :as_of AS held
          FROM registrations WHERE enterprise_id = ANY(:enterprise_ids)) AS entries
    ORDER BY enterprise_id, held DESC, CASE WHEN held THEN valid_from END DESC, CASE WHEN held THEN known_at END DESC,
             CASE WHEN held THEN id END DESC, known_at, id
""").bindparams(bindparam("enterprise_ids", type_=ARRAY(Uuid)))

_READ_AGAIN = text("""
    SELECT id, enterprise_id, category, frame, period, subkey, "values"::text AS body,
           (known_at AT TIME ZONE 'Asia/Shanghai')::date AS known_on, content_hash
    FROM facts WHERE id = ANY(:ids) AND enterprise_id = ANY(:enterprise_ids)
    ORDER BY enterprise_id, frame, period, subkey
""").bindparams(bindparam("enterprise_ids", type_=ARRAY(Uuid)), bindparam("ids", type_=ARRAY(BigInteger)))

# The column that the first part of the sub-key holds.
_SUBKEY = {
    "income_tax_returns": "kind",
    "invoice_months": "direction",
    "tax_events": "kind",
    "meter_months": "kind",
    "credit_events": "kind",
    "property_grants": "kind",
    "customs_months": "direction",
}

# Of these frames an office may hold several facts of one key, which indicators read as one row.
_JOINED = {
    "meter_months": sum_service_points,
    "vat_declarations": sum_occasions,
    "tax_events": join_events,
    "credit_events": join_events,
}

_EMPTY = {name: empty(name) for name in FRAME_SCHEMAS}


class StoredFact(NamedTuple):
    """A fact as the queries above return it."""

    id: int
    enterprise_id: UUID
    category: str
    frame: str
    period: date
    subkey: str
    body: str
    known_on: date
    content_hash: bytes


@dataclass(frozen=True)
class Inputs:
    """What a profile is computed from, and what identifies it: for replay, byte by byte."""

    records: RecordSet
    fact_ids: tuple[int, ...]
    sha256: str
    periods: Mapping[str, Sequence[date]]  # category -> the period of each fact that was read


def content_hash(fact: Fact) -> bytes:
    """Return the SHA-256 that tells one version of a fact from another."""
    body = [fact.frame, fact.period.isoformat(), fact.subkey, fact.version, fact.known_at.isoformat(), fact.values]
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).digest()


def save_facts(
    session: Session,
    facts: Sequence[Fact],
    *,
    enterprise_id: UUID,
    source: str,
    pull_id: UUID | None,
    now: datetime,
) -> int:
    """Store facts; return how many were new. Facts known already add nothing."""
    if not facts:
        return 0
    result = session.execute(
        _INSERT,
        {
            "enterprise_id": enterprise_id,
            "source": source,
            "pull_id": pull_id,
            "recorded_at": now,
            "categories": [fact.category for fact in facts],
            "frames": [fact.frame for fact in facts],
            "periods": [fact.period for fact in facts],
            "subkeys": [fact.subkey for fact in facts],
            "bodies": [json.dumps(fact.values, separators=(",", ":")) for fact in facts],
            "versions": [fact.version for fact in facts],
            "completes": [fact.complete for fact in facts],
            "known_ats": [min(fact.known_at, now) for fact in facts],
            "hashes": [content_hash(fact) for fact in facts],
        },
    )
    return int(result.rowcount)  # type: ignore[attr-defined]  # of a cursor result


def save_delivery(session: Session, delivery: Delivery, *, enterprise_id: UUID, pull_id: UUID, now: datetime) -> int:
    """Store a delivery: its facts, and in the queue the rows kept aside; return how many facts were new."""
    queue.take_in(session, delivery, enterprise_id=enterprise_id, pull_id=pull_id, now=now)
    return save_facts(
        session, delivery.facts, enterprise_id=enterprise_id, source=delivery.source, pull_id=pull_id, now=now
    )


def record_sets(
    session: Session,
    enterprise_ids: Sequence[UUID],
    *,
    categories: Collection[str],
    since: date,
    as_of: date,
) -> RecordSet:
    """Return what was known of the firms on `as_of`: see `read_inputs`."""
    return read_inputs(session, enterprise_ids, categories=categories, since=since, as_of=as_of).records


def read_inputs(
    session: Session,
    enterprise_ids: Sequence[UUID],
    *,
    categories: Collection[str],
    since: date,
    as_of: date,
    only: Collection[int] | None = None,
    uploaded: Sequence[StoredFact] = (),
) -> Inputs:
    """Return the facts of the granted categories, and public ones, as they were known on a day.

    Parameters
    ----------
    enterprise_ids : the firms; `firm` in the frames is the place in this list.
    categories : what was granted; facts of other categories are not read, but public ones always are.
    since : first month of the look-back; the periods returned are in [month of `since`, `as_of`]. It does not bound
        public records: who was listed years ago may be on the list today.
    as_of : the day (Asia/Shanghai) whose knowledge counts; corrections known by then are applied.
    only : ids of facts of an earlier read; exactly those are read again, whatever came since.
    uploaded : facts of the firm's own files, for periods of which no office has spoken: they are no `fact_ids`, which
        are the offices'.

    Raises
    ------
    KeyError
        A firm is not in the registry.
    """
    registration = _registration(session, enterprise_ids, as_of)
    opened = [c for c in dict.fromkeys((*supplies_apart(categories), *PUBLIC_CATEGORIES)) if c != "registration"]
    frames = sorted({frame for category in opened for frame in CATEGORY_FRAMES.get(evidence_of(category), ())})
    if only is not None:
        again = session.execute(_READ_AGAIN, {"ids": list(only), "enterprise_ids": list(enterprise_ids)})
        rows = [row for row in map(StoredFact._make, again) if row.category in opened]
    else:
        bounds = {
            "enterprise_ids": list(enterprise_ids),
            "frames": frames,
            "categories": opened,
            "public": list(PUBLIC_CATEGORIES),
            "since": since.replace(day=1),
            "as_of": as_of,
            "known_before": start_of_day(as_of + timedelta(days=1)),
        }
        rows = [*map(StoredFact._make, session.execute(_READ, bounds))]
    periods: dict[str, list[date]] = {}
    together = [*rows, *uploaded]
    for row in together:
        periods.setdefault(row.category, []).append(row.period)
    return Inputs(
        records=_record_set(registration, together, enterprise_ids),
        fact_ids=tuple(row.id for row in rows),
        sha256=inputs_hash(registration, (row.content_hash for row in together)),
        periods=periods,
    )


def facts_in_force(session: Session, enterprise_id: UUID, frames: Sequence[str], *, as_of: date) -> list[StoredFact]:
    """Return what offices said of a firm in some frames, as it was known on a day and the viewer may see it."""
    bounds = {
        "enterprise_ids": [enterprise_id],
        "frames": list(frames),
        "categories": sorted({FRAME_CATEGORY[frame] for frame in frames}),
        "public": [],
        "since": date.min,
        "as_of": as_of,
        "known_before": start_of_day(as_of + timedelta(days=1)),
    }
    return [*map(StoredFact._make, session.execute(_READ, bounds))]


def inputs_hash(registration: pl.DataFrame, hashes: Iterable[bytes]) -> str:
    """Return the SHA-256 over the registration and the hashes of the facts, whatever their order."""
    sha = hashlib.sha256(json.dumps(registration.rows(), default=str, separators=(",", ":")).encode())
    for one in sorted(bytes(h) for h in hashes):
        sha.update(one)
    return sha.hexdigest()


def _registration(session: Session, enterprise_ids: Sequence[UUID], as_of: date) -> pl.DataFrame:
    bounds = {
        "enterprise_ids": list(enterprise_ids),
        "as_of": as_of,
        "known_before": start_of_day(as_of + timedelta(days=1)),
    }
    found = {row[0]: row[1:] for row in session.execute(_REGISTERED, bounds)}
    rows = [(index, *found[enterprise_id]) for index, enterprise_id in enumerate(enterprise_ids)]
    return pl.DataFrame(rows, schema=FRAME_SCHEMAS["registration"], orient="row")


def _record_set(registration: pl.DataFrame, rows: Sequence[StoredFact], enterprise_ids: Sequence[UUID]) -> RecordSet:
    firm_of = {enterprise_id: index for index, enterprise_id in enumerate(enterprise_ids)}
    by_frame: dict[str, list[StoredFact]] = {}
    for row in rows:
        by_frame.setdefault(row.frame, []).append(row)
    frames = {name: _frame(name, found, firm_of) for name, found in by_frame.items()}
    return RecordSet(**_EMPTY | frames | {"registration": registration})


def _frame(name: str, rows: list[StoredFact], firm_of: dict[UUID, int]) -> pl.DataFrame:
    schema = FRAME_SCHEMAS[name]
    # All bodies in one document: the parser is called once, not once a row.
    bodies = json.loads(f"[{','.join([row.body for row in rows])}]")
    columns: dict[str, list[object]] = {}
    for column in schema:
        if column == "firm":
            columns[column] = [firm_of[row.enterprise_id] for row in rows]
        elif column == "period":
            columns[column] = [row.period for row in rows]
        elif column == "known_on":
            columns[column] = [row.known_on for row in rows]
        elif column == _SUBKEY.get(name):
            columns[column] = [row.subkey.partition("/")[0] for row in rows]
        elif schema[column] == pl.Date:
            columns[column] = [None if (v := body.get(column)) is None else date.fromisoformat(v) for body in bodies]
        else:
            columns[column] = [body.get(column) for body in bodies]
    frame = pl.DataFrame(columns, schema=schema)
    join = _JOINED.get(name)
    if join is None:
        return frame
    repeated = len(set(zip(*(columns[key] for key in FRAME_KEYS[name]), strict=True))) < len(rows)
    return join(frame) if repeated or "occasion" in columns.get("filing", ()) else frame
