"""People of an institution, the clients that its desk acts by, what it asked firms for, and acts of two people."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class DeskPerson(Base):
    """A person who works for an institution at its desk; the sign-in itself is the account's."""

    __tablename__ = "desk_people"
    __table_args__ = (
        CheckConstraint(
            "roles <@ ARRAY['lender', 'product_editor', 'desk_admin'] AND cardinality(roles) > 0", name="roles"
        ),
        CheckConstraint("status IN ('invited', 'active', 'suspended', 'ended')", name="status"),
        CheckConstraint("(status = 'invited') = (invitation_hash IS NOT NULL)", name="invited"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), index=True)
    roles: Mapped[list[str]]
    status: Mapped[str]
    invitation_hash: Mapped[str | None] = mapped_column(unique=True)
    invited_until: Mapped[datetime | None]  # exclusive
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))  # null: the platform's operator
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class DeskClient(Base):
    """An OAuth client whose private keys the platform holds, sealed: the desk acts by it and by nothing else."""

    __tablename__ = "desk_clients"
    # One to act, one to check: what one client wrote, another must check.
    __table_args__ = (CheckConstraint("hand IN ('acts', 'checks')", name="hand"),)

    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    hand: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), unique=True)
    sealed: Mapped[str]  # its signing key and its DPoP key
    created_at: Mapped[datetime]


class DeskRequest(Base):
    """One request for a firm's consent from the desk, and what it brought. What it is about is sealed."""

    __tablename__ = "desk_requests"
    __table_args__ = (
        CheckConstraint("channel IN ('inbox', 'code', 'application')", name="channel"),
        CheckConstraint("state IN ('waiting', 'granted', 'declined', 'expired', 'over')", name="state"),
        Index("ix_desk_requests_institution_id_asked_at", "institution_id", "asked_at"),
        Index(
            "ix_desk_requests_waiting", "polled_at", postgresql_where=text("channel = 'inbox' AND state = 'waiting'")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("desk_people.account_id"))
    channel: Mapped[str]
    state: Mapped[str]
    consent: Mapped[str | None]  # as the API names it, once it is granted
    application: Mapped[str | None]  # as the API names it, where the consent came with one
    scan_hash: Mapped[str | None] = mapped_column(unique=True)  # of the secret in the QR code
    state_hash: Mapped[str | None] = mapped_column(unique=True)  # of the state that comes back from the browser
    sealed: Mapped[str]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)  # exclusive
    polled_at: Mapped[datetime | None]

    @property
    def wire_id(self) -> str:
        """Return the id that pages name it by."""
        return ids.external("ask", self.id)


class DeskAct(Base):
    """What one person of an institution proposed or wrote, and a second one approved."""

    __tablename__ = "desk_acts"
    __table_args__ = (
        CheckConstraint("end_reason IN ('done', 'declined', 'taken_back')", name="end_reason"),
        CheckConstraint(
            "(ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)", name="ended"
        ),
        # The rule itself: who proposed cannot approve.
        CheckConstraint("end_reason <> 'done' OR ended_by <> proposed_by", name="two_people"),
        Index(
            "uq_desk_acts_waiting", "institution_id", "kind", "subject_sha256", unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    kind: Mapped[str]
    subject: Mapped[dict[str, object]] = mapped_column(JSONB)  # what exactly: the second approves the same
    subject_sha256: Mapped[str]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("desk_people.account_id"))
    proposed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("desk_people.account_id"))
    end_reason: Mapped[str | None]

    @property
    def wire_id(self) -> str:
        """Return the id that pages name it by."""
        return ids.external("act", self.id)
