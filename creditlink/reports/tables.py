"""Reports: that one was made and what became of it; what it says, sealed; and who looked at it, counted by day."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base

PREFIX = "rpt"


class CreditReport(Base):
    """One report of one firm. What it says, for whom and what for, is in `ReportContent` and goes before this row."""

    __tablename__ = "credit_reports"
    __table_args__ = (
        CheckConstraint("language IN ('zh', 'en')", name="language"),
        CheckConstraint("made_at < valid_until", name="validity"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked"),
        Index("ix_credit_reports_enterprise_id_made_at", "enterprise_id", "made_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), index=True)
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), index=True)
    profile_id: Mapped[UUID]  # which may be gone
    made_by: Mapped[str]  # account:<id> or bank:<client_id>
    made_at: Mapped[datetime]
    valid_until: Mapped[datetime]  # exclusive
    language: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)  # of the secret in the address that the paper shows
    digest: Mapped[str]  # SHA-256 of the signed claims
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]
    keep_until: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(PREFIX, self.id)


class ReportContent(Base):
    """What a report says: the signed claims, sealed with the server's key."""

    __tablename__ = "report_contents"

    report_id: Mapped[UUID] = mapped_column(ForeignKey("credit_reports.id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class ReportView(Base):
    """How often one visitor looked at a report's verify page on one day.

    `visitor` is a digest of the address with a key of that report and day: it tells two visitors of a day apart, and
    joins nothing over days or reports.
    """

    __tablename__ = "report_views"

    report_id: Mapped[UUID] = mapped_column(ForeignKey("credit_reports.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    visitor: Mapped[str] = mapped_column(primary_key=True)
    looks: Mapped[int]
