"""Invitations: the legal representative signs whom they mean and within which limits; one person takes it up, once.

An invitation is worth what its inviter is worth when it is taken up: who no longer leads the firm invites nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises.identity.links import hash_of, new_secret
from creditlink.enterprises.identity.tables import FirmInvitation
from creditlink.enterprises.representation import check_terms
from creditlink.enterprises.service import may_act
from creditlink.enterprises.tables import Account, AgentLimits, Enterprise
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound

OPEN = timedelta(days=3)
MOST_OPEN = 20
LONGEST_NAME = 64


@dataclass(frozen=True)
class OpenInvitation:
    """An invitation that can be taken up, with its firm and who signed it."""

    row: FirmInvitation
    firm: Enterprise
    inviter: Account

    def subject(self, account: Account) -> dict[str, object]:
        """Return the appointment that its inviter signed, of the person who takes it up."""
        return {
            "account": str(account.id),
            "limits": self.row.limits,
            "valid_until": self.row.valid_until.isoformat() if self.row.valid_until else None,
            "reason": self.row.reason,
            "appointed_by": str(self.inviter.id),
        }


def invite(
    session: Session,
    firm: Enterprise,
    *,
    by: Account,
    name: str,
    limits: Mapping[str, object] | None,
    valid_until: datetime | None,
    reason: str,
    now: datetime,
) -> tuple[str, datetime]:
    """Invite one person; return the link's secret, which is not kept, and when it expires.

    Raises
    ------
    InvalidRequest
        The name, the limits, the end or the reason make no sense.
    Conflict
        Too many invitations are open.
    """
    check_terms(valid_until=valid_until, limits=limits, reason=reason, now=now)
    name = " ".join(name.split())
    if not (1 <= len(name) <= LONGEST_NAME and name.isprintable()):
        raise InvalidRequest(errors=[{"pointer": "/name", "detail": f"must be 1 to {LONGEST_NAME} characters"}])
    session.refresh(firm, with_for_update={"key_share": True})
    if len(waiting(session, firm, now)) >= MOST_OPEN:
        raise Conflict("too many invitations are open", reason="too_many_invitations")
    secret = new_secret()
    row = FirmInvitation(
        enterprise_id=firm.id, invited_by=by.id, name=name, reason=reason,
        limits=cast(AgentLimits, dict(limits)) if limits else None, valid_until=valid_until,
        secret_hash=hash_of(secret), created_at=now, expires_at=now + OPEN,
    )  # fmt: skip
    session.add(row)
    session.flush()
    _record(session, row, "invite", by.id, now, reason=reason, limits=row.limits)
    return secret, row.expires_at


def waiting(session: Session, firm: Enterprise, now: datetime) -> Sequence[FirmInvitation]:
    """Return the invitations of a firm that nobody has taken up yet, the oldest first."""
    query = select(FirmInvitation).where(
        FirmInvitation.enterprise_id == firm.id, FirmInvitation.ended_at.is_(None), FirmInvitation.expires_at > now
    )
    return session.scalars(query.order_by(FirmInvitation.created_at, FirmInvitation.id)).all()


def withdraw(session: Session, firm: Enterprise, invitation_id: UUID, *, by: Account, now: datetime) -> None:
    """Take an invitation back.

    Raises
    ------
    NotFound
        The firm has no such open invitation.
    """
    row = session.scalar(
        update(FirmInvitation)
        .where(
            FirmInvitation.id == invitation_id, FirmInvitation.enterprise_id == firm.id,
            FirmInvitation.ended_at.is_(None),
        )
        .values(ended_at=now, end_reason="withdrawn")
        .returning(FirmInvitation)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    if row is None:
        raise NotFound
    _record(session, row, "withdraw", by.id, now)


def opened(session: Session, secret: str, now: datetime) -> OpenInvitation:
    """Return the invitation with this secret, and open its row to the transaction.

    Raises
    ------
    NotFound
        It was never made, was taken up or withdrawn, is too old, or its inviter no longer leads the firm.
    """
    # Row-level security opens the one row of the secret that is held.
    session.execute(select(func.set_config("creditlink.invitation", hash_of(secret), True)))
    row = session.scalar(
        select(FirmInvitation).where(
            FirmInvitation.secret_hash == hash_of(secret),
            FirmInvitation.ended_at.is_(None),
            FirmInvitation.expires_at > now,
        )
    )
    if row is None:
        raise NotFound
    firm, inviter = session.get_one(Enterprise, row.enterprise_id), session.get_one(Account, row.invited_by)
    right = may_act(session, inviter, firm, now)
    if right is None or right.role != "legal_representative":
        raise NotFound
    return OpenInvitation(row, firm, inviter)


def take_up(session: Session, secret: str, account: Account, now: datetime) -> OpenInvitation:
    """Use an invitation up for an account; the caller carries out the appointment. Of two at once the first has it.

    Raises
    ------
    NotFound
        It is not open (any more).
    """
    found = opened(session, secret, now)
    taken = session.scalar(
        update(FirmInvitation)
        .where(FirmInvitation.id == found.row.id, FirmInvitation.ended_at.is_(None))
        .values(ended_at=now, end_reason="taken", taken_by=account.id)
        .returning(FirmInvitation.id)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        raise NotFound
    _record(session, found.row, "take_up", account.id, now)
    return found


def _record(session: Session, row: FirmInvitation, step: str, by: UUID, now: datetime, **more: object) -> None:
    audit.record(
        session, action=f"invitation.{step}", result="done", actor=f"account:{by}", now=now,
        enterprise_id=row.enterprise_id, detail={"invitation": row.wire_id, **more},
    )  # fmt: skip
