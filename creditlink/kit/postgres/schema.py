"""The database schema over time: numbered migrations, up, down, and whether they are at head."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from creditlink.kit.postgres import purpose
from creditlink.kit.postgres.db import Database
from creditlink.kit.settings import ROOT

# Any number will do, as long as every process that migrates uses the same one.
_ADVISORY_LOCK = 7_214_881
SERVES = "serves "
"""How the comment on `alembic_version` begins: it travels with the version, in one transaction and in every dump."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, revision: str = "head", *, environment: str = "sandbox") -> None:
    """Bring the schema up to `revision`; processes that start together take turns.

    A database without a mark is marked for `environment`, unless it holds data and this is a sandbox.
    """
    with database.engine("owner").connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
        connection.commit()
        try:
            command.upgrade(_config(connection), revision)
            _mark_new(connection, environment)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
            connection.commit()


def _mark_new(connection: Connection, environment: str) -> None:
    if not purpose.has_table(connection) or purpose.mark_of(connection) is not None:
        return
    wanted = purpose.purpose_for(environment)
    if wanted == "production" or not purpose.holds_data(connection):
        purpose.mark(connection, wanted, environment)


def downgrade(database: Database, revision: str) -> None:
    """Take the schema down to `revision` (`base` for nothing)."""
    with database.engine("owner").connect() as connection:
        command.downgrade(_config(connection), revision)
        connection.commit()


def head() -> str:
    """Return the newest revision that this code knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or "base"


def current_revision(connection: Connection) -> str:
    """Return the revision that the database is at."""
    return MigrationContext.configure(connection).get_current_revision() or "base"


def oldest_served(connection: Connection) -> str | None:
    """Return the oldest revision of code that the database still serves, as its newest migration says."""
    comment = connection.scalar(text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')"))
    return comment.removeprefix(SERVES) if comment and comment.startswith(SERVES) else None


def is_served(oldest: str | None) -> bool:
    """Whether this code may work on a database that serves code from `oldest` on: it must know that revision."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return oldest in known and oldest != "base"
