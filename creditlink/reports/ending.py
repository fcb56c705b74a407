"""The end of what is kept of reports, for the purge: what they say goes with the consent's data, the row later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from creditlink.reports.tables import CreditReport, ReportContent

CLASS = "reports"
"""Their class in `config/retention.toml`; what they say is of the class `profiles`."""

TABLES = ("credit_reports", "report_contents")


def are_kept(session: Session, consent_id: UUID) -> bool:
    """Return whether a report that was made under a consent is kept."""
    query = select(CreditReport.id).where(CreditReport.consent_id == consent_id).limit(1)
    return session.scalar(query) is not None


def delete_contents(session: Session, consent_id: UUID, profiles: Select[UUID]) -> Iterator[tuple[str, UUID, str]]:
    """Delete what the reports of some profiles say; yield table, consent and hash of every row that went."""
    over = select(CreditReport.id).where(CreditReport.profile_id.in_(profiles))
    gone = delete(ReportContent).where(ReportContent.report_id.in_(over)).returning(ReportContent.sealed)
    for sealed in session.scalars(gone.execution_options(synchronize_session=False)):
        yield "report_contents", consent_id, hashlib.sha256(sealed).hexdigest()


def delete_over(session: Session, enterprise_id: UUID, now: datetime) -> Iterator[tuple[str, UUID, str]]:
    """Delete the rows whose time is over, and their counted views; yield table, consent and hash of each report."""
    over = delete(CreditReport).where(CreditReport.enterprise_id == enterprise_id, CreditReport.keep_until <= now)
    for consent_id, row_id in session.execute(over.returning(CreditReport.consent_id, CreditReport.id)):
        yield "credit_reports", consent_id, hashlib.sha256(row_id.bytes).hexdigest()
