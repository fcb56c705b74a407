"""The database: declarative base, column types, roles, and the one transaction.

Three roles share one database. `owner` runs migrations and operator commands. `api` serves
requests and is subject to row-level security: what it may see is decided by its `Viewer`, for
exactly as long as the transaction. `worker` pulls records and purges them.
"""

from __future__ import annotations

import re
import select as polling
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import psycopg
import structlog
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow
from sqlalchemy import DateTime, Dialect, Engine, MetaData, create_engine, event, func, make_url, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, NullPool
from sqlalchemy.sql.functions import Function
from sqlalchemy.types import BigInteger, Text, TypeDecorator, Uuid

from creditlink.kit import clock
from creditlink.kit.settings import SettingError

log = structlog.get_logger()

Role = Literal["owner", "api", "worker"]
ROLE_NAMES: dict[Role, str | None] = {"owner": None, "api": "creditlink_api", "worker": "creditlink_worker"}


@dataclass(frozen=True)
class Limits:
    """How many seconds a role's work in the database may take; None: as long as it needs."""

    statement: float | None = None
    lock: float | None = None
    idle: float | None = None  # within a transaction, between two statements
    pool: float = 30.0  # until a connection of the pool is free
    connect: int = 10

    def options(self, role: str | None) -> str:
        """Return them as options of a connection, with the database's role that it takes on."""
        milliseconds = {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle,
        }
        settings = {name: f"{int(value * 1e3)}" for name, value in milliseconds.items() if value is not None}
        if role:
            settings["role"] = role
        return " ".join(f"-c {name}={value}" for name, value in {"timezone": "utc", **settings}.items())


LIMITS: dict[Role, Limits] = {
    # A lock that stays taken and an empty pool are reported at once: the client tries again.
    "api": Limits(statement=5, lock=2, idle=10, pool=1, connect=3),
    "worker": Limits(statement=60, lock=20, idle=60),
    "owner": Limits(),  # migrations and operators, who wait for the result
}
_SILENCE = 2.0
"""Seconds beyond `statement` after which we give up on a silent server: a stopped one times nothing out itself."""


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
        dict[str, object]: JSONB,
        list[dict[str, object]]: JSONB,
    }


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """For whom a transaction reads: row-level security opens these rows and no others."""

    consent_id: UUID | None = None  # what one live consent covers
    institution_id: UUID | None = None  # a bank's own rows
    enterprise_id: UUID | None = None  # the firm's own view
    account_id: UUID | None = None  # a person's own rows
    actor: Literal["audit", "operator"] | None = None  # a role of the platform

    def entering(self) -> list[Function[str]]:
        """Return what `enter` selects, for a caller that selects more in the same statement."""
        return [
            func.set_config(f"creditlink.{one.name}", str(value), True)
            for one in fields(self)
            if (value := getattr(self, one.name)) is not None
        ]


class Database:
    """Engines and sessions of one process, an engine per role, opened when first used."""

    def __init__(
        self,
        url: str,
        *,
        api_url: str | None = None,
        pool_size: int = 8,
        limits: Mapping[Role, Limits] = LIMITS,
    ) -> None:
        self.url = as_psycopg(url)
        self._api_url = as_psycopg(api_url, setting="database_api_url") if api_url else None
        self._pool_size = pool_size
        self._limits = limits
        self._engines: dict[Role, Engine] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The database's name on its server."""
        return self.url.database or ""

    def limits(self, role: Role) -> Limits:
        """Return how long the work of `role` may take."""
        return self._limits[role]

    @property
    def most_connections(self) -> int:
        """How many connections a role's pool opens at most: it keeps half of them."""
        return 2 * self._pool_size

    @property
    def has_api_login(self) -> bool:
        """Whether the API has a login of its own instead of only entering its role."""
        return self._api_url is not None

    @property
    def listening(self) -> str:
        """Return the libpq URL of a connection that only listens."""
        return conninfo(self._api_url or self.url)

    def engine(self, role: Role) -> Engine:
        """Return the engine of `role`."""
        with self._lock:
            if role not in self._engines:
                self._engines[role] = self._open(role)
            return self._engines[role]

    def _open(self, role: Role, probe: Limits | None = None) -> Engine:
        limits = probe or self._limits[role]
        own_login = role == "api" and self._api_url is not None
        options = limits.options(None if own_login else ROLE_NAMES[role])
        engine = create_engine(
            self._api_url if own_login and self._api_url else self.url,
            **(
                {"poolclass": NullPool}
                if probe
                else {"pool_size": self._pool_size, "max_overflow": self._pool_size, "pool_timeout": limits.pool}
            ),
            connect_args={"options": options, "connect_timeout": limits.connect, **_KEEPALIVES},
            hide_parameters=True,  # they are firms' data, and errors reach the log
        )
        _give_up_on_silence(engine, limits)
        _ping_idle_connections(engine)
        if not probe:
            _follow_its_clock(engine)
        return engine

    @contextmanager
    def transaction(self, role: Role, viewer: Viewer | None = None) -> Iterator[Session]:
        """Open a session in one transaction: committed on leaving, rolled back on an exception."""
        factory = sessionmaker(self.engine(role), expire_on_commit=False)
        with factory.begin() as session:
            if viewer is not None:
                enter(session, viewer)
            yield session

    @contextmanager
    def probing(self) -> Iterator[Session]:
        """Open a session of the API's role on a connection of its own, with a probe's short limits.

        It notices a server that takes no more connections, and does not wait for a pool that others emptied.
        """
        engine = self._open("api", Limits(statement=2, lock=1, idle=2, connect=2))
        try:
            with Session(engine) as session:
                yield session
        finally:
            engine.dispose()

    def close(self) -> None:
        """Close every pooled connection."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


_FRESH_SECONDS = 1.0
"""A connection returned this recently is used without a ping: under load that is most of them."""
_PING_SECONDS = 2.0
_KEEPALIVES = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}


class _Connection(psycopg.Connection[TupleRow]):
    """A connection that waits `patience` seconds for an answer and then closes."""

    patience: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Run a conversation with the server to its end."""
        if timeout is not None or self.patience is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server said nothing for {self.patience} s") from None


