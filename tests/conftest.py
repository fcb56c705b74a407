"""Fixtures: a real PostgreSQL, built by the migrations, one database per test worker."""

from __future__ import annotations

import fcntl
import os
import tempfile
from datetime import date
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import text
from werkzeug.routing import Rule

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.enterprises import accounts
from creditlink.kit.postgres import db, embedded, schema
from creditlink.kit.processes import runtime
from creditlink.kit.settings import ROOT, Settings, load_settings
from creditlink.products.files.seed import load_seed
from creditlink.products.service import matching_settings
from creditlink.profiles.serving import live
from creditlink.profiles.serving.warm import warm_up

# Policies are named by their content and never change: storing a megabyte of model anew for each test tests nothing.
TABLES_KEPT = {"alembic_version", "database_purpose", "policy_artefacts", "policy_bundles"}
_LARGE = 2 * 1024 * 1024
_opened: list[db.Database] = []

# How fast a loaded machine draws examples says nothing about the code; the number of examples stays as each test says.
hypothesis_settings.register_profile("any_machine", suppress_health_check=[HealthCheck.too_slow], deadline=None)
hypothesis_settings.load_profile("any_machine")


def pytest_collection_modifyitems(items) -> None:
    """Begin what takes longest, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory) -> str:
    """The server all test workers share; DATABASE_URL, or the embedded one in a temporary folder."""
    if os.environ.get("TEST_DATABASE_URL"):
        return os.environ["TEST_DATABASE_URL"]
    # One server for all xdist workers: they share the parent of their base folders.
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        root = root.parent
    return embedded.start(Path(tempfile.gettempdir()) / f"creditlink-tests-{os.getuid()}" / root.name / "pg")


@pytest.fixture(scope="session")
def kernels_compiled(tmp_path_factory) -> None:
    """Every kernel compiled before any request, on a fresh checkout by one worker for all.

    Compiling takes half a minute, in which a request would hold its transaction open, idle, until it is ended.
    """
    root = tmp_path_factory.getbasetemp()
    lock = (root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root) / "kernels.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        rules = load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40})
        _, products = load_seed(ROOT / "config" / "products.toml")
        book = compile_book(products[:20], BY_NAME, matching_settings(ROOT / "config"))
        warm_up(live.load_live(rules), book, as_of=date(2026, 1, 15))


@pytest.fixture(scope="session")
def database(postgres_url, kernels_compiled, worker_id="") -> db.Database:
    """An empty database at head, this worker's own."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    url = db.ensure_database(postgres_url, name)
    opened = db.Database(url, pool_size=10)
    with opened.engine("owner").connect() as connection:
        # Durability is not under test; without it the suite is several times faster.
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(
            text(f"ALTER DATABASE {name} SET synchronous_commit = off")
        )
    schema.upgrade(opened, environment="test")
    with opened.transaction("owner") as session:
        # Rows come in the order in which they were added only as long as nobody tidies up the space of deleted ones.
        for table in _tables(session):
            session.execute(text(f'ALTER TABLE "{table}" SET (autovacuum_enabled = off)'))
    _opened.append(opened)
    yield opened
    _opened.remove(opened)
    opened.close()


def _tables(session) -> dict[str, int]:
    """Return every table that tests fill, and its bytes."""
    found = session.execute(
        text("SELECT relname, pg_relation_size(oid) FROM pg_class"
             " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname")
    )  # fmt: skip
    return {name: size for name, size in found if name not in TABLES_KEPT}


@pytest.fixture(scope="session", autouse=True)
def models_loaded_once():
    """A folder of a model is read once in a process, not once a test: nobody changes a loaded model."""
    loaded = {}

    def load(folder, scale):
        key = (folder, scale, *(file.stat().st_mtime_ns for file in sorted(folder.glob("*"))))
        if key not in loaded:
            loaded[key] = read(folder, scale)
        return loaded[key]

    def live_from(model, rules):
        for before, made in ready.setdefault(id(model), []):
            if before == rules:
                return made
        ready[id(model)].append((rules, make(model, rules)))
        return ready[id(model)][-1][1]

    ready = {}
    read, live.load = live.load, load
    make, live.live_from = live.live_from, live_from
    yield
    live.load, live.live_from = read, make


@pytest.fixture(scope="session", autouse=True)
def addresses_compiled_once():
    """An application is made for each test, and werkzeug compiles two functions for each of its three hundred rules:
    two thirds of the time it takes. The same rule has the same functions in every application."""
    made = {}

    def compiled(rule, append_unknown=True):
        key = (rule.rule, tuple(rule._trace), tuple(sorted((rule.defaults or {}).items())), append_unknown)
        if key not in made:
            made[key] = compile_builder(rule, append_unknown)
        return made[key]

    compile_builder, Rule._compile_builder = Rule._compile_builder, compiled
    yield
    Rule._compile_builder = compile_builder


@pytest.fixture(scope="session", autouse=True)
def passwords_hashed_quickly():
    """Hashing is slow on purpose, and no test is about how slow: one pass over little memory, and the same format."""
    strong, accounts._hasher = accounts._hasher, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    nobody, accounts._NOBODY = accounts._NOBODY, accounts.hash_password("nobody has this password either")
    yield
    accounts._hasher, accounts._NOBODY = strong, nobody


@pytest.fixture
def empty_database(database) -> db.Database:
    """The database with no rows, configured as this process's own."""
    _empty(database)
    db.configure(database, role="api")
    return database


def _empty(database: db.Database) -> None:
    with database.transaction("owner") as session:
        # Truncating half a hundred tables, most of them empty, takes a hundred times as long as deleting rows; a table
        # in which many were deleted is truncated after all.
        session.execute(text("SET LOCAL session_replication_role = replica"))  # no triggers, no foreign keys
        empty = [
            f'TRUNCATE "{t}" CASCADE' if size > _LARGE else f'DELETE FROM "{t}"' for t, size in _tables(session).items()
        ]
        session.execute(text("; ".join(empty)))


@pytest.fixture(scope="module", autouse=True)
def module_leaves_no_rows():
    """Empty the database after each file: the servers of the next one start before its first test empties anything."""
    yield
    for database in _opened:
        _empty(database)


@pytest.fixture
def settings(database, tmp_path) -> Settings:
    """Settings of the sandbox, with this worker's database and a temporary `var`; those of the process, too."""
    made = load_settings(
        {
            "CREDITLINK_ENVIRONMENT": "test",
            "CREDITLINK_VAR_DIR": str(tmp_path),
            "CREDITLINK_SECRET_KEY": "test-" + "k" * 40,
            "DATABASE_URL": db.conninfo(database.url),
        }
    )
    runtime.process().put(made)
    return made


@pytest.fixture
def app(settings, empty_database):
    """The application on an empty database."""
    from creditlink.web.app import create_app

    flask_app = create_app(settings, empty_database)
    flask_app.testing = True
    return flask_app


@pytest.fixture
def client(app):
    """An HTTP client inside the process."""
    return app.test_client()
