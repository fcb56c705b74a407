"""Where people get their notices, the notices themselves, and what is on its way to an address."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base
from creditlink.kit.postgres.sealed_text import SealedText

ADDRESSES = "creditlink addresses"


class PersonChannel(Base):
    """A verified address of a person, and the kinds of notices that go to it."""

    __tablename__ = "person_channels"
    __table_args__ = (
        CheckConstraint("channel IN ('email', 'sms', 'wechat')", name="channel"),
        CheckConstraint("language IN ('zh', 'en')", name="language"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(SealedText(ADDRESSES))  # a phone number, a mailbox, an id of WeChat
    language: Mapped[str]
    kinds: Mapped[list[str]]
    verified_at: Mapped[datetime]


class PersonMessage(Base):
    """A notice to one person. What it says follows from its kind; `page` is where the rest can be read."""

    __tablename__ = "person_messages"
    __table_args__ = (
        Index("ix_person_messages_account_id_created_at", "account_id", "created_at", "id"),
        Index("ix_person_messages_unsorted", "created_at", postgresql_where=text("sorted_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # made from whom, what and about what: told once
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    enterprise_id: Mapped[UUID | None] = mapped_column(ForeignKey("enterprises.id"), index=True)
    kind: Mapped[str]
    page: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    sorted_at: Mapped[datetime | None]  # when its deliveries were made out
    read_at: Mapped[datetime | None]


class MessageDelivery(Base):
    """A notice or a letter on its way to one address; a letter's link is sealed, and gone once it is sent."""

    __tablename__ = "message_deliveries"
    __table_args__ = (
        CheckConstraint("channel IN ('email', 'sms', 'wechat')", name="channel"),
        CheckConstraint("state IN ('waiting', 'sent', 'failed')", name="state"),
        CheckConstraint("state = 'waiting' OR sealed IS NULL", name="sealed"),
        Index("ix_message_deliveries_waiting", "next_try_at", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("person_messages.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))  # null: nobody has one yet
    channel: Mapped[str]
    sealed: Mapped[str | None]
    state: Mapped[str]
    tries: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(index=True)
    next_try_at: Mapped[datetime]
    last_error: Mapped[str | None]
