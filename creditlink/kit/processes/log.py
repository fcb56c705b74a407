"""Logs: one JSON object a line, keys not sentences, nothing secret, no rows that the database quotes."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from types import TracebackType

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from structlog.typing import EventDict, Processor

from creditlink.kit.settings import Settings

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

# Names whose values never belong in a log, wherever they turn up.
_SECRET_KEYS = re.compile(
    r"password|secret|token|assertion|authorization|cookie|dpop|code_verifier|^code$|totp|uscc|body|jwk|signature",
    re.IGNORECASE,
)
_USCC_OR_JWT = re.compile(r"\b[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}\b|\beyJ[\w-]+\.[\w-]+\.[\w-]*")

# A message of PostgreSQL from where it may begin to quote keys, rows and inputs. Tracebacks leave it out themselves.
_QUOTED_ROWS = re.compile(r"(?<=\(psycopg\.errors\.)(\w+\)).*|\b(?:DETAIL|CONTEXT):\s.*", re.DOTALL)
_QUOTED = re.compile(r'".*"', re.DOTALL)


def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Blank secret keys, and firm codes or JWTs that slipped into a text."""
    for key, value in event.items():
        if _SECRET_KEYS.search(key):
            event[key] = "[redacted]"
        elif isinstance(value, str):
            quiet = value if key == "exception" else _QUOTED_ROWS.sub(r"\1 [redacted]", value)
            event[key] = _USCC_OR_JWT.sub("[redacted]", quiet)
    return event


def format_traceback(exc_info: ExcInfo) -> str:
    """Return a traceback in which errors of the database say their kind and place, and quote no value.

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
    """Replace the database's messages in a traceback, in its causes and in the members of its groups."""
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
        for inner_trace, inner in zip(trace.exceptions, error.exceptions, strict=False):
            _quiet(inner_trace, inner, seen)


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library's loggers through one redacting chain to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(format_traceback),
        redact,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    # What ends a process is said there too: standard error is the log.
    sys.excepthook = lambda *exc_info: sys.stderr.write(format_traceback(exc_info) + "\n")
    # At DEBUG these print tokens, bodies or bind parameters; they never go below INFO or WARNING.
    logging.getLogger("authlib").setLevel(max(logging.INFO, root.level))
    for name in ("httpx", "httpcore", "sqlalchemy.engine", "procrastinate", "stamina", "werkzeug", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