def _give_up_on_silence(engine: Engine, limits: Limits) -> None:
    """End the engine's connections when the server does not answer, however healthy the network is."""

    @event.listens_for(engine, "do_connect")
    def connect(
        _dialect: Dialect, _entry: ConnectionPoolEntry, args: list[str], parameters: dict[str, Any]
    ) -> _Connection:
        opened = _Connection.connect(*args, **parameters)
        opened.patience = None if limits.statement is None else limits.statement + _SILENCE
        return opened


def _ping_idle_connections(engine: Engine) -> None:
    """Replace a pooled connection that died while idle (the server was restarted, say) when it is next taken."""

    @event.listens_for(engine, "checkin")
    def note(_connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: _Connection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        since = entry.info.get("idle_since")
        if since is None or (time.monotonic() - since < _FRESH_SECONDS and not _has_spoken(connection)):
            return
        usual, connection.patience = connection.patience, _PING_SECONDS
        try:
            engine.dialect.do_ping(connection)  # type: ignore[arg-type]  # a driver's connection like any other
        except psycopg.Error as error:
            raise DisconnectionError from error  # the pool then opens another one
        connection.patience = usual


_CLOCK_SECONDS = 10.0
CLOCKS_APART = timedelta(seconds=30)
"""A clock that is further off is logged, and a server with such a clock is not ready."""


def _follow_its_clock(engine: Engine) -> None:
    """Measure now and then how far this process's clock differs from the database's, which decides expiry."""
    measured: list[float] = []
    is_reported = False

    @event.listens_for(engine, "checkout")
    def measure(connection: _Connection, _entry: ConnectionPoolEntry, _proxy: object) -> None:
        nonlocal is_reported
        if measured and time.monotonic() - measured[0] < _CLOCK_SECONDS:
            return
        measured[:] = [time.monotonic()]
        try:
            before = clock.wall_clock()
            row = connection.execute("SELECT clock_timestamp()").fetchone()
            after = clock.wall_clock()
            connection.rollback()
        except psycopg.Error as error:
            raise DisconnectionError from error
        if row is not None:
            ahead = clock.follow(row[0], between=(before, after))
            is_off = abs(ahead) > CLOCKS_APART
            if is_off and not is_reported:
                log.warning("clock_is_off", seconds_ahead=round(ahead.total_seconds(), 1))
            is_reported = is_off


def _has_spoken(connection: _Connection) -> bool:
    """Whether anything arrived on an idle connection: nearly always its end. Costs no round trip."""
    if connection.closed:
        return True
    ear = polling.poll()
    ear.register(connection.fileno(), polling.POLLIN)
    return bool(ear.poll(0))


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
def transaction(role: Role | None = None, *, viewer: Viewer | None = None) -> Iterator[Session]:
    """Open the one transaction of a request, job or command, under the process's role, as `viewer` may see."""
    with current().transaction(role or _default_role, viewer) as session:
        yield session


def enter(session: Session, viewer: Viewer) -> None:
    """Set the viewer of a transaction that is already open, for the rest of it: what the guards do."""
    session.execute(select(*viewer.entering()))


def as_psycopg(url: str, *, setting: str = "database_url") -> URL:
    """Return `url` for SQLAlchemy with the psycopg 3 driver.

    Raises
    ------
    SettingError
        It is not one; the message names `setting`.
    """
    named = f"setting {setting} ({setting.upper()})"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the URL itself may hold a password
        raise SettingError(f"{named} must be postgresql://user@host:port/name") from None
    if not parsed.drivername.startswith("postgres"):
        raise SettingError(f"{named} must be postgresql://…, got {parsed.drivername}://…")
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
