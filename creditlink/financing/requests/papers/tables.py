"""Documents of a request and the receivables offered with it; the lenders that it is before see them, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.files.documents import SCANS
from creditlink.kit.files.sealed import SealedFile
from creditlink.kit.postgres.db import Base

DOCUMENT_PREFIX, RECEIVABLE_PREFIX = "doc", "rcv"

ABOUT: Mapping[str, tuple[str, str]] = {
    "invoice": ("发票", "Invoice"),
    "contract": ("合同或订单", "Contract or order"),
    "statement": ("财务报表或银行流水", "Accounts or bank statement"),
    "licence": ("证照", "Licence"),
    "other": ("其他", "Something else"),
}
"""What a document is -> its label in zh and en."""

RECEIVABLES: Mapping[str, tuple[str, str]] = {"invoice": ("发票", "Invoice"), "contract": ("合同", "Contract")}
"""By what a receivable is known -> its label in zh and en."""

_SCANS = ", ".join(f"'{state}'" for state in SCANS)
_ABOUT = ", ".join(f"'{about}'" for about in ABOUT)
_HELD = "removed_at IS NULL"


class FinancingDocument(SealedFile, Base):
    """A document handed in with a request: sealed with the server's key, handed out only once it was scanned."""

    __tablename__ = "financing_documents"
    __table_args__ = (
        CheckConstraint(f"about IN ({_ABOUT})", name="about"),
        CheckConstraint(f"scan IN ({_SCANS})", name="scan"),
        CheckConstraint("scan <> 'infected' OR sealed IS NULL", name="infected_is_gone"),
        CheckConstraint("removed_at IS NULL OR sealed IS NULL", name="removed_is_gone"),
        Index("uq_financing_documents_held", "request_id", "sha256", unique=True, postgresql_where=text(_HELD)),
        Index("ix_financing_documents_waiting", "added_at", postgresql_where=text("scan = 'waiting'")),
    )

    request_id: Mapped[UUID] = mapped_column(ForeignKey("financing_requests.id"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    about: Mapped[str]
    added_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    removed_at: Mapped[datetime | None]  # taken back by the firm, with its content

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(DOCUMENT_PREFIX, self.id)


class FinancingReceivable(Base):
    """A receivable offered as security, known by an invoice or a contract.

    What it is, is sealed; its digest, which nobody without the server's key can make or try, tells that it is offered
    twice, here or by another firm.
    """

    __tablename__ = "financing_receivables"
    __table_args__ = (
        CheckConstraint("kind IN ('invoice', 'contract')", name="kind"),
        Index("uq_financing_receivables_held", "request_id", "digest", unique=True, postgresql_where=text(_HELD)),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    request_id: Mapped[UUID] = mapped_column(ForeignKey("financing_requests.id"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    kind: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(index=True)
    added_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    added_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(RECEIVABLE_PREFIX, self.id)
