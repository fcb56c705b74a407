"""Tracebacks for the log: where it happened and what went wrong, without the rows that the database quotes."""

from __future__ import annotations

import re
import traceback
from types import TracebackType

import psycopg
from sqlalchemy.exc import DBAPIError

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
_QUOTED = re.compile(r'".*"', re.DOTALL)


def formatted(exc_info: ExcInfo) -> str:
    """Return a traceback in which database errors give their kind and place but quote no value.

    PostgreSQL repeats keys, whole rows and bad inputs in its messages (DETAIL: Failing row contains …).
    """
    _, error, _ = exc_info
    trace = traceback.TracebackException(*exc_info)
    _quiet(trace, error, set())
    return "".join(trace.format()).rstrip("\n")


def message_of(error: BaseException) -> str:
    """Return what went wrong, in one line, without values."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return f"({type(error.orig).__name__}) {message_of(error.orig)}"
    if not isinstance(error, psycopg.Error):
        return str(error)
    diag = error.diag
    if diag.sqlstate is None:  # the driver's own words: no connection, a wrong password
        return _QUOTED.sub('"…"', str(error)) if isinstance(error, psycopg.OperationalError) else ""
    places = {"constraint": diag.constraint_name, "table": diag.table_name, "column": diag.column_name}
    where = "".join(f", {kind} {name}" for kind, name in places.items() if name)
    return _QUOTED.sub('"…"', diag.message_primary or "") + f" ({diag.sqlstate}{where})"


def _quiet(trace: traceback.TracebackException, error: BaseException, seen: set[int]) -> None:
    if id(error) in seen:
        return
    seen.add(id(error))
    if isinstance(error, DBAPIError | psycopg.Error):
        trace._str = message_of(error)  # type: ignore[attr-defined]  # what `format` prints after the class's name
    if trace.__cause__ is not None and error.__cause__ is not None:
        _quiet(trace.__cause__, error.__cause__, seen)
    if trace.__context__ is not None and error.__context__ is not None:
        _quiet(trace.__context__, error.__context__, seen)
    if trace.exceptions and isinstance(error, BaseExceptionGroup):
        for inner_told, inner in zip(trace.exceptions, error.exceptions, strict=False):
            _quiet(inner_told, inner, seen)
