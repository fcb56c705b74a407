"""Counting answers: in memory, and every few seconds into the database, where all processes' counts add up."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from creditlink.kit.postgres import db
from creditlink.status.steps import bucket_of, step_of
from creditlink.status.tables import StepCount

log = structlog.get_logger()

EVERY = timedelta(seconds=5)
Key = tuple[datetime, str, str, int]


class Recorder:
    """The counts of one process that are not in the database yet."""

    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()
        self._written_at: datetime | None = None
        self._lock = threading.Lock()

    def observe(self, route: str, status: int, seconds: float, now: datetime) -> None:
        """Count an answer, if its route is a step; a refusal is an answer too, only our own failures are not."""
        step = step_of(route)
        if step is None:
            return
        outcome = "failed" if status >= 500 else "ok"
        with self._lock:
            self._counts[(now.replace(second=0, microsecond=0), step, outcome, bucket_of(seconds))] += 1

    def write(self, now: datetime, *, at_once: bool = False) -> None:
        """Add the counts to the database's, every few seconds; if that is away the counts are lost, no answer is."""
        with self._lock:
            due = at_once or self._written_at is None or now - self._written_at >= EVERY
            if not due or not self._counts:
                return
            counts, self._counts, self._written_at = self._counts, Counter(), now
        # In the same order in every process, so that two that write at once do not deadlock.
        rows = [
            {"minute_at": minute, "step": step, "outcome": outcome, "bucket": bucket, "answers": answers}
            for (minute, step, outcome, bucket), answers in sorted(counts.items())
        ]
        added = insert(StepCount)
        try:
            with db.transaction() as session:
                session.execute(
                    added.on_conflict_do_update(
                        index_elements=["minute_at", "step", "outcome", "bucket"],
                        set_={"answers": StepCount.answers + added.excluded.answers},
                    ),
                    rows,
                )
        except SQLAlchemyError as error:
            log.warning("step_counts_lost", error=type(error).__name__, answers=sum(counts.values()))
