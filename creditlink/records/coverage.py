"""What a profile is computed from and what was missing, category by category.

Not granted, no record, source down and nothing in the range are different answers, and stay so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.engine.facts.frames import CATEGORY_FRAMES
from creditlink.records import sources
from creditlink.records.pulls import pull
from creditlink.records.pulls.pull import PullState, SourceState
from creditlink.records.store import Inputs, read_inputs

NOT_REQUESTED = "not_requested"
"""The firm granted the category, and the bank's token was narrowed to others."""

CoverageStatus = Literal[
    "not_granted",
    "not_requested",
    "not_connected",  # no office is connected for the category yet
    "pending",
    "delivered",
    "partial",
    "no_record",
    "denied",
    "timeout",
    "source_down",
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


def coverage(
    session: Session,
    consent: Consent,
    *,
    as_of: date,
    now: datetime,
    state: PullState | None = None,
    inputs: Inputs | None = None,
    categories: Collection[str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return, for every category of the catalogue, what the profile could draw on.

    Each entry: `granted`, `status`, `source`, `rows` (facts that hold on `as_of`), `months` (distinct
    months they cover), `first_month`, `last_month`, `fresh_at` (when the source last gave something), `stale`,
    `rejected` (rows kept aside at the last answer), `error` and, where invoices were missing, `withheld_months`.

    Parameters
    ----------
    state : how the sources stand; None: it is looked up.
    inputs : the facts that the profile is computed from; None: what the consent opens on `as_of` is read.
    categories : those that the bank's token opens; None: all of the consent.
    """
    opened = consent.categories if categories is None else categories
    held = state or pull.state_now(session, consent, now)
    if inputs is None:
        assert consent.enterprise_id is not None  # noqa: S101 (a granted consent names its firm; for the type checker)
        since, _ = pull.look_back(consent, now)
        inputs = read_inputs(session, [consent.enterprise_id], categories=opened, since=since, as_of=as_of)
    config = sources.current().config
    found: dict[str, dict[str, Any]] = {}
    for category in CATEGORY_FRAMES:
        granted = category in opened or category == "registration"
        entry: dict[str, Any] = {"granted": granted, "status": "not_granted", "source": None, "rows": 0, "months": 0}
        if not granted and category in consent.categories:
            entry["status"] = NOT_REQUESTED
        if category == "registration":
            # CreditLink's own registry: public, and always there.
            entry |= {"status": "delivered", "source": "registry", "rows": 1, "stale": False}
        elif granted:
            name = config.of_category(category)
            entry |= _counts(periods) if (periods := inputs.periods.get(category)) else {}
            entry |= _answer(name, held.sources.get(name) if name else None)
        found[category] = entry
    return found


def not_delivered(state: PullState, categories: Collection[str]) -> dict[str, str]:
    """Return those of `categories` that were not delivered -> how they stand, as in the coverage.

    Delivered is what the source answered in full, and not longer ago than its facts may be old; that it has no record
    of the firm is such an answer. A part of it, a refusal and an outage are not.
    """
    config = sources.current().config
    found: dict[str, str] = {}
    for category in sorted(set(categories) - {"registration"}):
        name = config.of_category(category)
        held = state.sources.get(name) if name else None
        if held is None or not held.whole:
            found[category] = str(_answer(name, held)["status"])
    return found


def _answer(name: str | None, state: SourceState | None) -> dict[str, Any]:
    if name is None:
        return {"status": "not_connected"}
    if state is None:
        return {"status": "pending", "source": name}
    answer: dict[str, Any] = {
        "status": _STATUS[state.status],
        "source": name,
        "fresh_at": state.usable_at.isoformat() if state.usable_at else None,
        "stale": state.stale,
        "rejected": state.rejected,
        "error": state.error,
    }
    return answer | ({"withheld_months": list(state.withheld_months)} if state.withheld_months else {})


def _counts(periods: Sequence[date]) -> dict[str, Any]:
    return {
        "rows": len(periods),
        "months": len(set(periods)),
        "first_month": f"{min(periods):%Y-%m}",
        "last_month": f"{max(periods):%Y-%m}",
    }
