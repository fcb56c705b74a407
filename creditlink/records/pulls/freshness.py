"""When a source must be asked again: pure rules over what it last answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from creditlink.records.pulls.delivery import FAILED, Status

State = Literal["fresh", "pending", "failed"]


@dataclass(frozen=True)
class LastAnswer:
    """What a source last answered under a consent, and when it last gave something usable."""

    source: str
    status: Status
    finished_at: datetime
    error: str | None = None
    usable_at: datetime | None = None  # when it last answered DELIVERED, PARTIAL or NO_RECORD
    rejected: int = 0  # rows kept aside
    withheld_months: tuple[str, ...] = ()  # months of which invoices were missing
    whole_at: datetime | None = None  # when it last answered in full: DELIVERED or NO_RECORD


@dataclass(frozen=True)
class Patience:
    """How long answers stay good."""

    fresh: timedelta  # a full answer
    partial: timedelta  # one that left rows out
    failed: timedelta  # none


def is_due(answer: LastAnswer | None, patience: Patience, now: datetime) -> bool:
    """Return whether the source is to be asked (again) before its facts are used."""
    if answer is None:
        return True
    if answer.status in FAILED:
        return now >= answer.finished_at + patience.failed
    if answer.status == "PARTIAL":
        return now >= answer.finished_at + min(patience.partial, patience.fresh)
    # Of an answer that was used again counts when the office gave it; where that is long ago since the office may not
    # be asked more often, a moment's rest keeps whoever waits from waiting for ever.
    answered_at = answer.whole_at or answer.finished_at
    return now >= max(answered_at + patience.fresh, answer.finished_at + min(patience.failed, patience.fresh))


def is_stale(answer: LastAnswer, patience: Patience, now: datetime) -> bool:
    """Return whether what the source last gave is older than the category may be."""
    return answer.usable_at is None or now >= answer.usable_at + patience.fresh


def is_whole(answer: LastAnswer, patience: Patience, now: datetime) -> bool:
    """Return whether the source answered in full, and not longer ago than the category's facts may be old."""
    return answer.whole_at is not None and now < answer.whole_at + patience.fresh


def state_of(needed: Mapping[str, LastAnswer | None], due: set[str]) -> State:
    """Return whether a profile can be computed: every source has answered, and one at least with something."""
    if due:
        return "pending"
    answers = [answer for answer in needed.values() if answer is not None]
    if answers and all(answer.usable_at is None for answer in answers):
        return "failed"
    return "fresh"


def later(failures: int, delays: tuple[timedelta, ...]) -> timedelta | None:
    """Return how long the worker waits before its next try by itself; None: it gives up."""
    return delays[failures] if failures < len(delays) else None
