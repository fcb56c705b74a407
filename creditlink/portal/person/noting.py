"""What a person changed of how they come in: kept in the platform's evidence, and told to themselves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises.tables import Account
from creditlink.messages.service import tell
from creditlink.portal.person.sessions import PATH


def note(session: Session, account: Account, step: str, now: datetime, **detail: object) -> None:
    """Record a step, and tell the person: if it was a thief's, this is how they learn of it."""
    audit.record(
        session, action=f"person.{step}", result="done", actor=f"account:{account.id}", now=now,
        detail={"account": str(account.id), **detail},
    )  # fmt: skip
    about = f"{step} {now.isoformat()}"
    tell(session, account.id, "access_changed", now, page=f"{PATH}/security", about=about)
