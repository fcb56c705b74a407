"""The background worker: one PostgreSQL-backed queue, jobs deferred in the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import procrastinate
import structlog
from procrastinate import PsycopgConnector
from sqlalchemy.orm import Session

from creditlink import db

log = structlog.get_logger()

# A worker that has not been heard of for this long is dead, and its jobs go to another.
HEARTBEAT_SECONDS = 2.0
DEAD_AFTER_SECONDS = 8.0

app = procrastinate.App(
    connector=PsycopgConnector(),
    import_paths=[
        "creditlink.records.tasks",
        "creditlink.consents.tasks",
        "creditlink.oauth.tasks",
        "creditlink.portal.tasks",
        "creditlink.retention.tasks",
        "creditlink.status.tasks",
        "creditlink.notifications.tasks",
        "creditlink.financing.tasks",
    ],
    worker_defaults={
        "update_heartbeat_interval": HEARTBEAT_SECONDS,
        "stalled_worker_timeout": DEAD_AFTER_SECONDS,
    },
)
"""Tasks are declared in the slices' `tasks.py` with `@jobs.app.task(...)`."""


def defer(
    session: Session,
    task: str,
    *,
    queue: str = "default",
    lock: str | None = None,
    queueing_lock: str | None = None,
    schedule_at: datetime | None = None,
    priority: int = 0,
    **args: Any,
) -> int | None:
    """Queue `task` in the transaction of `session`: it exists exactly if the transaction commits.

    Returns the job's id, or None when one with the same `queueing_lock` is already waiting.
    """
    connection = session.connection().connection.driver_connection
    options: dict[str, Any] = {
        "queue": queue,
        "lock": lock,
        "queueing_lock": queueing_lock,
        "priority": priority,
        "connection": connection,
    }
    if schedule_at is not None:
        options["schedule_at"] = schedule_at
    session.flush()  # the driver's connection is used beside the session from here
    try:
        # A savepoint: the refusal of a double leaves the caller's transaction usable.
        with session.begin_nested():
            session.connection()  # SQLAlchemy sends the SAVEPOINT only now, and the driver would not make it
            return app.configure_task(task, **options).defer(**args)
    except procrastinate.exceptions.AlreadyEnqueued:
        return None


@app.periodic(cron="* * * * * */5", periodic_id="rescue")
@app.task(name="jobs.rescue", queue="system", queueing_lock="jobs.rescue", pass_context=True)
async def rescue_stalled_jobs(context: procrastinate.JobContext, timestamp: int) -> None:
    """Give the jobs of dead workers to living ones; every task is safe to run again."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_SECONDS):
        log.warning("job_rescued", task=job.task_name, job_id=job.id)
        await manager.retry_job(job)


def run_worker(database: db.Database, *, concurrency: int, queues: list[str] | None = None) -> None:
    """Work until stopped; SIGTERM lets running jobs finish."""
    connector = PsycopgConnector(
        conninfo=db.conninfo(database.url),
        kwargs={"options": "-c timezone=utc -c role=creditlink_worker"},
        min_size=2,
        max_size=concurrency + 4,
    )
    with app.replace_connector(connector) as live:
        live.run_worker(concurrency=concurrency, queues=queues, shutdown_graceful_timeout=20)
