"""How a process of CreditLink starts: settings, logs, database, role."""

from __future__ import annotations

from dataclasses import replace

import click

from creditlink import db, logins, purpose
from creditlink.config import Settings, load_settings
from creditlink.embedded import database_url
from creditlink.log import configure_logging


def start(role: db.Role) -> tuple[Settings, db.Database]:
    """Load the settings and open the database under `role`, for a command or a worker.

    Raises
    ------
    SettingError
        A setting is absent or wrong, or the database is not for this environment.
    """
    settings = load_settings()
    configure_logging(settings)
    database = open_database(settings)
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
    try:
        purpose.check(database, settings.environment)
        logins.check_api_login(database)
    except BaseException:
        database.close()
        raise
    return database


def limits_of(settings: Settings) -> dict[db.Role, db.Limits]:
    """Return the time limits of each role."""
    return {
        **db.LIMITS,
        "api": replace(db.LIMITS["api"], statement=settings.api_statement_seconds, lock=settings.api_lock_seconds),
        "worker": replace(
            db.LIMITS["worker"], statement=settings.worker_statement_seconds, lock=settings.worker_lock_seconds
        ),
    }


def confirm_destruction(settings: Settings, database: db.Database, named: str | None, what: str) -> None:
    """Let a command destroy data of production only when the database is named on its line.

    Raises
    ------
    click.ClickException
        It is not named, or another one is.
    """
    name = database.name
    if named is not None and named != name:
        raise click.BadParameter(f"the database is {name}, got {named!r}", param_hint="--database")
    if settings.is_production and named is None:
        raise click.ClickException(f"refused: {what} in production; to do it all the same, add --database {name}")


NAMED = click.option("--database", "named", metavar="NAME", help="The database's name, typed: needed in production.")
