"""How a process of CreditLink starts: settings, logs, database, role."""

from __future__ import annotations

import time
from dataclasses import replace

import click
import psycopg
import structlog
from sqlalchemy.exc import DBAPIError, OperationalError

from creditlink.kit.postgres import db, logins, purpose
from creditlink.kit.postgres.embedded import database_url
from creditlink.kit.processes import runtime
from creditlink.kit.processes.log import configure_logging
from creditlink.kit.settings import SettingError, Settings, load_settings

log = structlog.get_logger()

PATIENCE_SECONDS = 10.0
"""How long a server waits at its start for a database that starts at the same time."""

# What a database that was not migrated lacks.
_MIGRATIONS = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
)


def start(role: db.Role, *, patience: float = 0.0) -> tuple[Settings, db.Database]:
    """Load the settings and open the database under `role`, for a command or a worker.

    Raises
    ------
    SettingError
        A setting is absent or wrong, or the database is not for this environment or cannot be reached.
    """
    settings = load_settings()
    runtime.process().put(settings)
    configure_logging(settings)
    database = open_database(settings)
    reach(database, patience=patience)
    check_purpose(settings, database)  # it may only just have come up
    db.configure(database, role=role)
    return settings, database


def open_database(settings: Settings) -> db.Database:
    """Open the database of the settings, once it is known to be for this environment.

    Raises
    ------
    SettingError
        It is not, or the login of `DATABASE_API_URL` is more than the API's.
    """
    url = database_url(settings)
    database = db.Database(
        url, api_url=settings.database_api_url, pool_size=settings.pool_size, limits=limits_of(settings)
    )
    check_purpose(settings, database)
    return database


def check_purpose(settings: Settings, database: db.Database) -> None:
    """Close a database that is not for this environment, or whose API login is too powerful or leads elsewhere.

    One that is away passes: check again when it is there.

    Raises
    ------
    SettingError
        It is not ours to work on; the message says why.
    """
    try:
        purpose.check(database, settings.environment)
        logins.check_api_login(database)
        purpose.check_one_database(database)
    except BaseException:
        database.close()
        raise


def limits_of(settings: Settings) -> dict[db.Role, db.Limits]:
    """Return the time limits of each role."""
    return {
        **db.LIMITS,
        "api": replace(db.LIMITS["api"], statement=settings.api_statement_seconds, lock=settings.api_lock_seconds),
        "worker": replace(
            db.LIMITS["worker"], statement=settings.worker_statement_seconds, lock=settings.worker_lock_seconds
        ),
    }


def reach(database: db.Database, *, patience: float) -> None:
    """Connect once, so that a wrong address ends a process at its start and not at its first request.

    Raises
    ------
    SettingError
        The database cannot be reached within `patience` seconds, or does not exist.
    """
    deadline, is_reported = time.monotonic() + patience, False
    while True:
        try:
            with database.engine("owner").connect():
                return
        except OperationalError as error:
            line = fault(error) or str(error)
            if "does not exist" in line or time.monotonic() >= deadline:
                raise SettingError(f"setting database_url (DATABASE_URL), database {database.name}: {line}") from error
        if not is_reported:
            log.warning("waiting_for_database", reason=line, seconds=patience)
            is_reported = True
        time.sleep(0.5)


def fault(error: BaseException) -> str | None:
    """Return the one line that an operator needs when the database fails, or None if the fault is elsewhere."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    line = str(cause).strip().partition("\n")[0]
    if isinstance(cause, _MIGRATIONS) or (isinstance(cause, psycopg.Error) and 'role "creditlink_' in line):
        return f"{line}: are its migrations applied? creditlink db upgrade"
    return line if isinstance(cause, psycopg.OperationalError) else None


def confirm_destruction(settings: Settings, database: db.Database, database_name: str | None, what: str) -> None:
    """Let a command destroy data of production only when the database is named on its line.

    Raises
    ------
    click.ClickException
        It is not named, or another one is.
    """
    name = database.name
    if database_name is not None and database_name != name:
        raise click.BadParameter(f"the database is {name}, got {database_name!r}", param_hint="--database")
    if settings.is_production and database_name is None:
        raise click.ClickException(f"refused: {what} in production; to do it all the same, add --database {name}")


DATABASE_OPTION = click.option(
    "--database", "database_name", metavar="NAME", help="The database's name, typed: needed in production."
)
