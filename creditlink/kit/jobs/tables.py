"""Failed work that waits for somebody to look at it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base

PREFIX = "dlt"


class DeadLetter(Base):
    """A job that failed for good, or one item that a sweep could not do; open until `resolved_at`.

    `item` names the item, or the job by its queueing lock or id. `args` holds ids only, never a firm's records.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (
        CheckConstraint("kind IN ('job', 'item')", name="kind"),
        CheckConstraint("resolution IN ('succeeded', 'retried', 'dropped')", name="resolution"),
        CheckConstraint("(resolution IS NULL) = (resolved_at IS NULL)", name="resolved"),
        Index("uq_dead_letters_open", "task", "item", unique=True, postgresql_where=text("resolved_at IS NULL")),
        Index("ix_dead_letters_last_failed_at", "last_failed_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    task: Mapped[str]
    item: Mapped[str]
    job_id: Mapped[int | None]
    queue: Mapped[str | None]
    lock: Mapped[str | None]
    queueing_lock: Mapped[str | None]
    priority: Mapped[int | None]
    args: Mapped[dict[str, object] | None]
    error: Mapped[str | None]  # classes and SQLSTATE, no values
    failures: Mapped[int]
    first_failed_at: Mapped[datetime]
    last_failed_at: Mapped[datetime]
    next_try_at: Mapped[datetime | None]  # of an item: its sweep leaves it alone until then
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str | None]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(PREFIX, self.id)
