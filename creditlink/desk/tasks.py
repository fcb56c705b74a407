"""Work of the desk without anybody at it: answers of firms picked up, and what came to nothing deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import structlog
from sqlalchemy import delete

from creditlink.desk.collecting import collect
from creditlink.desk.tables import DeskRequest
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

log = structlog.get_logger()
_SECONDS = 10.0

KEPT = timedelta(days=30)
"""How long a lender finds in its list that a firm did not agree."""


@jobs.app.periodic(cron="17 3 * * *", periodic_id="desk.sweep")
@jobs.app.task(name="desk.sweep", queue="system", queueing_lock="desk.sweep")
def sweep_requests(timestamp: int) -> None:
    """Delete requests that no firm granted, with what they asked."""
    over = datetime.fromtimestamp(timestamp, UTC) - KEPT
    with db.transaction("worker") as session:
        session.execute(delete(DeskRequest).where(DeskRequest.state != "granted", DeskRequest.expires_at <= over))


@jobs.app.periodic(cron="* * * * * */30", periodic_id="desk.collect")
@jobs.app.task(name="desk.collect", queue="system", queueing_lock="desk.collect")
def collect_answers(timestamp: int) -> None:
    """Ask for each request that waits in a firm's inbox whether the firm has answered."""
    del timestamp  # what is due is due by the clock of now
    with httpx.Client(base_url=runtime.part(Settings).issuer, timeout=_SECONDS, trust_env=False) as http:
        granted = collect(http, utc_now)
    if granted:
        log.info("desk_answers_collected", granted=granted)
