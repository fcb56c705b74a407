"""Links, recovery codes, invitations, and identities that a provider proved. Of every secret only a hash is stored."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.enterprises.tables import AgentLimits
from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class PersonLink(Base):
    """A link that a person was sent: to set a new password, or to confirm an address. Good once."""

    __tablename__ = "person_links"
    __table_args__ = (
        CheckConstraint("purpose IN ('reset', 'verify')", name="purpose"),
        CheckConstraint("(purpose = 'verify') = (address IS NOT NULL)", name="verify"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    purpose: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(unique=True)
    channel: Mapped[str | None]
    address: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)  # exclusive
    ended_at: Mapped[datetime | None]  # used, or overtaken


class RecoveryCode(Base):
    """One of the codes that stand in for a lost phone, each once."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    code_hash: Mapped[str] = mapped_column(unique=True)  # keyed: a copy of the database alone cannot be searched
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class FirmInvitation(Base):
    """A link by which the legal representative lets one person become an agent, within limits. Good once."""

    __tablename__ = "firm_invitations"
    __table_args__ = (
        CheckConstraint("end_reason IN ('taken', 'withdrawn')", name="end_reason"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
        CheckConstraint("(taken_by IS NOT NULL) = (end_reason IS NOT DISTINCT FROM 'taken')", name="taken"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]  # whom the representative means
    reason: Mapped[str]
    limits: Mapped[AgentLimits | None] = mapped_column(JSONB(none_as_null=True))
    valid_until: Mapped[datetime | None]  # of the appointment
    secret_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # of the link, exclusive
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    taken_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))

    @property
    def wire_id(self) -> str:
        """Return the id that pages name it by."""
        return ids.external("inv", self.id)


class IdentityBinding(Base):
    """That a provider's subject is this account; the subject itself is not stored."""

    __tablename__ = "identity_bindings"

    provider: Mapped[str] = mapped_column(primary_key=True)
    subject_digest: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    bound_at: Mapped[datetime]
