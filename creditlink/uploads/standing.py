"""What an office has said of the periods that firms upload, as far as the transaction's viewer may see it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.kit.clock import day_of
from creditlink.records.pulls.delivery import FactValue, StoredResult
from creditlink.records.store import StoredFact, facts_in_force
from creditlink.records.tables import Pull, PullPart
from creditlink.uploads.comparison import FRAMES, OfficeSaid, PeriodFact
from creditlink.uploads.tables import UploadedFact

CATEGORY = "tax"
"""The category whose records a firm may upload."""

_WHOLE = ("DELIVERED", "NO_RECORD")


def office_facts(session: Session, enterprise_id: UUID, *, as_of: date) -> list[PeriodFact]:
    """Return the office's declarations and months of invoices as they were known on a day."""
    rows = facts_in_force(session, enterprise_id, FRAMES, as_of=as_of)
    return [_period_fact(row.id, row.frame, row.subkey, row.period, json.loads(row.body)) for row in rows]


def office_answers(session: Session, enterprise_id: UUID, sources: Collection[str]) -> list[OfficeSaid]:
    """Return when the offices of the category answered in full, from which month on.

    Parameters
    ----------
    sources : the names of the offices that hold the category
    """
    answered_at = func.coalesce(PullPart.answered_at, PullPart.finished_at)
    query = (
        select(Pull.since, answered_at, PullPart.resources)
        .join(PullPart, PullPart.pull_id == Pull.id)
        .where(
            Pull.enterprise_id == enterprise_id,
            PullPart.source.in_(sorted(sources)),
            PullPart.status.in_(_WHOLE),
            PullPart.finished_at.is_not(None),
        )
        .order_by(answered_at, Pull.id)
    )
    return [OfficeSaid(since, day_of(at), _withheld(resources)) for since, at, resources in session.execute(query)]


def uploaded_fact(row: UploadedFact) -> PeriodFact:
    """Return an uploaded fact by its months."""
    return _period_fact(row.id, row.frame, row.subkey, row.period, row.values)


def as_stored(rows: Sequence[UploadedFact]) -> list[StoredFact]:
    """Return uploaded facts as the store reads an office's."""
    return [
        StoredFact(
            row.id, row.enterprise_id, row.category, row.frame, row.period, row.subkey, json.dumps(row.values),
            day_of(row.known_at), row.content_hash,
        )
        for row in rows
    ]  # fmt: skip


def _period_fact(number: int, frame: str, subkey: str, period: date, values: Mapping[str, FactValue]) -> PeriodFact:
    months = values.get("months")
    return PeriodFact(number, frame, subkey, period, months if isinstance(months, int) else 1, values)


def _withheld(resources: Mapping[str, StoredResult]) -> frozenset[date]:
    months = {month for one in resources.values() for month in one.get("withheld_months", ())}
    return frozenset(date.fromisoformat(f"{month}-01") for month in months)
