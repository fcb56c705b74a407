"""The sandbox's own database: the only way its commands open any database.

What they write (accounts with a well-known password, made-up firms) must never reach anybody else's database. So
nothing else in this package opens one (a test checks that).
"""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from creditlink.kit.postgres import db, purpose, schema
from creditlink.kit.postgres.embedded import database_url
from creditlink.kit.postgres.purpose import DatabaseRefused
from creditlink.kit.settings import SettingError, Settings


def refuse_foreign(settings: Settings) -> None:
    """Refuse a database that is not the sandbox's; every command calls this first.

    Raises
    ------
    DatabaseRefused
        The environment is production, or the database of DATABASE_URL is not the sandbox's. Nothing was written to it.
    """
    if settings.is_production:
        raise DatabaseRefused("environment is production: the sandbox's commands never touch its database")
    if settings.database_url is None:
        return  # production has no embedded server: what is under our own `var` is ours
    given = db.Database(settings.database_url)
    try:
        with given.engine("owner").connect() as connection:
            why = _refusal(connection, settings)
    except OperationalError as error:
        raise SettingError(f"setting database_url (DATABASE_URL): {error.orig}".strip()) from None
    finally:
        given.close()
    if why:
        raise DatabaseRefused(f"database {given.name} {why}")


def _refusal(connection: Connection, settings: Settings) -> str | None:
    if purpose.mark_of(connection) is not None:
        return purpose.refusal(connection, settings.environment)
    if purpose.holds_data(connection):
        return (
            "holds data and does not say what it is for: the sandbox leaves it alone. If it is a sandbox's, run "
            "`creditlink db upgrade` and `creditlink db purpose sandbox --database NAME`"
        )
    return None


def open_own(settings: Settings, *, name: str | None = None) -> db.Database:
    """Open the sandbox's database, at the newest schema and marked as the sandbox's, as that of this process.

    Parameters
    ----------
    name : which database of the embedded server; with DATABASE_URL it is the one that the address names.

    Raises
    ------
    DatabaseRefused
        It is not the sandbox's.
    """
    refuse_foreign(settings)
    url = database_url(settings)
    if settings.database_url is None and name is not None:
        url = db.ensure_database(url, name)
    opened = db.Database(url)
    schema.upgrade(opened, environment=settings.environment)
    if settings.database_url is None:
        _mark_from_before(opened, settings)
    db.configure(opened, role="owner")
    return opened


def _mark_from_before(opened: db.Database, settings: Settings) -> None:
    with opened.transaction("owner") as session:
        if purpose.mark_of(session.connection()) is None:
            purpose.mark(session.connection(), purpose.purpose_for(settings.environment), settings.environment)
