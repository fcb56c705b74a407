"""What firms uploaded, kept apart from what offices said: files, the facts in them, and how they compared."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypedDict
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base
from creditlink.records.pulls.delivery import FactValue

PREFIX = "upl"


class WrongLine(TypedDict):
    """A row that was not taken, as the firm sees it."""

    line: int
    field: str
    value: str
    problem: str


class Upload(Base):
    """A file that a firm handed over. Its bytes are kept until they are read, its SHA-256 for as long as the row."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("state IN ('received', 'taken', 'refused', 'withdrawn')", name="state"),
        CheckConstraint("content IS NULL OR state = 'received'", name="content_until_read"),
        CheckConstraint("(state = 'refused') <= (refusal IS NOT NULL)", name="refused_with_reason"),
        CheckConstraint("verdict IN ('uploaded', 'confirmed', 'contradicted')", name="verdict"),
        # The same file twice is one upload, however many browsers send it at once.
        Index(
            "uq_uploads_file", "enterprise_id", "sha256", unique=True,
            postgresql_where=text("state IN ('received', 'taken')"),
        ),
        Index("ix_uploads_enterprise_id_uploaded_at", "enterprise_id", "uploaded_at"),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    uploaded_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    state: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    tries: Mapped[int]  # how often reading began; a file that kills its reader is refused
    layout: Mapped[str | None]
    format: Mapped[str | None]
    refusal: Mapped[str | None]
    rows: Mapped[int]
    taken: Mapped[int]
    repeated: Mapped[int]
    left_out: Mapped[int]
    serial_gaps: Mapped[int]
    wrong: Mapped[int]
    wrong_lines: Mapped[list[WrongLine]] = mapped_column(JSONB)  # the first of them
    first_month: Mapped[date | None]
    last_month: Mapped[date | None]
    verdict: Mapped[str]
    asks_review: Mapped[bool]  # an office contradicts it by more than a person may overlook
    uploaded_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]

    @property
    def wire_id(self) -> str:
        """Return its id as the firm's pages and its evidence name it."""
        return ids.external(PREFIX, self.id)


class UploadedFact(Base):
    """One fact of an upload. `settled_at`: an office has answered for its period since, so that it counts no more."""

    __tablename__ = "uploaded_facts"
    __table_args__ = (UniqueConstraint("upload_id", "frame", "period", "subkey"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    upload_id: Mapped[UUID] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    category: Mapped[str]
    frame: Mapped[str]
    period: Mapped[date]
    subkey: Mapped[str]
    values: Mapped[dict[str, FactValue]] = mapped_column(JSONB)
    complete: Mapped[bool]
    known_at: Mapped[datetime]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    settled_at: Mapped[datetime | None]


class UploadCheck(Base):
    """How one period of an upload compares with what an office said of it; differences are column -> [firm, office]."""

    __tablename__ = "upload_checks"
    __table_args__ = (
        CheckConstraint("outcome IN ('same', 'differs', 'absent')", name="outcome"),
        UniqueConstraint("upload_id", "frame", "period", "subkey"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    upload_id: Mapped[UUID] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    category: Mapped[str]
    frame: Mapped[str]
    period: Mapped[date]
    subkey: Mapped[str]
    months: Mapped[int]
    outcome: Mapped[str]
    differences: Mapped[dict[str, list[FactValue]]] = mapped_column(JSONB)
    asks_review: Mapped[bool]
    checked_at: Mapped[datetime]
