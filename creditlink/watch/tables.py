"""What the watch counted, found and raised; none of it names a firm but loans whose outcome is still to come."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Double, Text

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class SeriesCount(Base):
    """How many profiles of a day fell into each bin of a series; days add up to windows after the profiles are gone.

    A series is `points`, `grade`, an indicator, `points@region:4406`, `coverage.tax` or `override`.
    """

    __tablename__ = "watch_counts"

    day: Mapped[date] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(primary_key=True)
    counts: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    # Shares by the model's reference, before and after the days that the profiles speak of; null: it has none.
    expected: Mapped[list[float] | None] = mapped_column(ARRAY(Double))
    expected_after: Mapped[list[float] | None] = mapped_column(ARRAY(Double))
    expected_firms: Mapped[int | None]  # that the shares were measured on


class SeriesFinding(Base):
    """What was found of a series on a day, over the window that says most."""

    __tablename__ = "watch_findings"
    __table_args__ = (
        CheckConstraint("level IN ('few', 'stable', 'moved', 'shifted')", name="level"),
        CheckConstraint("against IN ('training', 'first_days', 'days_before', 'nothing')", name="against"),
    )

    day: Mapped[date] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(primary_key=True)
    window_days: Mapped[int]
    firms: Mapped[int]
    index: Mapped[float]
    chance: Mapped[float | None]  # what chance alone stays below; null: too few to say
    level: Mapped[str]
    against: Mapped[str]


class DriftAlarm(Base):
    """What the watch raised for a live model, and what was done at once; people close it."""

    __tablename__ = "drift_alarms"
    __table_args__ = (
        CheckConstraint("act IN ('alert', 'freeze', 'fall_back')", name="act"),
        CheckConstraint("(closed_at IS NULL) = (resolution IS NULL)", name="closed"),
        Index(
            "uq_drift_alarms_open", "purpose", "model_id", "act", unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    purpose: Mapped[str]
    model_id: Mapped[str]
    act: Mapped[str]  # what was done
    series: Mapped[list[str]] = mapped_column(ARRAY(Text))  # the strongest first
    detail: Mapped[dict[str, object]] = mapped_column(JSONB)
    raised_on: Mapped[date]
    seen_on: Mapped[date]  # the last day on which it held
    raised_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))  # null: it ended itself
    resolution: Mapped[str | None]

    @property
    def wire_id(self) -> str:
        """Return the id that people name it by."""
        return ids.external("alm", self.id)


class RipeningLoan(Base):
    """What was predicted of a loan, until its outcome is ripe; from then on it names neither loan nor firm."""

    __tablename__ = "ripening_loans"
    __table_args__ = (
        CheckConstraint("label IN ('good', 'bad')", name="label"),
        CheckConstraint("(label IS NULL) = (ripe_on IS NULL)", name="ripe"),
        CheckConstraint("label IS NULL OR (application_id IS NULL AND enterprise_id IS NULL)", name="ripe_is_nameless"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    application_id: Mapped[UUID | None] = mapped_column(ForeignKey("financing_applications.id"), unique=True)
    enterprise_id: Mapped[UUID | None] = mapped_column(ForeignKey("enterprises.id"), index=True)
    purpose: Mapped[str]
    model_id: Mapped[str]
    pd_12m: Mapped[float]
    grade: Mapped[str]
    parts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    as_of: Mapped[date]  # the day that the horizon begins
    label: Mapped[str | None]
    ripe_on: Mapped[date | None]  # the day on which the outcome was known


class OutcomeDay(Base):
    """How ripe loans of a model compare with what was predicted, as known on a day."""

    __tablename__ = "watch_outcomes"

    day: Mapped[date] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)  # `all`, or `region:4406`
    loans: Mapped[int]
    bads: Mapped[int]
    waiting: Mapped[int]  # loans whose outcome is still to come
    lag_days: Mapped[int | None]  # median from the end of the horizon until the outcome was known
    mean_pd: Mapped[float | None]
    bad_rate: Mapped[float | None]
    z: Mapped[float | None]  # observed less predicted, in standard errors of chance
    auc: Mapped[float | None]
    auc_error: Mapped[float | None]
