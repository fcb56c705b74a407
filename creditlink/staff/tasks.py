"""Housekeeping of staff: logins of command lines that are over."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete

from creditlink.kit import jobs
from creditlink.kit.postgres import db
from creditlink.staff.tables import StaffLogin


@jobs.app.periodic(cron="*/10 * * * *", periodic_id="staff.sweep")
@jobs.app.task(name="staff.sweep", queue="system", queueing_lock="staff.sweep")
def sweep_logins(timestamp: int) -> None:
    """Delete logins that are over: anybody can cause such rows without signing in."""
    with db.transaction("worker") as session:
        session.execute(delete(StaffLogin).where(StaffLogin.expires_at <= datetime.fromtimestamp(timestamp, UTC)))
