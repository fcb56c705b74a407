"""Housekeeping of the desk: requests that came to nothing, and are long over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete

from creditlink.desk.tables import DeskRequest
from creditlink.kit import jobs
from creditlink.kit.postgres import db

KEPT = timedelta(days=30)
"""How long a lender finds in its list that a firm did not agree."""


@jobs.app.periodic(cron="17 3 * * *", periodic_id="desk.sweep")
@jobs.app.task(name="desk.sweep", queue="system", queueing_lock="desk.sweep")
def sweep_requests(timestamp: int) -> None:
    """Delete requests that no firm granted, with what they asked."""
    over = datetime.fromtimestamp(timestamp, UTC) - KEPT
    with db.transaction("worker") as session:
        session.execute(delete(DeskRequest).where(DeskRequest.state != "granted", DeskRequest.expires_at <= over))
