"""The evidence: disclosures and refusals, append-only, one hash chain per firm."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base


class AuditEntry(Base):
    """One thing that happened to a firm's data. Rows are only ever added.

    `digest` is SHA-256 over the row's canonical JSON and `previous`, the digest before it in the
    same chain, so that an export shows a changed, removed or reordered line.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        UniqueConstraint("chain_id", "seq"),
        Index("ix_audit_entries_enterprise_id_at", "enterprise_id", "at"),
        Index("ix_audit_entries_at", "at", "id"),
        Index("ix_audit_entries_actor_at", "actor", "at", "id"),
        Index("ix_audit_entries_action_at", "action", "at", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    chain_id: Mapped[UUID]  # the firm; or the institution's chain where no firm is known
    seq: Mapped[int]
    at: Mapped[datetime]
    action: Mapped[str]  # e.g. profile.create, profile.read, consent.approve
    result: Mapped[str]  # disclosed | refused | done
    enterprise_id: Mapped[UUID | None]
    institution_id: Mapped[UUID | None]
    client_id: Mapped[str | None]
    consent_id: Mapped[UUID | None]
    actor: Mapped[str]  # bank:<client_id>, account:<id>, operator, system
    purpose: Mapped[str | None]
    detail: Mapped[dict[str, Any]]  # categories, fields, reason; never the data itself
    request_id: Mapped[str | None]
    previous: Mapped[str]
    digest: Mapped[str]


class AuditHead(Base):
    """The last link of each chain; its row lock makes additions to one chain take turns."""

    __tablename__ = "audit_heads"

    chain_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    seq: Mapped[int]
    digest: Mapped[str]


class AuditAnchor(Base):
    """An anchor that was written outside the database: its number and the SHA-256 of the signed document."""

    __tablename__ = "audit_anchors"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str]
    issued_at: Mapped[datetime]
    heads: Mapped[int]  # how many
    stamped_at: Mapped[datetime | None]  # by a time-stamping authority: its instant


class AuditAnchored(Base):
    """The head of each chain as it was anchored last, so that only those that moved are anchored next."""

    __tablename__ = "audit_anchored"

    chain_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]
    digest: Mapped[str]
