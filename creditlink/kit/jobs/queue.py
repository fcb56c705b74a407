"""The queue: tasks are declared on `app`, and `defer` adds a job in the caller's transaction."""

from __future__ import annotations

import json
from datetime import datetime

import procrastinate
from procrastinate import PsycopgConnector, RetryDecision, RetryStrategy, utils
from procrastinate.jobs import Job
from sqlalchemy import text
from sqlalchemy.orm import Session

from creditlink.kit.clock import utc_now

# A worker without a heartbeat for this long is dead, and its jobs go to another.
HEARTBEAT_SECONDS = 2.0
DEAD_AFTER_SECONDS = 8.0


class _ByTheDatabasesClock(RetryStrategy):
    """A retry strategy that counts its pauses by the database's clock, which decides when a job is due."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Return when the job runs again."""
        decided = super().get_retry_decision(exception=exception, job=job)
        if decided is None or decided.retry_at is None:
            return decided
        return RetryDecision(retry_at=utc_now() + (decided.retry_at - utils.utcnow()))


AGAIN = _ByTheDatabasesClock(max_attempts=6, exponential_wait=2)
"""When a job whose code raised runs again: after 2, 4, 8, 16, 32 s. A partner's mistake raises nothing."""

app = procrastinate.App(
    connector=PsycopgConnector(),
    import_paths=[
        "creditlink.kit.jobs.tasks",
        "creditlink.audit.tasks",
        "creditlink.enterprises.registry.tasks",
        "creditlink.records.tasks",
        "creditlink.uploads.tasks",
        "creditlink.disputes.tasks",
        "creditlink.consents.tasks",
        "creditlink.oauth.tasks",
        "creditlink.portal.developers.tasks",
        "creditlink.portal.tasks",
        "creditlink.retention.tasks",
        "creditlink.status.tasks",
        "creditlink.desk.tasks",
        "creditlink.staff.tasks",
        "creditlink.shadow.tasks",
        "creditlink.reviews.tasks",
        "creditlink.objections.tasks",
        "creditlink.cards.tasks",
        "creditlink.watch.tasks",
        "creditlink.notifications.tasks",
        "creditlink.messages.tasks",
        "creditlink.financing.tasks",
        "creditlink.products.tasks",
        "creditlink.profiles.reliance.endings.tasks",
        "creditlink.profiles.reliance.contested.tasks",
    ],
    worker_defaults={
        "update_heartbeat_interval": HEARTBEAT_SECONDS,
        "stalled_worker_timeout": DEAD_AFTER_SECONDS,
    },
)
"""Tasks are declared in the slices' `tasks.py` with `@jobs.app.task(...)`."""

# procrastinate's own way to queue in a caller's transaction takes the app's connector, which is asynchronous inside
# a worker and synchronous elsewhere. The table is its documented interface to other languages; a trigger of ours drops
# the row where a job with the same queueing lock is already waiting.
_INSERT = text("""
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
    VALUES (:queue, :task, :priority, :lock, :queueing_lock, CAST(:args AS jsonb), :schedule_at)
    RETURNING id
""")


def defer(
    session: Session,
    task: str,
    *,
    queue: str = "default",
    lock: str | None = None,
    queueing_lock: str | None = None,
    schedule_at: datetime | None = None,
    priority: int = 0,
    **args: object,
) -> int | None:
    """Queue `task` in the transaction of `session`: it exists exactly if the transaction commits.

    Works in a request, a command and inside a job. Returns the job's id, or None when one with the same
    `queueing_lock` is already waiting.
    """
    session.flush()
    job_id: int | None = session.scalar(
        _INSERT,
        {
            "queue": queue,
            "task": task,
            "priority": priority,
            "lock": lock,
            "queueing_lock": queueing_lock,
            "args": json.dumps(args),
            "schedule_at": schedule_at,
        },
    )
    return job_id
