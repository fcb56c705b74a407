"""Housekeeping of the queue itself: the jobs of dead workers go to live ones."""

from __future__ import annotations

import procrastinate
import structlog

from creditlink.kit.clock import utc_now
from creditlink.kit.jobs.queue import DEAD_AFTER_SECONDS, app
from creditlink.kit.processes.metrics import JOBS

log = structlog.get_logger()


@app.periodic(cron="* * * * * */5", periodic_id="rescue")
@app.task(name="jobs.rescue", queue="system", queueing_lock="jobs.rescue", pass_context=True)
async def rescue_stalled_jobs(context: procrastinate.JobContext, timestamp: int) -> None:
    """Give the jobs of dead workers to live ones, each by itself; every task is safe to run again."""
    manager = context.app.job_manager
    stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_SECONDS))
    # A locked row would hold up the others: the next round comes in five seconds.
    free = {
        row["id"]
        for row in await manager.connector.execute_query_all_async(
            "SELECT id FROM procrastinate_jobs WHERE id = ANY(%(ids)s::bigint[]) FOR UPDATE SKIP LOCKED",
            ids=[job.id for job in stalled],
        )
    }
    for job in stalled:
        if job.id not in free:
            log.warning("job_not_rescued", task=job.task_name, job_id=job.id, reason="its row is locked")
            continue
        try:
            await manager.retry_job(job, retry_at=utc_now())
        except procrastinate.exceptions.ConnectorException:
            # Its worker came back and ended it, or another worker was first: the next round takes what is left.
            log.warning("job_not_rescued", task=job.task_name, job_id=job.id, exc_info=True)
        else:
            JOBS.labels(job.task_name, "rescued").inc()
            log.warning("job_rescued", task=job.task_name, job_id=job.id, attempt=job.attempts)
