"""Developers of the sandbox, and what their clients sent."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base


class Developer(Base):
    """A developer's sign-in and the institution that was made for it; only a sandbox's database takes any."""

    __tablename__ = "developers"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), unique=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]  # an idle one is ended


class DeveloperRequest(Base):
    """One request of a developer's client, and why it was refused: names of routes and checks, never what was sent."""

    __tablename__ = "developer_requests"
    __table_args__ = (Index("ix_developer_requests_institution_id_at", "institution_id", "at"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("developers.institution_id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(index=True)
    method: Mapped[str]
    route: Mapped[str]  # with the names of its ids, not with the ids
    status: Mapped[int]
    error: Mapped[str | None]  # the OAuth error, or the problem's slug
    failed_check: Mapped[str | None]  # aud, kid, htu, …
    reason: Mapped[str | None]
    request_id: Mapped[str]
