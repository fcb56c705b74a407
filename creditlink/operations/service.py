"""Acting on failed work, with evidence of who did it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.kit.jobs import dead_letters
from creditlink.kit.jobs.tables import DeadLetter

Act = Literal["retry", "drop"]


def act_on(
    session: Session,
    letter: DeadLetter,
    act: Act,
    *,
    actor: str,
    now: datetime,
    institution_id: UUID | None = None,
    client_id: str | None = None,
) -> DeadLetter:
    """Retry or drop failed work, and record who did it.

    Raises
    ------
    Conflict
        The letter is closed.
    """
    {"retry": dead_letters.retry, "drop": dead_letters.drop}[act](session, letter, now)
    audit.record(
        session,
        action=f"work.{act}",
        result="done",
        actor=actor,
        now=now,
        institution_id=institution_id,
        client_id=client_id,
        detail={"dead_letter": letter.wire_id, "task": letter.task},
    )
    return letter
