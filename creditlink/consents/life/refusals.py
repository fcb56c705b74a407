"""Evidence of what was refused: a refusal rolls its transaction back, so this writes one of its own."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from creditlink.audit import service as audit
from creditlink.consents.life.announcement import tell_refused
from creditlink.consents.service import ReadAccess
from creditlink.consents.tables import Consent
from creditlink.kit.errors import (
    ConsentRefused,
    InsufficientScope,
    LimitExceeded,
    NotFound,
    Problem,
    RecordsUnavailable,
    Unauthorized,
)
from creditlink.kit.postgres import db
from creditlink.kit.processes.metrics import REFUSALS

log = structlog.get_logger()

RECORDED = (ConsentRefused, LimitExceeded, InsufficientScope, NotFound, RecordsUnavailable, Unauthorized)


def reason_of(problem: Problem) -> str:
    """Return the machine-readable reason of a refusal."""
    return str(problem.extra.get("reason") or problem.extra.get("attribute") or problem.slug)


def record_refusal(
    access: ReadAccess, client_id: str, problem: Problem, *, route: str, now: datetime, why: str | None = None
) -> None:
    """Record that a bank was refused. It is refused also when the record cannot be written.

    `why` is a reason that the sender does not see: which of the many ways a token can be bad.
    """
    if not isinstance(problem, RECORDED):
        return
    reason = why or reason_of(problem)
    REFUSALS.labels(reason).inc()
    try:
        with db.transaction(viewer=db.Viewer(institution_id=access.institution_id)) as session:
            consent = None if access.consent_id is None else session.get(Consent, access.consent_id)
            firm: UUID | None = consent.enterprise_id if consent else None
            audit.record(
                session,
                action="read.refused",
                result="refused",
                actor=f"bank:{client_id}",
                now=now,
                enterprise_id=firm,
                institution_id=access.institution_id,
                client_id=client_id,
                consent_id=access.consent_id,
                purpose=consent.purpose if consent else None,
                detail={"route": route, "reason": reason, "status": problem.status},
                request_id=structlog.contextvars.get_contextvars().get("request_id"),
            )
            if consent is not None:
                tell_refused(session, consent, reason.partition(":")[0], now)
    except SQLAlchemyError as error:
        log.error("refusal_not_recorded", error=type(error).__name__, reason=reason)
