"""Certificates of what was deleted."""

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
    document: Mapped[str]  # the signed certificate, a compact JWS

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("del", self.id)
