"""Trouble with the database, kept apart from our own bugs: one list of its forms, and how each is answered."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import structlog
from sqlalchemy import exc

from creditlink.kit.errors import DatabaseBusy, DatabaseUnavailable, Problem
from creditlink.kit.processes.metrics import DATABASE_TROUBLE

log = structlog.get_logger()

_BUSY = frozenset({"55P03", "57014", "40001", "40P01"})  # a lock, a time-out, two transactions in each other's way
_AWAY = ("08", "53", "57", "58", "28", "3D000", "25006", "25P03")
"""Connections, resources (disk, memory, slots), an operator's stop, files, logins; read-only; idle for too long."""


def outage_of(error: BaseException) -> Problem | None:
    """Return what to answer where the database is the cause of `error`; None where it is a bug of ours."""
    for cause in _causes(error):
        if isinstance(cause, exc.TimeoutError):  # no connection of the pool became free
            return DatabaseBusy()
        if isinstance(cause, exc.DisconnectionError):
            return DatabaseUnavailable()
        if isinstance(cause, psycopg.Error):
            return _of_driver(cause)
    return None


def answer_for(error: BaseException) -> Problem:
    """Return the problem that answers an unexpected error, and log which it was: trouble, or a bug with its trace."""
    problem = outage_of(error)
    if problem is None:
        log.error("unexpected_error", error=type(error).__name__, exc_info=error)
        return Problem()
    cause = next(cause for cause in _causes(error) if isinstance(cause, (psycopg.Error, exc.SQLAlchemyError)))
    DATABASE_TROUBLE.labels(problem.slug).inc()
    log.warning(
        "database_trouble",
        problem=problem.slug,
        error=type(getattr(cause, "orig", None) or cause).__name__,
        sqlstate=getattr(cause, "sqlstate", None) or getattr(getattr(cause, "orig", None), "sqlstate", None),
    )
    return problem


def _of_driver(error: psycopg.Error) -> Problem | None:
    if error.sqlstate in _BUSY:
        return DatabaseBusy()
    if error.sqlstate is not None:
        return DatabaseUnavailable() if error.sqlstate.startswith(_AWAY) else None
    # An error without an SQLSTATE is about the connection: refused, broken, silent for too long.
    gone = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return DatabaseUnavailable() if gone else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it was raised from; the queue and SQLAlchemy wrap the driver's errors."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or getattr(cause, "orig", None) or getattr(cause, "original_exception", None)
