"""Logs: one JSON object a line, keys not sentences, nothing secret."""

from __future__ import annotations

import logging
import re
import sys
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor

from creditlink.kit.processes import traces
from creditlink.kit.settings import Settings

# Names whose values never belong in a log, wherever they turn up.
_SECRET_KEYS = re.compile(
    r"password|secret|token|assertion|authorization|cookie|dpop|code_verifier|^code$|totp|uscc|body|jwk|signature",
    re.IGNORECASE,
)
_USCC_OR_JWT = re.compile(r"\b[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}\b|\beyJ[\w-]+\.[\w-]+\.[\w-]*")

# A message of PostgreSQL from where it may begin to quote keys, rows and inputs. Tracebacks: `traces` leaves it out.
_QUOTED_ROWS = re.compile(r"(?<=\(psycopg\.errors\.)(\w+\)).*|\b(?:DETAIL|CONTEXT):\s.*", re.DOTALL)


def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Blank secret keys, and firm codes or JWTs that slipped into a text."""
    for key, value in event.items():
        if _SECRET_KEYS.search(key):
            event[key] = "[redacted]"
        elif isinstance(value, str):
            quiet = value if key == "exception" else _QUOTED_ROWS.sub(r"\1 [redacted]", value)
            event[key] = _USCC_OR_JWT.sub("[redacted]", quiet)
    return event


def _last_words(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> None:
    """Say what ended the process; standard error is the log."""
    sys.stderr.write(traces.formatted(exc_info) + "\n")


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library's loggers through one redacting chain to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(traces.formatted),
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
    sys.excepthook = lambda *exc_info: _last_words(exc_info)
    # At DEBUG these print tokens, bodies or bind parameters; they never go below INFO or WARNING.
    logging.getLogger("authlib").setLevel(max(logging.INFO, root.level))
    for name in ("httpx", "httpcore", "sqlalchemy.engine", "procrastinate", "stamina", "werkzeug", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
