"""What a connector hands back: typed facts, rows kept aside, and how each resource answered."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, TypedDict

from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.engine.facts.catalogue_items import ITEMS
from creditlink.engine.facts.frames import FRAME_CATEGORY
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, UTILITY
from creditlink.kit.files.text import printable

Status = Literal["READY", "PENDING", "DELIVERED", "PARTIAL", "NO_RECORD", "DENIED", "TIMEOUT", "DOWN"]
"""READY: queued, not asked yet. PENDING: being asked. The others are answers."""

OPEN_STATUSES: tuple[Status, ...] = ("READY", "PENDING")
ANSWERED: tuple[Status, ...] = ("DELIVERED", "PARTIAL", "NO_RECORD", "DENIED", "TIMEOUT", "DOWN")
FAILED: tuple[Status, ...] = ("DENIED", "TIMEOUT", "DOWN")

# From the value of a rejected field, enough to find it at the source and no more.
EXCERPT_LENGTH = 60


FactValue = str | int | float | bool | None
"""What a column of a fact holds: JSON's scalars."""


class StoredResult(TypedDict):
    """How one resource of a source answered, as stored with the pull."""

    status: Status
    rows: int
    total: int | None
    rejected: int
    pages: int
    error: str | None
    withheld_months: list[str]


class StoredSignatures(TypedDict):
    """What is kept of the signatures over a source's answers, as stored with the pull."""

    key_ids: list[str]
    answers: int
    sha256: str  # over the SHA-256 of each signature, in the order they came


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of a record frame as an office knew it from `known_at` on.

    `subkey` is what identifies the fact beside enterprise, frame and period (direction, meter and
    service point, event). `values` holds the frame's remaining columns in JSON types: days as ISO
    text. `complete` is False where rows that belong to this aggregate were kept aside.
    """

    frame: str
    period: date
    subkey: str
    values: dict[str, FactValue]
    known_at: datetime
    version: int = 0
    complete: bool = True

    @property
    def category(self) -> str:
        """Return the category that a consent must open: of a meter, its supply."""
        category = FRAME_CATEGORY[self.frame]
        return self.subkey.partition("/")[0] if category == UTILITY else category


@dataclass(frozen=True, slots=True)
class RowId:
    """What tells a row of an office from its others, as far as that reads."""

    record_id: str | None
    version: int | None
    sha256: str  # of the row as it came


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken in: where it is, which field, its value, and why."""

    source: str
    resource: str
    position: str
    field: str
    excerpt: str
    reason: str
    row: RowId | None = None

    @classmethod
    def of(
        cls,
        source: str,
        resource: str,
        position: str,
        field: str,
        value: object,
        reason: str,
        *,
        row: RowId | None = None,
    ) -> Reject:
        """Build one, keeping only an excerpt of the value. With its `row` it is known again, wherever it stands."""
        # A text as it is; of anything else, which may be nested without end, no more than a glimpse.
        text = "" if value is None else value if isinstance(value, str) else reprlib.repr(value)
        return cls(source, resource, position, field, printable(text[:EXCERPT_LENGTH]), reason, row)


@dataclass(slots=True)
class ResourceResult:
    """How one resource of a source answered. `total` is what the office says it holds in the range."""

    status: Status = "DELIVERED"
    rows: int = 0
    total: int | None = None
    rejected: int = 0
    pages: int = 0
    error: str | None = None
    withheld_months: list[str] = field(default_factory=list)

    def as_json(self) -> StoredResult:
        """Return it as stored with the pull."""
        return {
            "status": self.status,
            "rows": self.rows,
            "total": self.total,
            "rejected": self.rejected,
            "pages": self.pages,
            "error": self.error,
            "withheld_months": self.withheld_months,
        }


@dataclass(slots=True)
class Delivery:
    """What one source gave for one firm."""

    source: str
    facts: list[Fact] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    resources: dict[str, ResourceResult] = field(default_factory=dict)
    digest: str = ""  # SHA-256 over the raw answers; the answers themselves are not kept
    signatures: StoredSignatures | None = None  # of a source that signs
    accepted: dict[str, dict[str, int]] = field(
        default_factory=dict
    )  # resource -> record id -> newest version that read

    def accept(self, resource: str, row: RowId) -> None:
        """Note that a row read: it puts right what was rejected of its record before."""
        if row.record_id is not None:
            known = self.accepted.setdefault(resource, {})
            known[row.record_id] = max(known.get(row.record_id, 0), row.version or 0)

    @property
    def status(self) -> Status:
        """Return the source's status from those of its resources."""
        return overall(result.status for result in self.resources.values())

    @property
    def error(self) -> str | None:
        """Return what went wrong, resource by resource."""
        found = [f"{name}: {result.error}" for name, result in self.resources.items() if result.error]
        return "; ".join(found) or None

    @property
    def rows(self) -> int:
        """Return how many rows of the office were read."""
        return sum(result.rows for result in self.resources.values())

    @property
    def total(self) -> int | None:
        """Return how many rows the office says it holds in the range, if it said so."""
        said = [result.total for result in self.resources.values() if result.total is not None]
        return sum(said) if said else None

    def as_evidence(self) -> dict[str, object]:
        """Return what evidence says of it: how many facts of which frames with which columns arrived, or why none did.

        `categories` are those of which facts arrived, never those that were merely asked for; `by_law` says which of
        them no firm grants, and by which law they are read.
        """
        facts: dict[str, int] = {}
        for fact in self.facts:
            facts[fact.frame] = facts.get(fact.frame, 0) + 1
        found: dict[str, object] = {
            "source": self.source,
            "rows": self.rows,
            "categories": sorted({fact.category for fact in self.facts}),
            "facts": dict(sorted(facts.items())),
            "fields": {frame: [item.name for item in ITEMS[frame]] for frame in sorted(facts)},
        }
        public = {c for c in PUBLIC_CATEGORIES if any(fact.category == c for fact in self.facts)}
        if public:
            found["by_law"] = {category: CATEGORIES[category].legal_basis_en for category in sorted(public)}
        if self.signatures:
            found["signatures"] = self.signatures
        return found | ({"error": self.error} if self.error else {})

    @classmethod
    def failed(cls, source: str, status: Status, error: str) -> Delivery:
        """Build the answer of a source that could not be asked at all."""
        return cls(source, resources={"*": ResourceResult(status=status, error=error)})


def overall(statuses: Iterable[Status]) -> Status:
    """Return one status for several resources: whatever arrived counts, whatever is missing shows.

    All alike: that one. Some delivered and the others without a record: DELIVERED, since a firm
    need not have every kind of record. Some delivered and others failed: PARTIAL. Nothing
    delivered: the failure, before NO_RECORD.
    """
    seen = set(statuses)
    if not seen:
        return "NO_RECORD"
    if len(seen) == 1:
        return seen.pop()
    arrived = seen & {"DELIVERED", "PARTIAL"}
    worst_first: tuple[Status, ...] = ("DOWN", "TIMEOUT", "DENIED")
    failures = [status for status in worst_first if status in seen]
    if arrived:
        return "PARTIAL" if failures or "PARTIAL" in seen else "DELIVERED"
    return failures[0]
