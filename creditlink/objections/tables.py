"""Objections of firms to accesses. They outlive the consent: the class `objections` of `config/retention.toml`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class AccessObjection(Base):
    """One objection to one line of a firm's evidence, and everything that was said about it."""

    __tablename__ = "access_objections"
    __table_args__ = (
        UniqueConstraint("enterprise_id", "line"),  # of one access one objection: what is decided stays decided
        CheckConstraint("state IN ('asked', 'answered', 'accepted', 'escalated', 'closed')", name="state"),
        CheckConstraint("(answered_at IS NULL) = (answer_reason IS NULL)", name="answer"),
        CheckConstraint("state NOT IN ('answered', 'accepted') OR answered_at IS NOT NULL", name="answered"),
        CheckConstraint("(escalated_at IS NULL) = (escalated_for IS NULL)", name="escalation"),
        CheckConstraint("state NOT IN ('escalated', 'closed') OR escalated_at IS NOT NULL", name="escalated"),
        CheckConstraint("escalated_for IN ('unanswered', 'unsatisfied')", name="escalated_for"),
        CheckConstraint("(state = 'closed') = (finding IS NOT NULL)", name="closed"),
        CheckConstraint("finding IN ('proper', 'improper', 'undecided')", name="finding"),
        Index("ix_access_objections_state_due_at", "state", "answer_due_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), index=True)
    consent_id: Mapped[UUID | None] = mapped_column(ForeignKey("consents.id"))
    line: Mapped[int]  # seq of the access in the firm's chain
    action: Mapped[str]  # of that line
    client_id: Mapped[str | None]  # whose software asked
    accessed_at: Mapped[datetime]
    words: Mapped[str]
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    asked_at: Mapped[datetime]
    answer_due_at: Mapped[datetime]  # exclusive; unanswered by then, it goes to the operator
    decision_due_at: Mapped[datetime]
    state: Mapped[str]
    answer_reason: Mapped[str | None]
    answer: Mapped[str | None]
    answered_by: Mapped[str | None]  # bank:<client_id>
    answered_at: Mapped[datetime | None]
    escalated_for: Mapped[str | None]
    escalated_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    finding: Mapped[str | None]
    decision: Mapped[str | None]  # the operator's words
    decided_by: Mapped[str | None]
    keep_until: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("obj", self.id)
