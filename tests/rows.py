"""A row for any table, made up by the types of its columns: for tests that must hold for tables not yet invented."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Double,
    Float,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Uuid,
    insert,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import BigInteger

from creditlink.kit.postgres.db import UTCDateTime
from creditlink.kit.postgres.sealed_text import SealedText

_MADE = (
    (Uuid, lambda: uuid4()),
    (UTCDateTime, lambda: datetime(2026, 8, 24, 2, 0, tzinfo=UTC)),
    (Date, lambda: date(2026, 8, 24)),
    (JSONB, dict),
    (ARRAY, list),
    (Boolean, lambda: False),
    ((Integer, BigInteger, SmallInteger, Float, Double), lambda: 1),
    (LargeBinary, lambda: b"x"),
    ((String, SealedText), lambda: "x"),
)


def made_up(column: Column) -> Any:
    """Return some value for the column."""
    for kind, make in _MADE:
        if isinstance(column.type, kind):
            return make()
    raise AssertionError(f"tests/rows.py knows no value for {column} of type {column.type!r}")


def row_of(table: Table, **values: Any) -> dict[str, Any]:
    """Return a full row: `values`, and something for every other column that needs one."""
    return {
        column.name: made_up(column)
        for column in table.columns
        if not column.nullable and column.identity is None and column.name not in values
    } | values


def add_row(session, table: Table, **values: Any) -> dict[str, Any]:
    """Insert such a row, and return it."""
    row = row_of(table, **values)
    session.execute(insert(table).values({table.c[name]: value for name, value in row.items()}))
    return row
