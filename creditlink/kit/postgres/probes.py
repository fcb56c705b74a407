"""What is asked of a database before it is relied on, by `/health/ready` and by `creditlink doctor`."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from creditlink.kit import clock
from creditlink.kit.postgres import schema


def clock_offset(session: Session) -> float:
    """Return how many seconds this process's clock is ahead of the database's."""
    before = clock.wall_clock()
    there = session.scalar(text("SELECT clock_timestamp()"))
    assert isinstance(there, datetime)  # noqa: S101 (for the type checker)
    return (before + (clock.wall_clock() - before) / 2 - there).total_seconds()


def try_to_write(session: Session) -> None:
    """Write a row and take it back: a database that only reads, or has no room, is not ready.

    Raises
    ------
    SQLAlchemyError
        It cannot be written.
    """
    session.execute(
        text("INSERT INTO used_jtis (digest, expires_at) VALUES (:digest, now())"),
        {"digest": f"ready-{uuid4().hex}"},
    )
    session.rollback()


def fits(connection: Connection) -> bool:
    """Whether this code may work on the schema: its own, or a newer one that serves it still."""
    at, head = schema.current_revision(connection), schema.head()
    return at == head or (at > head and schema.is_served(schema.oldest_served(connection)))
