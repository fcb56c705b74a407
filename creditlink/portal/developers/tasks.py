"""Housekeeping of the developers' desk: old rows of the log, developers who left. Nothing to do in production."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from creditlink.kit import jobs
from creditlink.kit.postgres import db
from creditlink.kit.postgres.purpose import DatabasePurpose
from creditlink.portal.developers.joining import IDLE
from creditlink.portal.developers.recording import KEPT
from creditlink.portal.developers.tables import DeveloperRequest

_AT_A_TIME = 100
_END = text("SELECT creditlink_end_developers(:since, :most)")


@jobs.app.periodic(cron="17 * * * *", periodic_id="developers.sweep")
@jobs.app.task(name="developers.sweep", queue="system", queueing_lock="developers.sweep")
def sweep_developers(timestamp: int) -> None:
    """Delete old rows of the log, and end developers who have not been seen for long."""
    with db.transaction("worker") as session:
        if session.scalar(select(func.count()).where(DatabasePurpose.purpose == "sandbox")):
            sweep(session, now=datetime.fromtimestamp(timestamp, UTC))


def sweep(session: Session, *, now: datetime) -> tuple[int, int]:
    """Do both; return how many rows were deleted, and how many developers ended: their logins are gone for good."""
    old = delete(DeveloperRequest).where(DeveloperRequest.at < now - KEPT)
    result = session.execute(old.execution_options(synchronize_session=False))
    rows = int(result.rowcount)  # type: ignore[attr-defined]  # a cursor result, by what was executed
    return rows, int(session.scalar(_END, {"since": now - IDLE, "most": _AT_A_TIME}) or 0)
