"""Notifications, their deliveries, and the secrets that sign them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base

STATES = ("waiting", "delivered", "failed")


class WebhookSecret(Base):
    """A key that signs a client's webhooks, sealed with the server's; two are valid for a day after a rotation."""

    __tablename__ = "webhook_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    sealed: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class Notification(Base):
    """One message to an institution. The body is stored as it is signed."""

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), index=True)
    type: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the `webhook-id`: the same in every try and replay, so that the bank sees a double."""
        return ids.external("msg", self.id)


class WebhookDelivery(Base):
    """A notification on its way to one client."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
        Index("ix_webhook_deliveries_institution_id_created_at", "institution_id", "created_at", "id"),
        Index("ix_webhook_deliveries_state_created_at", "state", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    state: Mapped[str]
    tries: Mapped[int]  # since its creation, or since the last replay
    replays: Mapped[int]
    created_at: Mapped[datetime]
    last_try_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None]
    last_status: Mapped[int | None]  # HTTP
    last_error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("whd", self.id)
