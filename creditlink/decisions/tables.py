"""The sealed archive of decisions, and the policies that they were made under."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class PolicyArtefact(Base):
    """The bytes of one hash: a model's file, a file of settings, a product's terms. Rows are only ever added."""

    __tablename__ = "policy_artefacts"
    __table_args__ = (CheckConstraint("sha256 = encode(sha256(content), 'hex')", name="addressed_by_content"),)

    sha256: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class PolicyBundle(Base):
    """Everything besides a firm's data that decisions were made by, under one hash. Rows are only ever added."""

    __tablename__ = "policy_bundles"
    __table_args__ = (
        CheckConstraint("sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')", name="addressed_by_content"),
    )

    sha256: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[str]  # canonical JSON, as it is hashed
    added_at: Mapped[datetime]


class DecisionRow(Base):
    """The record of one decision, sealed, and its link in its firm's chain.

    Written by `creditlink_archive` in the transaction of the profile, whose id it has, and read through
    `creditlink_look`, which leaves evidence: no role that serves has the payload itself. When its time is over, what it
    says goes; the link stays, so that the chain still holds. A later entry, such as a person's override, is a further
    link.
    """

    __tablename__ = "decision_records"
    __table_args__ = (
        UniqueConstraint("chain_id", "seq"),
        Index("ix_decision_records_as_of", "as_of", "id"),
        Index("ix_decision_records_decided_at", "decided_at", "id"),
        Index("ix_decision_records_marks", "marks", postgresql_using="gin"),
        CheckConstraint("(payload IS NULL) = (expired_at IS NOT NULL)", name="sealed_or_expired"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # the profile's
    chain_id: Mapped[UUID]  # the firm
    seq: Mapped[int]
    decided_at: Mapped[datetime]
    payload_sha256: Mapped[str]  # of what is sealed, opened
    previous: Mapped[str]
    digest: Mapped[str]
    keep_until: Mapped[datetime]
    expired_at: Mapped[datetime | None]
    # What records are found by, and what they say; all of it goes when the time is over.
    enterprise_id: Mapped[UUID | None] = mapped_column(ForeignKey("enterprises.id"))
    institution_id: Mapped[UUID | None] = mapped_column(ForeignKey("institutions.id"))
    consent_id: Mapped[UUID | None] = mapped_column(ForeignKey("consents.id"), index=True)
    as_of: Mapped[date | None]
    grade: Mapped[str | None]
    model_id: Mapped[str | None]
    bundle_sha256: Mapped[str | None] = mapped_column(ForeignKey("policy_bundles.sha256"))
    # Keyed digests of reasons and indicators: `looks.marks`; null: from before there were any, or its time is over.
    marks: Mapped[list[str] | None]
    payload: Mapped[bytes | None] = mapped_column(deferred=True)
    about: Mapped[UUID | None]  # the decision that a later entry is about; null: the record of a decision itself

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("dec", self.id)

    def link(self) -> dict[str, object]:
        """Return the link as it is hashed and exported, in the form that `audit.chain.verify` takes."""
        return {
            "at": self.decided_at.isoformat(),
            "chain_id": str(self.chain_id),
            "decision": str(self.id),
            "payload_sha256": self.payload_sha256,
            "previous": self.previous,
            "seq": self.seq,
            "digest": self.digest,
        }


class DecisionHead(Base):
    """The last link of each firm's chain; its row lock makes additions to one chain take turns."""

    __tablename__ = "decision_heads"

    chain_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]
    digest: Mapped[str]


class DecisionNote(Base):
    """What somebody of the staff noted beside a decision; the record itself never changes. A trigger refuses edits.

    Its words stay here; the firm's evidence names their hash.
    """

    __tablename__ = "decision_notes"
    __table_args__ = (
        CheckConstraint("text_sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex')", name="hashed"),
        CheckConstraint("length(text) BETWEEN 1 AND 2000", name="length"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    decision_id: Mapped[UUID] = mapped_column(index=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("staff_members.account_id"))
    role: Mapped[str]  # in which the author looked
    text: Mapped[str]
    text_sha256: Mapped[str]
    written_at: Mapped[datetime]
    keep_until: Mapped[datetime]  # the decision's
