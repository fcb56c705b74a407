"""Lanes: queues that do not wait for one another, and how each is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from creditlink.kit.jobs.queue import DEAD_AFTER_SECONDS

LaneState = Literal["well", "starved", "dead"]

STARVED_AFTER_SECONDS = 60.0
"""A job that is due and has not started for this long: there are live workers, but none has a slot for it."""


@dataclass(frozen=True)
class Lane:
    """Queues that share their own slots in every worker."""

    name: str
    queues: tuple[str, ...]
    slots: int


def lanes_of(pulls: int) -> tuple[Lane, ...]:
    """Return the lanes of a worker that makes `pulls` pulls at once.

    What fills one lane leaves the others free: revocations are announced and consents expire even while every
    source is slow, and webhooks go out while a mail server does not answer.
    """
    return (
        Lane("pulls", ("pulls",), pulls),
        Lane("webhooks", ("webhooks",), max(2, pulls // 2)),
        Lane("messages", ("messages",), 2),
        Lane("system", ("system", "default"), 2),
    )


def queue_connections(lanes: Sequence[Lane]) -> int:
    """Return how many connections the queue itself keeps in one worker at most, beside those that its jobs open."""
    return sum(lane.slots for lane in lanes) // 2 + 6


@dataclass(frozen=True)
class LaneHealth:
    """How one lane is doing, over all workers."""

    lane: str
    waiting: int  # jobs that are due
    running: int
    oldest_seconds: float  # how long the oldest due job waits
    state: LaneState

    def as_json(self) -> dict[str, object]:
        """Return it as `/health/ready` shows it."""
        return {
            "state": self.state,
            "waiting": self.waiting,
            "running": self.running,
            "oldest_seconds": round(self.oldest_seconds, 1),
        }


_ALIVE = text(
    "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => :seconds)"
)

# A job whose lock is taken waits for its own kind, not for a slot.
_QUEUES = text("""
    SELECT queue_name, count(*) FILTER (WHERE status = 'todo') AS waiting,
           count(*) FILTER (WHERE status = 'doing') AS running,
           coalesce(max(extract(epoch FROM now() - due_at)) FILTER (WHERE status = 'todo'), 0) AS oldest
    FROM (SELECT j.queue_name, j.status, greatest(j.scheduled_at, (
                     SELECT max(e.at) FROM procrastinate_events e
                     WHERE e.job_id = j.id AND e.type IN ('deferred', 'deferred_for_retry', 'retried'))) AS due_at
          FROM procrastinate_jobs j
          WHERE j.status = 'doing'
             OR (j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())
                 AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs o WHERE o.lock = j.lock AND o.status = 'doing'))
          ORDER BY j.id LIMIT 1000) AS jobs
    GROUP BY queue_name
""")


def health(session: Session) -> tuple[int, list[LaneHealth]]:
    """Return how many lanes of workers are alive, and how each lane is doing; looks at 1,000 jobs at most."""
    alive = int(session.scalar(_ALIVE, {"seconds": DEAD_AFTER_SECONDS * 2}) or 0)
    by_queue = {row.queue_name: row for row in session.execute(_QUEUES)}
    lanes = []
    for lane in lanes_of(1):
        rows = [by_queue[name] for name in lane.queues if name in by_queue]
        oldest = max((float(row.oldest) for row in rows), default=0.0)
        state: LaneState = "dead" if not alive else "starved" if oldest > STARVED_AFTER_SECONDS else "well"
        waiting, running = sum(row.waiting for row in rows), sum(row.running for row in rows)
        lanes.append(LaneHealth(lane.name, waiting, running, oldest, state))
    return alive, lanes
