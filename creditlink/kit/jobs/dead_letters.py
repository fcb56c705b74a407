"""The list of failed work: what is on it, and how each entry ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from procrastinate.jobs import Job
from sqlalchemy import ColumnElement, SQLColumnExpression, String, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from creditlink.kit import ids
from creditlink.kit.clock import to_second
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.http import paging
from creditlink.kit.jobs import queue
from creditlink.kit.jobs.tables import PREFIX, DeadLetter

_OPEN = text("resolved_at IS NULL")
_FIRST_REST, _LONGEST_REST = timedelta(seconds=30), timedelta(hours=1)


def describe(error: BaseException) -> str:
    """Return an error without its values: a message may quote a firm's record, a class and an SQLSTATE do not."""
    name = type(error).__name__
    if isinstance(error, DBAPIError) and error.orig is not None:
        state = getattr(error.orig, "sqlstate", None)
        return f"{name}: {type(error.orig).__name__}" + (f" ({state})" if state else "")
    return name


def note_job(session: Session, job: Job, error: BaseException, now: datetime) -> None:
    """Note why a job failed; a trigger on its state counts the failure."""
    row = insert(DeadLetter).values(
        id=uuid4(), kind="job", task=job.task_name, item=job.queueing_lock or str(job.id), job_id=job.id,
        queue=job.queue, lock=job.lock, queueing_lock=job.queueing_lock, priority=job.priority, args=job.task_kwargs,
        error=describe(error), failures=0, first_failed_at=now, last_failed_at=now,
    )  # fmt: skip
    session.execute(
        row.on_conflict_do_update(
            index_elements=["task", "item"], index_where=_OPEN, set_={"error": row.excluded.error}
        )
    )


def note_item(session: Session, task: str, item: str, error: BaseException, now: datetime) -> int:
    """Put an item that a sweep could not do on the list; return how often it has failed in a row.

    The sweep leaves it alone for 30 s, then twice as long each time, an hour at most.
    """
    row = insert(DeadLetter).values(
        id=uuid4(), kind="item", task=task, item=item, error=describe(error), failures=1,
        first_failed_at=now, last_failed_at=now, next_try_at=now + _FIRST_REST,
    )  # fmt: skip
    statement = row.on_conflict_do_update(
        index_elements=["task", "item"],
        index_where=_OPEN,
        set_={"error": row.excluded.error, "failures": DeadLetter.failures + 1, "last_failed_at": now},
    ).returning(DeadLetter.id, DeadLetter.failures)
    letter_id, failures = session.execute(statement).one()
    rest = min(_FIRST_REST * 2 ** min(failures - 1, 10), _LONGEST_REST)
    session.execute(
        update(DeadLetter)
        .where(DeadLetter.id == letter_id)
        .values(next_try_at=now + rest)
        .execution_options(synchronize_session=False)
    )
    return int(failures)


def close_item(session: Session, task: str, item: str, now: datetime) -> None:
    """Close the letter of an item that succeeded after all."""
    session.execute(
        update(DeadLetter)
        .where(DeadLetter.task == task, DeadLetter.item == item, DeadLetter.resolved_at.is_(None))
        .values(resolved_at=now, resolution="succeeded", next_try_at=None)
        .execution_options(synchronize_session=False)
    )


def open_items(session: Session, task: str) -> set[str]:
    """Return the items of a sweep that are on the list."""
    query = select(DeadLetter.item).where(DeadLetter.task == task, DeadLetter.resolved_at.is_(None))
    return set(session.scalars(query))


def not_resting(task: str, item_id: SQLColumnExpression[UUID], now: datetime) -> ColumnElement[bool]:
    """Return the condition that leaves out items that failed a moment ago, so that they do not crowd the others out."""
    resting = select(DeadLetter.id).where(
        DeadLetter.task == task,
        DeadLetter.item == cast(item_id, String),
        DeadLetter.resolved_at.is_(None),
        DeadLetter.next_try_at > now,
    )
    return ~resting.exists()


