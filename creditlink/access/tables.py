"""What the guard of every read stores. Of every secret only SHA-256 is stored."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.institutions.tables import OWN_ID
from creditlink.kit.postgres.db import Base


class AccessToken(Base):
    """A short-lived opaque token, useless without the key it is bound to."""

    __tablename__ = "access_tokens"
    __table_args__ = (
        CheckConstraint("(jkt IS NULL) <> (x5t_s256 IS NULL)", name="one_binding"),
        CheckConstraint(f"institution_id <> '{OWN_ID}'", name="own_use"),  # a firm's own use has no tokens
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    token_hash: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"))
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    consent_id: Mapped[UUID | None] = mapped_column(index=True)  # null: a token of the institution itself
    origin_id: Mapped[UUID] = mapped_column(index=True)  # the pushed request it all comes from
    refresh_token_id: Mapped[UUID | None] = mapped_column(ForeignKey("refresh_tokens.id", ondelete="CASCADE"))
    scopes: Mapped[list[str]]
    details: Mapped[list[dict[str, object]]]
    jkt: Mapped[str | None]  # RFC 7638 thumbprint of the DPoP key
    x5t_s256: Mapped[str | None]  # SHA-256 of the client's certificate (RFC 8705)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)  # exclusive
    revoked_at: Mapped[datetime | None]


class UsedJti(Base):
    """An assertion or proof that was seen: every process refuses the same one until it is too old anyway."""

    __tablename__ = "used_jtis"
    __table_args__ = (Index("ix_used_jtis_expires_at", "expires_at"),)

    digest: Mapped[str] = mapped_column(primary_key=True)  # SHA-256 over kind, owner and jti
    expires_at: Mapped[datetime]
