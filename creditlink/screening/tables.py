"""The questions that banks had counted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base


class DiscoveryQuestion(Base):
    """One set of rules that an institution had counted in one screening; asking again is no further question."""

    __tablename__ = "discovery_questions"

    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    screening: Mapped[str] = mapped_column(primary_key=True)  # the screening's key
    rules_sha256: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime]
