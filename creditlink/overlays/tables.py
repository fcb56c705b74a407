"""A bank's overlays, its own columns of firms, and what an overlay said of a profile: its tenancy and nobody else's."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.engine.overlay.terms import OverlayTerms, terms_of
from creditlink.kit.postgres.db import Base


class Overlay(Base):
    """One version of an institution's overlay. What was checked never changes, by a trigger; a change is a version."""

    __tablename__ = "overlays"
    __table_args__ = (
        UniqueConstraint("institution_id", "version"),
        CheckConstraint("state IN ('draft', 'checked', 'live', 'retired')", name="state"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint(
            "state IN ('draft', 'retired') OR (checked_by IS NOT NULL AND checked_by <> written_by)",
            name="four_eyes",
        ),
        Index("uq_overlays_live", "institution_id", unique=True, postgresql_where=text("state = 'live'")),
        Index(
            "uq_overlays_pending",
            "institution_id",
            unique=True,
            postgresql_where=text("state IN ('draft', 'checked')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    version: Mapped[int]
    state: Mapped[str]
    terms: Mapped[dict[str, object]] = mapped_column(JSONB)
    terms_sha256: Mapped[str]
    written_by: Mapped[str]
    checked_by: Mapped[str | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    published_at: Mapped[datetime | None]

    def to_terms(self) -> OverlayTerms:
        """Return the part that is applied, free of the session; it was checked when it was written."""
        return terms_of(self.terms)


class OverlayStep(Base):
    """One thing that somebody did to a version. Rows are only ever added."""

    __tablename__ = "overlay_steps"
    __table_args__ = (CheckConstraint("step IN ('write', 'check', 'publish', 'retire')", name="step"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    overlay_id: Mapped[UUID] = mapped_column(ForeignKey("overlays.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    at: Mapped[datetime]
    step: Mapped[str]
    actor: Mapped[str]  # bank:<client_id>
    terms_sha256: Mapped[str]  # of what stood there then
    note: Mapped[str]
    keys: Mapped[list[str]]  # marks of the keys of who took it


class OverlayColumns(Base):
    """What an institution itself knows of one firm, under the id by which it alone knows the firm."""

    __tablename__ = "overlay_columns"

    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    firm: Mapped[str] = mapped_column(primary_key=True)  # ent_…, pairwise: no key of ours to a firm
    values: Mapped[dict[str, object]] = mapped_column(JSONB)
    uploaded_at: Mapped[datetime]
    client_id: Mapped[str]


class OverlayResult(Base):
    """What an overlay said of a profile, with all that it was computed from besides the profile itself.

    A trigger refuses updates; it goes with its profile.
    """

    __tablename__ = "overlay_results"

    profile_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"), primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), index=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    overlay_id: Mapped[UUID] = mapped_column(ForeignKey("overlays.id"))
    version: Mapped[int]
    terms_sha256: Mapped[str]
    columns: Mapped[dict[str, object]] = mapped_column(JSONB)  # as they were used
    sources: Mapped[dict[str, object]] = mapped_column(JSONB)  # column -> request or file
    result: Mapped[dict[str, object]] = mapped_column(JSONB)
    result_sha256: Mapped[str]  # over terms, columns and result
    shown_to_firm: Mapped[bool]
    created_at: Mapped[datetime]
