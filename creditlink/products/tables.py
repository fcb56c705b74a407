"""Products as they were written, checked, published and retired."""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired, TypedDict
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Sequence, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.engine.matching.products.terms import ProductTerms, terms_from_checked
from creditlink.kit.postgres.db import Base


class Product(Base):
    """One version of a product. Once it is live its terms never change, by a trigger; a change is a further version.

    `revision` grows with every change of any product and is given under a lock held until the commit,
    so that a reader who has seen revision n has seen every change up to n.
    """

    __tablename__ = "products"
    __table_args__ = (
        UniqueConstraint("code", "version"),
        CheckConstraint("state IN ('draft', 'checked', 'scheduled', 'live', 'retired')", name="state"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint(
            "state IN ('draft', 'retired') OR (checked_by IS NOT NULL AND checked_by <> written_by)",
            name="four_eyes",
        ),
        CheckConstraint("terms ->> 'code' = code AND (terms ->> 'version')::bigint = version", name="terms"),
        CheckConstraint("state <> 'live' OR published_at IS NOT NULL", name="published"),
        Index("uq_products_live", "code", unique=True, postgresql_where=text("state = 'live'")),
        Index("uq_products_pending", "code", unique=True, postgresql_where=text("state IN ('draft', 'checked')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), index=True)
    code: Mapped[str]
    version: Mapped[int]
    state: Mapped[str]
    terms: Mapped[dict[str, object]] = mapped_column(JSONB)
    terms_sha256: Mapped[str]
    revision: Mapped[int] = mapped_column(unique=True)
    written_by: Mapped[str]
    checked_by: Mapped[str | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    published_at: Mapped[datetime | None]  # when it went on sale; None: the public never saw it

    def to_terms(self) -> ProductTerms:
        """Return the part matching needs, free of the session; they were checked when written."""
        return terms_from_checked(self.terms)


class StepDetail(TypedDict):
    """What is kept of a step besides who took it."""

    keys: list[str]  # marks of the keys of who took it
    counted: NotRequired[dict[str, object]]  # the answer to a count


class ProductStep(Base):
    """One thing that somebody did to a version of a product. Rows are only ever added."""

    __tablename__ = "product_steps"
    __table_args__ = (
        CheckConstraint("step IN ('write', 'count', 'check', 'publish', 'start', 'retire')", name="step"),
        Index("ix_product_steps_institution_id_at", "institution_id", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    at: Mapped[datetime]
    step: Mapped[str]
    actor: Mapped[str]  # bank:<client_id>, operator:<name>
    terms_sha256: Mapped[str]  # of what stood there then
    note: Mapped[str]
    detail: Mapped[StepDetail] = mapped_column(JSONB)


class ProductCommitment(Base):
    """What lenders committed under all versions of a product together, against its quota."""

    __tablename__ = "product_commitments"
    __table_args__ = (CheckConstraint("committed_fen >= 0", name="committed"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    committed_fen: Mapped[int]


class FittedApproval(Base):
    """An approval model as it was fitted; the one fitted last is live, and all stay for replays."""

    __tablename__ = "approval_models"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[dict[str, object]] = mapped_column(JSONB)
    fitted_at: Mapped[datetime]


REVISIONS = Sequence("product_revisions", metadata=Base.metadata)
"""Where `Product.revision` comes from."""
