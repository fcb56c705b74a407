"""Token buckets, what is agreed with an institution, and what it used. Nothing here names a firm."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base


class LimitBucket(Base):
    """When a token bucket will be full again; one that is full needs no row."""

    __tablename__ = "limit_buckets"

    key: Mapped[str] = mapped_column(primary_key=True)
    full_at: Mapped[datetime]


class UsageContract(Base):
    """What is agreed with an institution; null: the platform's usual rate, or no limit of that kind."""

    __tablename__ = "usage_contracts"
    __table_args__ = (
        CheckConstraint("calls_a_minute BETWEEN 1 AND 1000000", name="calls_a_minute"),
        CheckConstraint("calls_a_day BETWEEN 1 AND 1000000000", name="calls_a_day"),
        CheckConstraint("calls_a_month BETWEEN 1 AND 1000000000", name="calls_a_month"),
        CheckConstraint("profiles_a_month BETWEEN 1 AND 1000000000", name="profiles_a_month"),
        CheckConstraint("weight BETWEEN 1 AND 10", name="weight"),
    )

    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    calls_a_minute: Mapped[int | None]
    calls_a_day: Mapped[int | None]
    calls_a_month: Mapped[int | None]
    profiles_a_month: Mapped[int | None]
    weight: Mapped[int]  # its share of a busy server beside others
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


class UsageDay(Base):
    """What an institution used on a day, of one unit: what its contract is held against."""

    __tablename__ = "usage_days"
    __table_args__ = (
        CheckConstraint("unit IN ('call', 'profile')", name="unit"),
        CheckConstraint("units >= 0", name="units"),
    )

    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    units: Mapped[int]


class UsageCount(Base):
    """What one client used on a day: calls by scope, and new profiles."""

    __tablename__ = "usage_counts"
    __table_args__ = (
        CheckConstraint("unit IN ('call', 'profile')", name="unit"),
        CheckConstraint("units >= 0", name="units"),
    )

    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    units: Mapped[int]
