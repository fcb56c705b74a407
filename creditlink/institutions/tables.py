"""Institutions and their OAuth clients."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base

OWN_ID = UUID("00000000-0000-4000-8000-0000006f776e")
"""The institution that stands for a firm's own use; the database's constraints have the same id."""


class Institution(Base):
    """A lender (or guarantor), or the operator itself. A suspended one is refused at once, in every process.

    One of kind `own` stands for firms that look at themselves: `institutions.own`.
    """

    __tablename__ = "institutions"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('bank', 'leasing', 'guarantee', 'microloan', 'factoring', 'operator', 'own')", name="kind"
        ),
        CheckConstraint(f"(kind = 'own') = (id = '{OWN_ID}')", name="own_use"),
        CheckConstraint("status IN ('active', 'suspended')", name="status"),
        CheckConstraint("uscc ~ '^[0-9A-Z]{18}$'", name="uscc"),
        CheckConstraint("length(licence_no) BETWEEN 1 AND 60", name="licence_no"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    code: Mapped[str] = mapped_column(unique=True)  # short and stable, e.g. FSRCB
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    pairwise_salt: Mapped[str]  # makes the firm ids that this institution sees its own
    # What a firm can look up elsewhere; null: the operator has not recorded it.
    uscc: Mapped[str | None]
    licence_no: Mapped[str | None]  # of the licence by which it may lend
    created_at: Mapped[datetime]


class Client(Base):
    """An institution's software: its keys, where it may be sent back to, what it may ask."""

    __tablename__ = "clients"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'suspended')", name="status"),
        CheckConstraint("(jwks IS NULL) <> (jwks_uri IS NULL)", name="one_key_source"),
        CheckConstraint(
            f"institution_id <> '{OWN_ID}' OR (status = 'suspended' AND jwks = '{{\"keys\": []}}'::jsonb"
            " AND scopes = '{}' AND redirect_uris = '{}' AND webhook_url IS NULL)",
            name="own_use",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    client_id: Mapped[str] = mapped_column(unique=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), index=True)
    name: Mapped[str]
    # SQL's null, not JSON's: the constraint tells the two sources apart by it.
    jwks: Mapped[dict[str, object] | None] = mapped_column(JSONB(none_as_null=True))
    jwks_uri: Mapped[str | None]
    keys_changed_at: Mapped[datetime | None]  # None: they are those it was registered with
    redirect_uris: Mapped[list[str]]
    scopes: Mapped[list[str]]
    categories: Mapped[list[str]]  # data categories it may ask for
    webhook_url: Mapped[str | None]
    metadata_: Mapped[dict[str, object]] = mapped_column("metadata", server_default=text("'{}'"), default=dict)
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
