"""What the registry says of a firm besides what a score reads: versions with both clocks, written and read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import Uuid

from creditlink.enterprises.registry.tables import RegistryItem, RegistryVersion
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import day_of

KINDS = ("name", "uscc", "representative", "address", "shareholder", "branch", "guarantee", "listing")
LISTED, UNLISTED = "listed", "unlisted"

# Of each kind the version newest in force on the day, and of two for one day the one learned last.
_HELD = text("""
    SELECT v.enterprise_id, v.kind, v.valid_from, v.known_at, i.name, i.uscc, i.person_key, i.share_bps, i.amount_fen
    FROM (SELECT DISTINCT ON (enterprise_id, kind) id, enterprise_id, kind, valid_from, known_at
          FROM registry_versions
          WHERE enterprise_id = ANY(:enterprise_ids) AND kind = ANY(:kinds)
            AND valid_from <= :day AND known_at <= :known_at
          ORDER BY enterprise_id, kind, valid_from DESC, known_at DESC, id DESC) AS v
    LEFT JOIN registry_items i ON i.version_id = v.id
    ORDER BY v.enterprise_id, v.kind, i.place
""").bindparams(bindparam("enterprise_ids", type_=ARRAY(Uuid)))


class RegisteredItem(NamedTuple):
    """An entry of a version, without its place in it."""

    name: str
    uscc: str | None = None
    person_key: str | None = None
    share_bps: int | None = None
    amount_fen: int | None = None


@dataclass(frozen=True)
class Version:
    """What was said of one kind, and from which day on."""

    valid_from: date
    known_at: datetime
    items: tuple[RegisteredItem, ...]


def held(
    session: Session,
    enterprise_ids: Collection[UUID],
    *,
    day: date,
    known_at: datetime,
    kinds: Sequence[str] = KINDS,
) -> dict[UUID, dict[str, Version]]:
    """Return for each firm, by kind, what was in force on a day as it was known at an instant."""
    bounds = {"enterprise_ids": list(enterprise_ids), "kinds": list(kinds), "day": day, "known_at": known_at}
    found: dict[UUID, dict[str, Version]] = {}
    for firm, kind, valid_from, known, name, *rest in session.execute(_HELD, bounds):
        of_firm = found.setdefault(firm, {})
        before = of_firm[kind].items if kind in of_firm else ()
        items = before if name is None else (*before, RegisteredItem(name, *rest))
        of_firm[kind] = Version(valid_from, known, items)
    return found


class NewVersion(NamedTuple):
    """A version to append."""

    enterprise_id: UUID
    kind: str
    items: tuple[RegisteredItem, ...]
    valid_from: date
    known_at: datetime
    load_id: UUID | None


def append(session: Session, new: Sequence[NewVersion]) -> None:
    """Append versions, in their order: of two for one day the later one counts."""
    versions = [
        RegistryVersion(
            enterprise_id=one.enterprise_id,
            kind=one.kind,
            valid_from=one.valid_from,
            known_at=one.known_at,
            load_id=one.load_id,
        )
        for one in new
    ]
    session.add_all(versions)
    session.flush()  # all in one statement: their ids are needed
    session.add_all(
        RegistryItem(
            version_id=version.id, place=place, enterprise_id=one.enterprise_id, kind=one.kind, **item._asdict()
        )
        for version, one in zip(versions, new, strict=True)
        for place, item in enumerate(one.items)
    )
    session.flush()


def beginning(enterprise: Enterprise, kind: str, value: str) -> NewVersion:
    """Return what was so from the firm's beginning: it is appended before the first change of it."""
    known = enterprise.created_at
    item = RegisteredItem(value, value if kind == "uscc" else None)
    day = min(enterprise.established_on or day_of(known), day_of(known))
    return NewVersion(enterprise.id, kind, (item,), day, known, None)


@dataclass(frozen=True)
class NamedFirm:
    """A firm as the registry named it on a day."""

    uscc: str
    name: str
    former_names: tuple[str, ...]
    former_usccs: tuple[str, ...]
    is_listed: bool
    kinds: Mapping[str, Version]


_EARLIER = text("""
    SELECT DISTINCT ON (v.kind, i.name) v.kind, i.name, v.valid_from
    FROM registry_versions v JOIN registry_items i ON i.version_id = v.id
    WHERE v.enterprise_id = :enterprise_id AND v.kind IN ('name', 'uscc')
      AND v.valid_from <= :day AND v.known_at <= :known_at
    ORDER BY v.kind, i.name, v.valid_from DESC
""")


def named_on(session: Session, enterprise: Enterprise, *, day: date, known_at: datetime) -> NamedFirm:
    """Return how the registry named a firm on a day, as it was known at an instant; names it had until then too.

    A firm that never changed its name is named as it is; for a day before all that is known, as it was known first.
    """
    kinds = held(session, [enterprise.id], day=day, known_at=known_at).get(enterprise.id, {})
    bounds = {"enterprise_id": enterprise.id, "day": day, "known_at": known_at}
    rows = sorted(session.execute(_EARLIER, bounds), key=lambda row: row.valid_from)
    named = {kind: kinds[kind].items[0].name for kind in ("name", "uscc") if kind in kinds}
    for kind in ("name", "uscc"):
        if kind not in named:
            named[kind] = _first(session, enterprise, kind)
    return NamedFirm(
        uscc=named["uscc"],
        name=named["name"],
        former_names=tuple(row.name for row in rows if row.kind == "name" and row.name != named["name"]),
        former_usccs=tuple(row.name for row in rows if row.kind == "uscc" and row.name != named["uscc"]),
        is_listed="listing" not in kinds or kinds["listing"].items[0].name == LISTED,
        kinds=kinds,
    )


_FIRST = text("""
    SELECT i.name FROM registry_versions v JOIN registry_items i ON i.version_id = v.id
    WHERE v.enterprise_id = :enterprise_id AND v.kind = :kind ORDER BY v.known_at, v.id LIMIT 1
""")


def _first(session: Session, enterprise: Enterprise, kind: str) -> str:
    first: str | None = session.scalar(_FIRST, {"enterprise_id": enterprise.id, "kind": kind})
    return first or (enterprise.name if kind == "name" else enterprise.uscc)


_FORMER = text("""
    SELECT i.uscc, i.enterprise_id FROM registry_items i
    WHERE i.kind = 'uscc' AND i.uscc = ANY(CAST(:codes AS text[]))
""")


def by_former_codes(session: Session, codes: Collection[str]) -> dict[str, UUID]:
    """Return the firms that once had these codes: old code -> firm."""
    return dict(session.execute(_FORMER, {"codes": sorted(codes)}).all())
