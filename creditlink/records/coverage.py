"""What a profile is computed from and what was missing, category by category.

Not granted, no record, source down and nothing in the range are different answers, and stay so. Categories are those of
consent: of the utilities each supply has its own answer. What is public by law is read under any live consent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Literal, NotRequired, TypedDict

from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.engine.vocabulary import CONSENT_CATEGORIES, PUBLIC_CATEGORIES, supplies_apart
from creditlink.records.pulls import pull
from creditlink.records.pulls.pull import PullState, SourceState
from creditlink.records.store import Inputs, read_inputs

REGISTRY = "registry"
"""Where the registration comes from: CreditLink's own register of firms."""

NOT_REQUESTED = "not_requested"
"""The firm granted the category, and the bank's token was narrowed to others."""

CoverageStatus = Literal[
    "not_granted",
    "not_requested",
    "not_connected",  # no source is connected for the category yet
    "pending",
    "delivered",
    "partial",
    "no_record",
    "denied",
    "timeout",
    "source_down",
    "uploaded",  # no office has answered in full; what the firm uploaded itself fills the gap
]

_STATUS: dict[str, CoverageStatus] = {
    "READY": "pending",
    "PENDING": "pending",
    "DELIVERED": "delivered",
    "PARTIAL": "partial",
    "NO_RECORD": "no_record",
    "DENIED": "denied",
    "TIMEOUT": "timeout",
    "DOWN": "source_down",
}


class UploadedFile(TypedDict):
    """A file of the firm's that a profile draws on, or that an office contradicts."""

    file_hmac: str  # stands for the file's SHA-256; another institution's differs for the same file
    layout: str  # declarations or invoices
    uploaded_on: str
    verdict: str  # uploaded, confirmed or contradicted
    asks_review: bool
    rows: int  # facts that the profile draws on
    first_month: NotRequired[str]  # of what the file says
    last_month: NotRequired[str]


class UploadCoverage(TypedDict):
    """What of a category came from the firm itself."""

    state: str  # uploaded, confirmed or contradicted: the worst of the files
    rows: int  # facts that the profile draws on
    office: str | None  # the source that has not answered in full
    office_status: str  # why
    files: list[UploadedFile]
    text_zh: str
    text_en: str


class CategoryCoverage(TypedDict):
    """What a profile could draw on in one category."""

    granted: bool  # or public by law
    status: str  # one of `CoverageStatus`
    source: str | None
    rows: int  # facts in force on the day
    months: int  # distinct months that they cover
    first_month: NotRequired[str]
    last_month: NotRequired[str]
    fresh_at: NotRequired[str | None]  # when the source last gave something
    stale: NotRequired[bool]
    rejected: NotRequired[int]  # rows kept aside at the last answer
    error: NotRequired[str | None]
    withheld_months: NotRequired[list[str]]  # months of which invoices were missing
    uploads: NotRequired[UploadCoverage]  # where the bank accepts them


def coverage(
    session: Session,
    consent: Consent,
    *,
    as_of: date,
    now: datetime,
    state: PullState | None = None,
    inputs: Inputs | None = None,
    categories: Collection[str] | None = None,
) -> dict[str, CategoryCoverage]:
    """Return, for every category of the catalogue, what the profile could draw on.

    Parameters
    ----------
    state : of the sources; None: it is looked up.
    inputs : the facts that the profile is computed from; None: they are read as the consent opens them on `as_of`.
    categories : those that the bank's token opens; None: all of the consent.
    """
    opened = supplies_apart(consent.categories if categories is None else categories)
    answered = state or pull.state_now(session, consent, now)
    if inputs is None:
        assert consent.enterprise_id is not None  # noqa: S101 (a granted consent names its firm; for the type checker)
        since, _ = pull.look_back(consent, now)
        inputs = read_inputs(session, [consent.enterprise_id], categories=opened, since=since, as_of=as_of)
    found: dict[str, CategoryCoverage] = {}
    for category in CONSENT_CATEGORIES:
        granted = category in opened or category in PUBLIC_CATEGORIES
        entry = CategoryCoverage(granted=granted, status="not_granted", source=None, rows=0, months=0)
        if not granted and category in consent.categories:
            entry["status"] = NOT_REQUESTED
        if category == "registration":
            # CreditLink's own registry: public, and always there.
            entry.update({"status": "delivered", "source": REGISTRY, "rows": 1, "stale": False})
        elif granted:
            name = answered.holders.get(category)
            if periods := inputs.periods.get(category):
                _count(entry, periods)
            _take_answer(entry, name, answered.sources.get(name) if name else None)
        found[category] = entry
    return found


def not_delivered(state: PullState, categories: Collection[str]) -> dict[str, str]:
    """Return those of `categories` that were not delivered -> their status, as in the coverage.

    Delivered is what the source answered in full, and not longer ago than its facts may be old; that it has no record
    of the firm is such an answer. A part of it, a refusal and an outage are not. Nobody can require public records:
    without them a profile says so, and goes on.
    """
    found: dict[str, str] = {}
    for category in sorted(set(categories) - {*PUBLIC_CATEGORIES}):
        name = state.holders.get(category)
        source = state.sources.get(name) if name else None
        if source is None or not source.whole:
            found[category] = _status(name, source)
    return found


def _status(name: str | None, source: SourceState | None) -> CoverageStatus:
    if name is None:
        return "not_connected"
    return "pending" if source is None else _STATUS[source.status]


def _take_answer(entry: CategoryCoverage, name: str | None, source: SourceState | None) -> None:
    entry["status"] = _status(name, source)
    if name is None:
        return
    entry["source"] = name
    if source is None:
        return
    entry["fresh_at"] = source.usable_at.isoformat() if source.usable_at else None
    entry["stale"] = source.stale
    entry["rejected"] = source.rejected
    entry["error"] = source.error
    if source.withheld_months:
        entry["withheld_months"] = list(source.withheld_months)


def _count(entry: CategoryCoverage, periods: Sequence[date]) -> None:
    entry["rows"] = len(periods)
    entry["months"] = len(set(periods))
    entry["first_month"] = f"{min(periods):%Y-%m}"
    entry["last_month"] = f"{max(periods):%Y-%m}"
