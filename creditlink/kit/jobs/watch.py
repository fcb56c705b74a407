"""What wraps every job of a worker: it is counted and timed, and its failure is logged."""

from __future__ import annotations

import asyncio
import time

import structlog
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job
from procrastinate.middleware import AsyncCallNext
from procrastinate.worker import Worker

from creditlink.kit.clock import utc_now
from creditlink.kit.jobs import dead_letters
from creditlink.kit.postgres import db
from creditlink.kit.processes.metrics import JOB_SECONDS, JOBS

log = structlog.get_logger()


class Watch:
    """The middleware of a process's lanes; it knows which jobs run here right now."""

    def __init__(self) -> None:
        self.running: set[int] = set()

    async def __call__(self, call_next: AsyncCallNext, context: JobContext, worker: Worker) -> object:
        """Run one job."""
        job = context.job
        assert job.id is not None  # noqa: S101 (it was fetched from the table)
        self.running.add(job.id)
        began = time.perf_counter()
        try:
            result = await call_next()
        except Exception as error:
            task = context.app.tasks.get(job.task_name)
            again = task is not None and task.get_retry_exception(exception=error, job=job) is not None
            JOBS.labels(job.task_name, "retried" if again else "failed").inc()
            write = log.warning if again else log.error
            write(
                "job_failed",
                task=job.task_name,
                job_id=job.id,
                attempt=job.attempts + 1,
                again=again,
                error=dead_letters.describe(error),
                exc_info=True,
            )
            if not again:
                await asyncio.to_thread(_note_failure, job, error)
            raise
        else:
            JOBS.labels(job.task_name, "done").inc()
            return result
        finally:
            self.running.discard(job.id)
            JOB_SECONDS.labels(job.task_name).observe(time.perf_counter() - began)


def _note_failure(job: Job, error: Exception) -> None:
    """Note why a job failed for good; a trigger on its state records that it did."""
    try:
        with db.transaction("worker") as session:
            dead_letters.note_job(session, job, error, utc_now())
    except Exception:
        log.exception("dead_letter_without_reason", job_id=job.id)
