"""Enterprises, the people who sign in, and who may act for whom."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, TypedDict
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base


class Enterprise(Base):
    """A firm as it is registered. Struck-off firms stay: their history is evidence."""

    __tablename__ = "enterprises"
    __table_args__ = (
        CheckConstraint("entity_type IN ('company', 'partnership', 'sole_trader', 'cooperative')", name="entity_type"),
        CheckConstraint("status IN ('active', 'suspended', 'revoked', 'deregistered')", name="status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    uscc: Mapped[str] = mapped_column(unique=True)
    # Real codes that fail the check character exist: evidence for keeping this one, else null.
    uscc_exception: Mapped[str | None]
    name: Mapped[str]
    name_en: Mapped[str | None]
    industry: Mapped[str]  # GB/T 4754-2017 division, section letter + 2 digits
    region: Mapped[str]  # GB/T 2260, 6 digits
    entity_type: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    registered_capital_fen: Mapped[int | None]
    paid_in_capital_fen: Mapped[int | None]
    established_on: Mapped[date | None]
    linked_struck_off: Mapped[bool] = mapped_column(default=False)
    two_signatures: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # two people must agree
    discoverable: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # may be counted for banks
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RegisteredEntry(Base):
    """What the registry said of a firm, as it was known from an instant on; append-only.

    The database adds a row whenever a firm's entries are added or changed (migration 0026), by anybody.
    """

    __tablename__ = "registrations"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    valid_from: Mapped[date]  # from when it is valid
    known_at: Mapped[datetime]  # since when we know it
    industry: Mapped[str]
    region: Mapped[str]
    entity_type: Mapped[str]
    status: Mapped[str]
    registered_capital_fen: Mapped[int | None]
    paid_in_capital_fen: Mapped[int | None]
    established_on: Mapped[date | None]
    linked_struck_off: Mapped[bool]


class Account(Base):
    """A natural person's sign-in; the person acts for firms only through a Representation."""

    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    login: Mapped[str] = mapped_column(unique=True)
    display_name: Mapped[str]
    password_hash: Mapped[str]  # argon2id
    totp_secret: Mapped[str | None]  # encrypted with the server's key
    totp_last_step: Mapped[int | None]  # a one-time code is used once
    role: Mapped[str] = mapped_column(default="enterprise")  # enterprise | staff | lender | developer
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime]
    metadata_: Mapped[dict[str, object]] = mapped_column("metadata", server_default=text("'{}'"), default=dict)


class AgentLimits(TypedDict, total=False):
    """What an agent may do at most; an absent member bounds nothing."""

    categories: list[str]
    purposes: list[str]
    longest_days: int
    largest_loan_fen: int


class Representation(Base):
    """That a person may act for a firm: its legal representative, or an agent it appointed."""

    __tablename__ = "representations"
    __table_args__ = (
        CheckConstraint("role IN ('legal_representative', 'agent')", name="role"),
        CheckConstraint("valid_until IS NULL OR valid_from < valid_until", name="validity"),
        # A firm has one legal representative at a time.
        Index(
            "uq_representations_legal",
            "enterprise_id",
            unique=True,
            postgresql_where=text("role = 'legal_representative' AND ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    role: Mapped[str]
    # What an agent may do; null: everything.
    limits: Mapped[AgentLimits | None] = mapped_column(JSONB(none_as_null=True))
    appointed_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]  # exclusive
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class FirmAct(Base):
    """What one person of a firm signed and a second must sign before it is done; consents keep their own signatures."""

    __tablename__ = "firm_acts"
    __table_args__ = (
        CheckConstraint("act IN ('accept', 'resume', 'appoint', 'signatures', 'count')", name="act"),
        CheckConstraint("role IN ('legal_representative', 'agent')", name="role"),
        CheckConstraint("end_reason IN ('done', 'declined')", name="end_reason"),
        CheckConstraint(
            "(ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)", name="ended"
        ),
        # The rule itself: the first signer cannot be the second.
        CheckConstraint("end_reason <> 'done' OR ended_by <> signed_by", name="two_people"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    act: Mapped[str]
    subject: Mapped[dict[str, Any]]  # what exactly: the second signs the same
    subject_sha256: Mapped[str]
    signed_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    role: Mapped[str]  # of the first, at that moment
    signed_at: Mapped[datetime]
    open_until: Mapped[datetime]  # exclusive
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))  # the second, or who dropped it
    end_reason: Mapped[str | None]