def count_open(session: Session) -> dict[str, int]:
    """Return how many letters are open, by task."""
    query = select(DeadLetter.task, func.count()).where(DeadLetter.resolved_at.is_(None)).group_by(DeadLetter.task)
    return {row[0]: row[1] for row in session.execute(query)}


def page_of(
    session: Session, *, task: str | None, is_open: bool | None, cursor: str | None, limit: int
) -> tuple[Sequence[DeadLetter], str | None]:
    """Return one page of the list, the last failure first, and the cursor of the next page.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    query = select(DeadLetter)
    if task is not None:
        query = query.where(DeadLetter.task == task)
    if is_open is not None:
        query = query.where(DeadLetter.resolved_at.is_(None) if is_open else DeadLetter.resolved_at.is_not(None))
    after = paging.row_of(session, DeadLetter, PREFIX, cursor)
    rows, more = paging.newest_first(session, query, DeadLetter.last_failed_at, DeadLetter.id, after=after, limit=limit)
    page = [letter for (letter,) in rows]
    return page, page[-1].wire_id if more else None


def letter_of(session: Session, external: str) -> DeadLetter:
    """Return one letter.

    Raises
    ------
    NotFound
        There is no letter with this id.
    """
    letter = session.get(DeadLetter, ids.internal(PREFIX, external))
    if letter is None:
        raise NotFound
    return letter


def retry(session: Session, letter: DeadLetter, now: datetime) -> None:
    """Do the work again: queue the job once more, or let the next sweep take the item at once.

    Raises
    ------
    Conflict
        The letter is closed.
    """
    current = _still_open(session, letter)
    if current.kind == "item":
        current.next_try_at = now
        return
    _close(current, "retried", now)
    queue.defer(
        session, current.task, queue=current.queue or "default", lock=current.lock, queueing_lock=current.queueing_lock,
        schedule_at=None, priority=current.priority or 0, **(current.args or {}),
    )  # fmt: skip


def drop(session: Session, letter: DeadLetter, now: datetime) -> None:
    """Close a letter without doing its work; an item that fails again comes back on the list.

    Raises
    ------
    Conflict
        The letter is closed.
    """
    _close(_still_open(session, letter), "dropped", now)


def _still_open(session: Session, letter: DeadLetter) -> DeadLetter:
    # Of two operators who act at once, only one succeeds.
    query = select(DeadLetter).where(DeadLetter.id == letter.id).with_for_update()
    current = session.scalars(query.execution_options(populate_existing=True)).one()
    if current.resolved_at is not None:
        raise Conflict(f"the letter is closed: {current.resolution}", reason="closed")
    return current


def _close(letter: DeadLetter, resolution: str, now: datetime) -> None:
    letter.resolved_at, letter.resolution, letter.next_try_at = now, resolution, None


def as_json(letter: DeadLetter) -> dict[str, object]:
    """Return a letter as operators see it."""
    return {
        "id": letter.wire_id,
        "kind": letter.kind,
        "task": letter.task,
        "item": letter.item,
        "job_id": letter.job_id,
        "queue": letter.queue,
        "error": letter.error,
        "failures": letter.failures,
        "first_failed_at": to_second(letter.first_failed_at),
        "last_failed_at": to_second(letter.last_failed_at),
        "next_try_at": letter.next_try_at and to_second(letter.next_try_at),
        "resolved_at": letter.resolved_at and to_second(letter.resolved_at),
        "resolution": letter.resolution,
    }


def of_task(session: Session, task: str) -> Sequence[DeadLetter]:
    """Return the open letters of a task, the oldest first."""
    query = select(DeadLetter).where(DeadLetter.task == task, DeadLetter.resolved_at.is_(None))
    return session.scalars(query.order_by(DeadLetter.first_failed_at, DeadLetter.id)).all()
