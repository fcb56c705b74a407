"""Pages of a list, newest first: each starts after the row that its cursor names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar, TypeVarTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, inspect, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from creditlink.kit import ids
from creditlink.kit.errors import InvalidRequest, NotFound
from creditlink.kit.postgres.db import Base

Listed = TypeVar("Listed", bound=Base)
Columns = TypeVarTuple("Columns")


def row_of(
    session: Session, table: type[Listed], prefix: str, cursor: str | None, *own: ColumnElement[bool]
) -> Listed | None:
    """Return the row of a table that a cursor names by its id on the wire; None without a cursor.

    Parameters
    ----------
    own : conditions that every row of the list meets.

    Raises
    ------
    InvalidRequest
        There is no such row in the list: malformed, unknown and another's look the same.
    """
    if cursor is None:
        return None
    (key,) = inspect(table).primary_key
    try:
        row = session.scalar(select(table).where(key == ids.internal(prefix, cursor), *own))
    except NotFound:
        row = None
    if row is None:
        raise InvalidRequest(errors=[{"pointer": "/cursor", "detail": "is not a cursor of this list"}])
    return row


def first_due_first(
    session: Session,
    wanted: Select[Listed],
    at: InstrumentedAttribute[datetime],
    key: InstrumentedAttribute[UUID],
    *,
    after: Listed | None,
    limit: int,
) -> tuple[Sequence[Listed], bool]:
    """Return one page of rows by the instant at which they are due, the first first, and whether there are more."""
    if after is not None:
        instant, same = getattr(after, at.key), getattr(after, key.key)
        wanted = wanted.where((at > instant) | ((at == instant) & (key > same)))
    rows = session.scalars(wanted.order_by(at, key).limit(limit + 1)).all()
    return rows[:limit], len(rows) > limit


def newest_first(
    session: Session,
    wanted: Select[*Columns],
    at: InstrumentedAttribute[datetime],
    key: InstrumentedAttribute[UUID],
    *,
    after: object,
    limit: int,
) -> tuple[Sequence[Row[*Columns]], bool]:
    """Return one page of rows, and whether there are more.

    Parameters
    ----------
    at, key : the instant that orders the list, and the key that orders equal ones.
    after : the last row of the page before; None: the first page.
    """
    if after is not None:
        instant, same = getattr(after, at.key), getattr(after, key.key)
        wanted = wanted.where((at < instant) | ((at == instant) & (key < same)))
    rows = session.execute(wanted.order_by(at.desc(), key.desc()).limit(limit + 1)).all()
    return rows[:limit], len(rows) > limit
