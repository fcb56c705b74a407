"""Profiles as they were given: immutable snapshots from which every answer is read."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.engine.profile.asked import ProfileInputs
from creditlink.kit.postgres.db import Base
from creditlink.records.coverage import CategoryCoverage


class Profile(Base):
    """One credit profile of one firm for one consent, with all that a replay needs.

    A trigger refuses updates; only the purge, after the consent's data life, deletes.
    """

    __tablename__ = "profiles"
    __table_args__ = (
        CheckConstraint("state IN ('scored', 'not_scorable')", name="state"),
        CheckConstraint("(state = 'scored') = (grade IS NOT NULL)", name="scored_has_grade"),
        Index("ix_profiles_consent_id_created_at", "consent_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), index=True)
    client_id: Mapped[str]
    as_of: Mapped[date]
    created_at: Mapped[datetime]  # also: facts recorded later did not count
    state: Mapped[str]
    grade: Mapped[str | None]
    points: Mapped[int | None]
    pd_12m: Mapped[float | None]
    model_id: Mapped[str]
    model_sha256: Mapped[str]
    code_version: Mapped[str]
    bundle_sha256: Mapped[str | None] = mapped_column(ForeignKey("policy_bundles.sha256"))  # None: from before bundles
    # What only a replay or one further route reads is fetched when it is asked for: most reads want the summary.
    asked: Mapped[ProfileInputs] = mapped_column(JSONB, deferred=True)
    registration: Mapped[dict[str, Any]] = mapped_column(deferred=True)  # the firm as it was registered at that moment
    fact_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), deferred=True)  # exactly the facts that were read
    inputs_sha256: Mapped[str]  # over the registration and those facts
    summary: Mapped[dict[str, Any]]  # dimensions, reasons, knock-outs
    coverage: Mapped[dict[str, CategoryCoverage]] = mapped_column(JSONB)
    explanation: Mapped[dict[str, Any]] = mapped_column(deferred=True)  # per indicator: value, contribution, points
    products: Mapped[dict[str, Any]]  # in words: counts, the best, the near misses
    matches: Mapped[bytes] = mapped_column(deferred=True)  # every product and rule: `engine.matching.encoding`
    content_sha256: Mapped[str]  # over everything above: `engine.profile.content`; the evidence names it
    content_version: Mapped[int] = mapped_column(server_default="1")

    def columns(self) -> dict[str, object]:
        """Return every column by name; those that are deferred are fetched."""
        return {column.key: getattr(self, column.key) for column in self.__table__.columns}
