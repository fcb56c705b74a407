"""Sources, pulls, stored facts, and the rows that did not read."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base
from creditlink.records.pulls.delivery import FactValue, StoredResult, StoredSignatures


class SourceHealth(Base):
    """What was last known of an office's health, kept by the workers."""

    __tablename__ = "sources"
    __table_args__ = (CheckConstraint("state IN ('up', 'degraded', 'down')", name="state"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    changed_at: Mapped[datetime]
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    rests_until: Mapped[datetime | None]  # a worker's circuit leaves it alone until then


class SourceBudget(Base):
    """What is left of an office's limits, shared by all workers: one row for each office that is counted or rests."""

    __tablename__ = "source_budgets"

    name: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[float]  # of the bucket; below 0: reserved by those who wait
    filled_at: Mapped[datetime]
    counted_on: Mapped[date]  # the day of Shanghai that `used` counts
    used: Mapped[int]
    rest_until: Mapped[datetime | None]  # asked for by the office (Retry-After)


class Pull(Base):
    """One round of asking the sources that a consent grants; at most one is open for a consent."""

    __tablename__ = "pulls"
    __table_args__ = (
        CheckConstraint("status IN ('OPEN', 'DONE', 'STOPPED')", name="status"),
        CheckConstraint("\"trigger\" IN ('consent', 'profile', 'retry', 'operator', 'dispute')", name="trigger"),
        CheckConstraint("(status = 'OPEN') = (finished_at IS NULL)", name="finished"),
        Index("uq_pulls_open", "consent_id", unique=True, postgresql_where=text("status = 'OPEN'")),
        Index("ix_pulls_consent_id_requested_at", "consent_id", "requested_at"),
        Index("ix_pulls_open_requested_at", "requested_at", "id", postgresql_where=text("status = 'OPEN'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    trigger: Mapped[str]
    status: Mapped[str]  # STOPPED: the consent was paused, revoked or ran out meanwhile
    since: Mapped[date]  # the first month asked for
    until: Mapped[date]  # the last day asked for
    requested_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class PullPart(Base):
    """What one source answered in one pull. It is written as a whole, in the transaction of its facts."""

    __tablename__ = "pull_parts"
    __table_args__ = (
        CheckConstraint(
            "status IN ('READY', 'PENDING', 'DELIVERED', 'PARTIAL', 'NO_RECORD', 'DENIED', 'TIMEOUT', 'DOWN')",
            name="status",
        ),
        CheckConstraint("(status IN ('READY', 'PENDING')) = (finished_at IS NULL)", name="finished"),
        Index("ix_pull_parts_source_finished_at", "source", "finished_at"),
    )

    pull_id: Mapped[UUID] = mapped_column(ForeignKey("pulls.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    attempt: Mapped[int]  # how often this part was begun; more than 1 after a crash
    rows: Mapped[int]  # rows read at the source
    total: Mapped[int | None]  # rows that the source says it holds
    new_rows: Mapped[int]  # facts that were not known before
    rejected: Mapped[int]
    resources: Mapped[dict[str, StoredResult]] = mapped_column(JSONB)
    error: Mapped[str | None]
    digest: Mapped[str | None]  # SHA-256 over the raw answers, which are not kept
    signatures: Mapped[StoredSignatures | None] = mapped_column(JSONB(none_as_null=True))
    answered_at: Mapped[datetime | None]  # when the office said it: earlier than `finished_at` where it was used again
    # The pull whose answer was used again; no foreign key: that pull may be purged before this one.
    reused_pull_id: Mapped[UUID | None]
    began_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class FactRow(Base):
    """One version of one fact. Rows are only added: a correction is a further row with a later `known_at`.

    The unique key makes a repeated pull add nothing. Beside the key, `content_hash` covers the values
    and the office's version and instant, so that a correction back to an earlier value is not lost.
    """

    __tablename__ = "facts"
    __table_args__ = (
        # Also the index for reading: its first three columns.
        UniqueConstraint("enterprise_id", "frame", "period", "subkey", "content_hash"),
        Index("ix_facts_pull_id", "pull_id"),
        Index(
            "ix_facts_negative_ended_on",
            text("(values ->> 'ended_on')"),
            postgresql_where=text("frame IN ('credit_events', 'tax_events')"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    category: Mapped[str]
    frame: Mapped[str]
    period: Mapped[date]
    subkey: Mapped[str]
    values: Mapped[dict[str, FactValue]] = mapped_column(JSONB)
    version: Mapped[int]
    complete: Mapped[bool]
    known_at: Mapped[datetime]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    source: Mapped[str]
    pull_id: Mapped[UUID | None] = mapped_column(ForeignKey("pulls.id"))
    recorded_at: Mapped[datetime]


class RejectedRow(Base):
    """A row that did not read, kept aside so that its source can correct it: one entry however often it is met.

    It belongs to the pull that met it last, and goes with it.
    """

    __tablename__ = "rejected_rows"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'sent', 'corrected', 'dismissed')", name="state"),
        CheckConstraint("(state = 'dismissed') <= (note IS NOT NULL)", name="dismissed_with_reason"),
        CheckConstraint("times >= 1 AND recorded_at <= seen_at", name="seen"),
        UniqueConstraint("enterprise_id", "source", "fingerprint"),
        Index("ix_rejected_rows_source_state_id", "source", "state", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    pull_id: Mapped[UUID] = mapped_column(ForeignKey("pulls.id", ondelete="CASCADE"), index=True)
    source: Mapped[str]
    resource: Mapped[str]
    position: Mapped[str]  # where it was met last
    field: Mapped[str]
    excerpt: Mapped[str]
    reason: Mapped[str]
    record_id: Mapped[str | None]  # the office's own id of the record, where it reads
    row_version: Mapped[int | None]  # the newest version of it that did not read
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)  # the same for the same record: `rejections.identity`
    state: Mapped[str]
    times: Mapped[int]  # pulls that met it
    recorded_at: Mapped[datetime]  # met first
    seen_at: Mapped[datetime]  # met last
    changed_at: Mapped[datetime]  # when it came into its state
    changed_by: Mapped[str]  # `system`, or who of the operator
    note: Mapped[str | None]  # why it was dismissed, how it was corrected
