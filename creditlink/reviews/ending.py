"""The end of what is kept of reviews: rows whose time is over, for the purge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from creditlink.reviews.tables import AdverseNotice, ReviewCase, ReviewOverride

CLASS = "reviews"
"""Their class in `config/retention.toml`."""

TABLES = ("adverse_notices", "review_cases", "review_overrides")
"""The tables with a time of their own; outcomes go with their overrides."""


def are_kept(session: Session, consent_id: UUID) -> bool:
    """Return whether anything of reviews is kept of a consent."""
    kept = (select(table.id).where(table.consent_id == consent_id).limit(1) for table in (ReviewCase, AdverseNotice))
    return any(session.scalar(query) is not None for query in kept)


def delete_over(session: Session, enterprise_id: UUID, now: datetime) -> Iterator[tuple[str, UUID, str]]:
    """Delete what is over of one firm; yield table, consent and hash of every row that went.

    A case waits for its override, whose time begins later.
    """
    own = ReviewOverride.enterprise_id == enterprise_id
    over = delete(ReviewOverride).where(own, ReviewOverride.keep_until <= now)
    for consent_id, row_id in session.execute(over.returning(ReviewOverride.consent_id, ReviewOverride.id)):
        yield "review_overrides", consent_id, _digest(row_id)
    held = select(ReviewOverride.case_id).where(own)
    cases = delete(ReviewCase).where(
        ReviewCase.enterprise_id == enterprise_id, ReviewCase.keep_until <= now, ReviewCase.id.not_in(held)
    )
    for consent_id, row_id in session.execute(cases.returning(ReviewCase.consent_id, ReviewCase.id)):
        yield "review_cases", consent_id, _digest(row_id)
    notices = delete(AdverseNotice).where(AdverseNotice.enterprise_id == enterprise_id, AdverseNotice.keep_until <= now)
    for consent_id, digest in session.execute(notices.returning(AdverseNotice.consent_id, AdverseNotice.text_sha256)):
        yield "adverse_notices", consent_id, digest


def _digest(row_id: UUID) -> str:
    return hashlib.sha256(row_id.bytes).hexdigest()
