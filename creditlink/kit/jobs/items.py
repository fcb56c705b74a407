"""Sweeps over many items: each in its own transaction, so that one failure does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from creditlink.kit.jobs import dead_letters
from creditlink.kit.postgres import db
from creditlink.kit.processes.metrics import ITEMS_FAILED

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True)
class SweepTally:
    """How many items of a sweep succeeded and failed."""

    done: int
    failed: int


def each(
    task: str,
    items: Iterable[T],
    work: Callable[[Session, T], object],
    *,
    now: datetime,
    key: Callable[[T], str] = str,
) -> SweepTally:
    """Do `work` for every item, each in a transaction of its own, under the worker's role.

    An item that fails is logged, counted and put on the list of dead letters; it leaves the list when it succeeds.

    Raises
    ------
    sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
        The database itself is away: no item is at fault, and the sweep runs again.
    """
    with db.transaction("worker") as session:
        listed = dead_letters.open_items(session, task)
    done = failed = 0
    for item in items:
        name = key(item)
        try:
            with db.transaction("worker") as session:
                work(session, item)
                if name in listed:
                    dead_letters.close_item(session, task, name, now)
        except PoolTimeout:
            raise
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            failed += 1
            ITEMS_FAILED.labels(task).inc()
            with db.transaction("worker") as session:
                times = dead_letters.note_item(session, task, name, error, now)
            log.exception("item_failed", task=task, item=name, failures=times, error=dead_letters.describe(error))
        else:
            done += 1
    if failed:
        log.error("items_failed", task=task, done=done, failed=failed)
    return SweepTally(done, failed)
