"""The register of models, and what shadow models say beside the live one."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class RegisteredModel(Base):
    """A credit model as it was registered; its folder must have the same manifest."""

    __tablename__ = "registered_models"
    __table_args__ = (CheckConstraint("tier IN ('1', '2', '3')", name="tier"),)

    model_id: Mapped[str] = mapped_column(primary_key=True)
    manifest_sha256: Mapped[str]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))  # null: from the old register
    owner: Mapped[str]  # by name, as registered
    tier: Mapped[str]
    intended_use: Mapped[str]
    limits: Mapped[str]  # what it must not be used for
    inputs: Mapped[list[str]]  # the indicators that it reads
    registered_at: Mapped[datetime]


class PurposeStanding(Base):
    """The status of a model for one purpose; one is live for a purpose."""

    __tablename__ = "model_standings"
    __table_args__ = (
        CheckConstraint("status IN ('candidate', 'validated', 'approved', 'shadow', 'live', 'retired')", name="status"),
        Index("uq_model_standings_live", "purpose", unique=True, postgresql_where=text("status = 'live'")),
    )

    model_id: Mapped[str] = mapped_column(ForeignKey("registered_models.model_id"), primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    since_at: Mapped[datetime]
    frozen_at: Mapped[datetime | None]  # since when a person must look at every decision; counts from `since_at` on
    frozen_because: Mapped[str | None]

    @property
    def is_frozen(self) -> bool:
        """Whether a freeze holds; one from before the model was put to use again does not."""
        return self.status == "live" and self.frozen_at is not None and self.frozen_at >= self.since_at


class ModelStep(Base):
    """One step in a model's life, append-only: who proposed and signed it, why, on what it rests."""

    __tablename__ = "model_steps"
    __table_args__ = (
        CheckConstraint(
            "action IN ('import', 'register', 'step', 'replaced', 'rollback', 'retire', 'fall_back')", name="action"
        ),
        CheckConstraint("confirmed_by <> signed_by", name="two_people"),
        CheckConstraint("(confirmed_by IS NULL) = (confirmed_at IS NULL)", name="confirmed"),
        Index("ix_model_steps_model_id_number", "model_id", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("registered_models.model_id"))
    purposes: Mapped[list[str]]
    action: Mapped[str]
    status: Mapped[str]  # that was reached
    proposed_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))
    signed_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))  # null: an old entry
    signer: Mapped[str]  # by name
    at: Mapped[datetime]
    reason: Mapped[str]
    detail: Mapped[dict[str, object]] = mapped_column(JSONB)
    confirm_until: Mapped[datetime | None]  # an emergency: by when another person must confirm it
    confirmed_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))
    confirmed_at: Mapped[datetime | None]

    @property
    def wire_id(self) -> str:
        """Return the id that commands name it by."""
        return ids.external("stp", self.id)


class ShadowScore(Base):
    """What a shadow model would have said of a profile; never shown to banks, and gone with the profile."""

    __tablename__ = "shadow_scores"

    profile_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[str] = mapped_column(primary_key=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    purpose: Mapped[str]
    grade: Mapped[str]
    points: Mapped[int]
    pd_12m: Mapped[float]
    live_model_id: Mapped[str]
    live_grade: Mapped[str]
    live_points: Mapped[int]
    live_pd_12m: Mapped[float]
    profiled_at: Mapped[datetime] = mapped_column(index=True)
    scored_at: Mapped[datetime]


class ShadowDay(Base):
    """How a shadow model and the live one compare over a window that ends on a day."""

    __tablename__ = "shadow_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(primary_key=True)
    live_model_id: Mapped[str] = mapped_column(primary_key=True)
    profiles: Mapped[int]
    rank_correlation: Mapped[float | None]  # Spearman's, of the PDs; null: fewer than two profiles
    share_apart: Mapped[float]  # of profiles whose grades are two bands apart or more
    psi: Mapped[float | None]  # of the shadow's grades against the live one's
    compared_at: Mapped[datetime]


class ReviewItem(Base):
    """Something that asks for a person; a queue of them is read by staff."""

    __tablename__ = "review_items"
    __table_args__ = (
        CheckConstraint("kind IN ('model_disagreement', 'shadow_drift', 'rollback_unconfirmed')", name="kind"),
        CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed"),
        Index("uq_review_items_open", "kind", "subject", unique=True, postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    subject: Mapped[str]  # what it is about: an id on the wire
    enterprise_id: Mapped[UUID | None] = mapped_column(ForeignKey("enterprises.id"), index=True)
    profile_id: Mapped[UUID | None] = mapped_column(ForeignKey("profiles.id", ondelete="CASCADE"), index=True)
    detail: Mapped[dict[str, object]] = mapped_column(JSONB)
    raised_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))
    resolution: Mapped[str | None]
