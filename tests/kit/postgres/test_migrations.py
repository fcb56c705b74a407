"""The schema goes up, down and up again, and matches the tables in the code."""

import importlib
import pkgutil

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

import creditlink
from creditlink.kit.postgres import db, schema


def _load_tables():
    importlib.import_module("creditlink.kit.http.idempotency")
    for module in pkgutil.walk_packages(creditlink.__path__, "creditlink."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)


def test_up_down_up(postgres_url):
    url = db.ensure_database(postgres_url, "migrations_up_down_up")
    database = db.Database(url)
    schema.upgrade(database)
    schema.downgrade(database, "base")
    with database.transaction("owner") as session:
        left = session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        ).all()
        types = session.scalars(
            text("SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'")
        ).all()
        functions = session.scalars(
            text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        ).all()
    assert (left, types, functions) == ([], [], [])
    schema.upgrade(database)
    with database.engine("owner").connect() as connection:
        assert schema.current_revision(connection) == schema.head()
    database.close()


def test_tables_match_the_migrations(database):
    _load_tables()
    with database.engine("owner").connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda _o, name, kind, *_: (
                    not (kind == "table" and name.startswith(("procrastinate", "alembic")))
                ),
            },
        )
        assert compare_metadata(context, db.Base.metadata) == []
