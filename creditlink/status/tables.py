"""Answers counted by step and minute, summed over all processes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base


class StepCount(Base):
    """How many answers of one step in one minute took about how long, and how they ended."""

    __tablename__ = "step_counts"
    __table_args__ = (CheckConstraint("outcome IN ('ok', 'failed')", name="outcome"),)

    minute_at: Mapped[datetime] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True)  # of `steps.BOUNDS`
    answers: Mapped[int]
