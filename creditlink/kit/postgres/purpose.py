"""What a database is for: every process compares this with its environment before it uses the database.

The marker is one row, written by the first upgrade of an empty database, or by `creditlink db purpose`. A database
older than the marker has none: in production the next upgrade adds it, and the sandbox leaves it alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base, Database, Role
from creditlink.kit.settings import SettingError

Purpose = Literal["sandbox", "production"]
PURPOSES: tuple[Purpose, ...] = ("sandbox", "production")
_OWN_MACHINERY = ("alembic_version", "database_purpose")
"""Tables that hold rows in a database without data."""


class DatabaseRefused(SettingError):
    """The database is not for this environment; the message names both."""


class DatabasePurpose(Base):
    """The marker: one row."""

    __tablename__ = "database_purpose"

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    purpose: Mapped[str]
    environment: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def purpose_for(environment: str) -> Purpose:
    """Return what a database must be for in an environment: the tests' is a sandbox too."""
    return "production" if environment == "production" else "sandbox"


def mark_of(connection: Connection) -> str | None:
    """Return what the database is marked for; None without a marker, also before the migration that brings it."""
    if not has_table(connection):
        return None
    return connection.scalar(select(DatabasePurpose.purpose))


def has_table(connection: Connection) -> bool:
    """Return whether the database can hold a marker yet."""
    return connection.scalar(text("SELECT to_regclass('public.database_purpose')")) is not None


def mark(connection: Connection, purpose: str, environment: str) -> None:
    """Write the marker, or change it."""
    values = {"purpose": purpose, "environment": environment}
    new = insert(DatabasePurpose).values(one=True, **values)
    connection.execute(new.on_conflict_do_update(index_elements=[DatabasePurpose.one], set_=values))


def holds_data(connection: Connection) -> bool:
    """Return whether any table has a row, no matter whose it is; the queue's and the marker do not count."""
    tables = connection.execute(
        text("""
            SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
              AND n.nspname NOT LIKE 'pg_temp%' AND n.nspname NOT LIKE 'pg_toast%'
            ORDER BY 1, 2""")
    ).all()
    quoted = connection.dialect.identifier_preparer.quote_identifier
    for schema, name in tables:
        if schema == "public" and (name in _OWN_MACHINERY or name.startswith("procrastinate_")):
            continue
        try:
            if connection.scalar(text(f"SELECT EXISTS (SELECT 1 FROM {quoted(schema)}.{quoted(name)})")):  # noqa: S608 (names from the catalogue)
                return True
        except ProgrammingError:
            connection.rollback()
            return True  # what we may not read is not ours
    return False


def refusal(connection: Connection, environment: str) -> str | None:
    """Return why a process of `environment` must not work on the database, or None."""
    mark, wanted = mark_of(connection), purpose_for(environment)
    if mark is None and wanted == "production" and has_table(connection):  # else migrations are missing: see health
        return "is not marked; if it is production's: creditlink db purpose production --database NAME"
    if mark is None or mark == wanted:
        return None
    return f"is marked {mark}, and environment is {environment}"


def check(database: Database, environment: str, *, role: Role = "owner") -> None:
    """Compare the database's marker with the environment.

    A server that cannot be reached passes: a process may start before its database, and `/health/ready` looks again.

    Raises
    ------
    DatabaseRefused
        They do not fit.
    """
    try:
        with database.engine(role).connect() as connection:
            why = refusal(connection, environment)
    except OperationalError:
        return
    if why:
        raise DatabaseRefused(f"database {database.name} {why}")


def check_one_database(database: Database) -> None:
    """Check that the API's own address leads to the same database: the marker tells apart even two of one purpose.

    Raises
    ------
    DatabaseRefused
        `DATABASE_API_URL` leads to another one than `DATABASE_URL`.
    """
    if not database.has_api_login:
        return
    try:
        with database.engine("owner").connect() as ours, database.engine("api").connect() as theirs:
            which, other = _which(ours), _which(theirs)
    except OperationalError:
        return
    if which != other:
        raise DatabaseRefused(
            f"setting database_api_url (DATABASE_API_URL) leads to database {other[0]}, which is not "
            f"database {which[0]} of database_url (DATABASE_URL)"
        )


def _which(connection: Connection) -> tuple[str, datetime | None]:
    name = str(connection.scalar(select(func.current_database())))
    return name, connection.scalar(select(DatabasePurpose.created_at)) if has_table(connection) else None
