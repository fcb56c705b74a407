"""Whether a firm agreed to be counted for banks: off until it says so. Every change is in the firm's evidence."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises import second_signatures
from creditlink.enterprises.tables import Enterprise

ACTION = "enterprise.discoverable"


def set_discoverable(session: Session, enterprise: Enterprise, wanted: bool, *, actor: str, now: datetime) -> None:
    """Let banks count a firm, or stop that; repeating it changes nothing.

    A yes that waits for its second signature ends with a no. It opens no record of the firm: banks learn how many
    firms a product is for, never which.
    """
    session.refresh(enterprise, with_for_update=True)
    if not wanted:
        second_signatures.end_waiting(session, enterprise.id, act="count", actor=actor, now=now)
    if enterprise.discoverable == wanted:
        return
    enterprise.discoverable = wanted
    session.flush()
    audit.record(
        session,
        action=ACTION,
        result="done",
        actor=actor,
        now=now,
        enterprise_id=enterprise.id,
        detail={"discoverable": wanted},
    )


def discoverable_usccs(session: Session) -> list[str]:
    """Return the codes of the firms that agreed to be counted, ascending."""
    return list(session.scalars(select(Enterprise.uscc).where(Enterprise.discoverable).order_by(Enterprise.uscc)))
