"""Staff beside their accounts, the keys they sign with, logins that wait, and acts that wait for a second person."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class StaffMember(Base):
    """A person who works for the platform; the sign-in itself is the account's."""

    __tablename__ = "staff_members"
    __table_args__ = (
        CheckConstraint(
            "roles <@ ARRAY['operator', 'risk', 'model_owner', 'auditor'] AND cardinality(roles) > 0", name="roles"
        ),
        # Nobody audits their own work.
        CheckConstraint("NOT 'auditor' = ANY(roles) OR cardinality(roles) = 1", name="auditor_alone"),
        CheckConstraint("status IN ('invited', 'active', 'locked', 'suspended', 'ended')", name="status"),
        CheckConstraint("(status = 'invited') = (invitation_hash IS NOT NULL)", name="invited"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    staff_number: Mapped[str] = mapped_column(unique=True)  # the employer's: one person has one account
    roles: Mapped[list[str]]
    status: Mapped[str]
    invitation_hash: Mapped[str | None] = mapped_column(unique=True)
    invited_until: Mapped[datetime | None]  # exclusive
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))  # null: the first of a platform
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class StaffKey(Base):
    """A key that signs in a person's name: registered for good, or for a working day by a login."""

    __tablename__ = "staff_keys"
    __table_args__ = (
        CheckConstraint("kind IN ('key', 'webauthn')", name="kind"),
        CheckConstraint("(kind = 'key') = (jwk IS NOT NULL)", name="jwk"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    # Of any account with a second factor: people of institutions have theirs here, too.
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    kind: Mapped[str]
    name: Mapped[str]
    thumbprint: Mapped[str] = mapped_column(unique=True)  # RFC 7638, or the credential's id
    jwk: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    public_key: Mapped[bytes | None]  # COSE, of a WebAuthn credential
    sign_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]  # exclusive
    ended_at: Mapped[datetime | None]


class StaffLogin(Base):
    """A command line that waits until its person approves its key in a browser (RFC 8628)."""

    __tablename__ = "staff_logins"
    __table_args__ = (CheckConstraint("state IN ('waiting', 'approved', 'denied', 'spent')", name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    device_code_hash: Mapped[str] = mapped_column(unique=True)
    user_code_hash: Mapped[str] = mapped_column(unique=True)
    jwk: Mapped[dict[str, object]] = mapped_column(JSONB)
    thumbprint: Mapped[str]
    address: Mapped[str]  # from where it was asked for: the person who approves sees it
    state: Mapped[str]
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)  # exclusive
    polled_at: Mapped[datetime | None]


class StaffAct(Base):
    """What one member of staff proposed and a second must approve before it is done."""

    __tablename__ = "staff_acts"
    __table_args__ = (
        CheckConstraint("end_reason IN ('done', 'declined', 'taken_back')", name="end_reason"),
        CheckConstraint(
            "(ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)", name="ended"
        ),
        # The rule itself: who proposed cannot approve.
        CheckConstraint("end_reason <> 'done' OR ended_by <> proposed_by", name="two_people"),
        Index(
            "uq_staff_acts_waiting", "kind", "subject_sha256", unique=True, postgresql_where=text("ended_at IS NULL")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    subject: Mapped[dict[str, object]] = mapped_column(JSONB)  # what exactly: the second approves the same
    subject_sha256: Mapped[str]
    reason: Mapped[str]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("staff_members.account_id"))
    proposed_at: Mapped[datetime]
    open_until: Mapped[datetime]  # exclusive
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))
    end_reason: Mapped[str | None]

    @property
    def wire_id(self) -> str:
        """Return the id that commands and pages name it by."""
        return ids.external("act", self.id)
