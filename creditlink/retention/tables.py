"""Certificates of what was deleted, and what firms asked to have deleted at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class DeletionCertificate(Base):
    """What was deleted of one consent at one time: counts and hashes, signed. Rows are only ever added."""

    __tablename__ = "deletion_certificates"
    __table_args__ = (Index("ix_deletion_certificates_institution_id_issued_at", "institution_id", "issued_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), index=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    issued_at: Mapped[datetime]
    deleted: Mapped[dict[str, Any]]  # table -> rows, sha256
    kept: Mapped[list[dict[str, object]]] = mapped_column(server_default="[]")  # by class: what stays, why, until when
    document: Mapped[str]  # the signed certificate, a compact JWS

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("del", self.id)


class DeletionRequest(Base):
    """A firm's wish that what need not stay of an ended consent goes at once. Rows are only ever added."""

    __tablename__ = "deletion_requests"

    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), primary_key=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    asked_at: Mapped[datetime]
    asked_by: Mapped[str]  # account:<id>
