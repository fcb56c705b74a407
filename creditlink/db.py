"""The database: declarative base, column types, roles, and the one transaction.

Three roles share one database. `owner` runs migrations and operator commands. `api` serves
requests and is subject to row-level security: what it may see is decided by settings that live
exactly as long as the transaction (`enter`). `worker` pulls records and purges them.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from sqlalchemy import DateTime, Dialect, Engine, MetaData, create_engine, event, func, make_url, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.functions import Function
from sqlalchemy.types import BigInteger, Text, TypeDecorator, Uuid

Role = Literal["owner", "api", "worker"]
ROLE_NAMES: dict[Role, str | None] = {"owner": None, "api": "creditlink_api", "worker": "creditlink_worker"}


class UTCDateTime(TypeDecorator[datetime]):
    """An instant. Naive datetimes are refused on the way in; aware UTC comes out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse an instant without a zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: instants carry a zone")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant in UTC."""
        return None if value is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables: plain typed SQLAlchemy."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        datetime: UTCDateTime,
        str: Text,
        int: BigInteger,
        UUID: Uuid,
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
    }


class Database:
    """Engines and sessions of one process, an engine per role, opened when first used."""

    def __init__(self, url: str, *, api_url: str | None = None, pool_size: int = 8) -> None:
        self.url = as_psycopg(url)
        self._api_url = as_psycopg(api_url) if api_url else None
        self._pool_size = pool_size
        self._engines: dict[Role, Engine] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The database's name on its server."""
        return self.url.database or ""

    @property
    def has_api_login(self) -> bool:
        """Whether the API has a login of its own, and does not only enter its role."""
        return self._api_url is not None

    def engine(self, role: Role) -> Engine:
        """Return the engine of `role`."""
        with self._lock:
            if role not in self._engines:
                self._engines[role] = self._open(role)
            return self._engines[role]

    def _open(self, role: Role) -> Engine:
        own_login = role == "api" and self._api_url is not None
        engine = create_engine(
            self._api_url if own_login and self._api_url else self.url,
            pool_size=self._pool_size,
            max_overflow=self._pool_size,
            connect_args={"options": "-c timezone=utc", "connect_timeout": 10},
            hide_parameters=True,  # they are firms' data, and errors reach the log
        )
        _ping_idle_connections(engine)
        name = ROLE_NAMES[role]
        if name and not own_login:

            @event.listens_for(engine, "connect")
            def set_role(connection: Any, _entry: ConnectionPoolEntry) -> None:
                with connection.cursor() as cursor:
                    cursor.execute(f"SET ROLE {name}")
                connection.commit()

        return engine

    @contextmanager
    def transaction(self, role: Role) -> Iterator[Session]:
        """Open a session in one transaction: committed on leaving, rolled back on an exception."""
        factory = sessionmaker(self.engine(role), expire_on_commit=False)
        with factory.begin() as session:
            yield session

    def close(self) -> None:
        """Close every pooled connection."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


_FRESH_SECONDS = 1.0
"""A connection given back so lately is taken without asking whether it lives: under load that is most of them."""


def _ping_idle_connections(engine: Engine) -> None:
    """Replace, on being taken, a pooled connection that died while it lay idle (the server was restarted, say)."""

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        since = entry.info.get("idle_since")
        if since is None or time.monotonic() - since < _FRESH_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise DisconnectionError from error  # the pool then opens another one


_current: Database | None = None
_default_role: Role = "api"


def configure(database: Database, *, role: Role) -> None:
    """Make `database` the one of this process, with the role its work runs under."""
    global _current, _default_role
    _current = database
    _default_role = role


def current() -> Database:
    """Return this process's database.

    Raises
    ------
    RuntimeError
        `configure` was not called.
    """
    if _current is None:
        raise RuntimeError("db.configure() was not called in this process")
    return _current


@contextmanager
def transaction(role: Role | None = None) -> Iterator[Session]:
    """Open the one transaction of a request, job or command, under the process's role."""
    with current().transaction(role or _default_role) as session:
        yield session


Setting = Literal["consent_id", "institution_id", "enterprise_id", "account_id", "actor"]


def enter(session: Session, **settings: UUID | str) -> None:
    """Set the row-level-security settings of this transaction, and of no longer.

    `consent_id` opens what one live consent covers, `institution_id` a bank's own rows,
    `enterprise_id` the firm's own view, `actor="audit"` the risk desk.
    """
    session.execute(select(*entering(**settings)))


def entering(**settings: UUID | str) -> list[Function[str]]:
    """Return what `enter` selects, for a caller that selects more in the same statement."""
    return [func.set_config(f"creditlink.{name}", str(value), True) for name, value in settings.items()]


def as_psycopg(url: str) -> URL:
    """Return `url` for SQLAlchemy with the psycopg 3 driver."""
    parsed = make_url(url)
    if not parsed.drivername.startswith("postgres"):
        raise ValueError(f"DATABASE_URL must be a PostgreSQL URL, got {parsed.drivername}://…")
    return parsed.set(drivername="postgresql+psycopg")


def conninfo(url: URL) -> str:
    """Return a libpq URL for tools that do not know SQLAlchemy's driver names."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def ensure_database(server_url: str, name: str) -> str:
    """Create database `name` on a server unless it exists; return its URL."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise ValueError(f"not a plain database name: {name!r}")
    url = as_psycopg(server_url)
    engine = create_engine(url, isolation_level="AUTOCOMMIT", hide_parameters=True)
    with engine.connect() as connection:
        exists = connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
        if not exists:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return conninfo(url.set(database=name))
