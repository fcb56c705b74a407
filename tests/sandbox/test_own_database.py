"""No command of the sandbox touches a database that is not the sandbox's: it says so, and not a row is written."""

import ast
import os
import subprocess
import sys
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from creditlink.cli.main import cli
from creditlink.kit.postgres import db, purpose, schema
from creditlink.kit.settings import ROOT, SettingError
from tests import factories as make

COMMANDS = [["demo"], ["up"], ["sandbox", "year", "--city", "{folder}", "--out", "{folder}/year"]]
"""The commands of the sandbox that write to a database. That there are no others, the last test holds."""


@pytest.fixture(scope="module")
def foreign(postgres_url):
    """A database with a bank in it, made by `foreign(environment, marked)`; refused commands leave it as it is."""
    opened = {}

    def made(environment, *, marked=True, new=False):
        if new or (environment, marked) not in opened:
            database = db.Database(db.ensure_database(postgres_url, f"foreign_{uuid4().hex[:12]}"))
            opened[uuid4() if new else (environment, marked)] = database
            schema.upgrade(database, environment=environment)
            with database.transaction("owner") as session:
                make.make_institution(session)
                if not marked:
                    session.execute(text("DELETE FROM database_purpose"))
            return database
        return opened[environment, marked]

    yield made
    for database in opened.values():
        database.close()


def rows(database):
    """Every table's row count, and which tables there are."""
    with database.transaction("owner") as session:
        names = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return {name: session.scalar(text(f'SELECT count(*) FROM "{name}"')) for name in names}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on a database in an environment; return its exit status and what it said."""
    opened = []
    monkeypatch.setattr(db, "configure", lambda database, *, role: opened.append(database))
    monkeypatch.setattr(sys, "argv", ["creditlink"])

    def ran(arguments, database, environment):
        settings = {
            "DATABASE_URL": db.conninfo(database.url),
            "CREDITLINK_ENVIRONMENT": environment,
            "CREDITLINK_VAR_DIR": str(tmp_path / "var"),
            "CREDITLINK_SECRET_KEY": "k" * 40,
        }
        with monkeypatch.context() as patch:
            for name, value in (settings | (PRODUCTION if environment == "production" else {})).items():
                patch.setenv(name, value)
            done = CliRunner().invoke(cli, [argument.format(folder=tmp_path) for argument in arguments])
        while opened:
            opened.pop().close()
        if isinstance(done.exception, SettingError):  # `main` makes one line and status 2 of it
            return 2, str(done.exception)
        return done.exit_code, done.output

    return ran


PRODUCTION = {
    "CREDITLINK_ISSUER": "https://credit.example",
    "DATABASE_API_URL": "postgresql://creditlink_api@127.0.0.1:1/none",
}


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[-1] if len(arguments) == 1 else "year")
class TestACommandOfTheSandbox:
    @pytest.mark.parametrize(
        ("environment", "kind", "said"),
        [
            ("production", {"environment": "production"}, "environment is production"),
            ("sandbox", {"environment": "production"}, "is marked production"),
            ("sandbox", {"environment": "sandbox", "marked": False}, "does not say what it is for"),
        ],
    )
    def test_is_refused_and_writes_nothing(self, arguments, environment, kind, said, foreign, run):
        database = foreign(**kind)
        before = rows(database)
        assert before["institutions"] == 1
        status, output = run(arguments, database, environment)
        assert (status, said in output) == (2, True), output
        assert rows(database) == before

    def test_leaves_a_database_of_something_else_alone(self, arguments, postgres_url, run):
        database = db.Database(db.ensure_database(postgres_url, f"foreign_{uuid4().hex[:12]}"))
        with database.transaction("owner") as session:
            session.execute(text("CREATE TABLE orders AS SELECT 1 AS id"))
        status, output = run(arguments, database, "sandbox")
        assert (status, "does not say what it is for" in output) == (2, True), output
        assert rows(database) == {"orders": 1}
        database.close()


def test_the_demo_as_a_process_says_one_line(foreign, tmp_path):
    database = foreign("production")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": db.conninfo(database.url)}
    env["CREDITLINK_VAR_DIR"] = str(tmp_path / "var")
    done = subprocess.run(
        [sys.executable, "-m", "creditlink", "demo"], env=env, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr == f"creditlink: database {database.name} is marked production, and environment is sandbox\n"


class TestOtherCommands:
    @pytest.mark.parametrize(
        "arguments", [["worker"], ["run"], ["db", "upgrade"], ["db", "downgrade", "base"], ["db", "reset", "--yes"]]
    )
    def test_work_on_no_database_of_another_environment(self, arguments, foreign, run):
        database = foreign("production")
        before = rows(database)
        status, output = run(arguments, database, "sandbox")
        assert (status, "is marked production" in output) == (2, True), output
        assert rows(database) == before

    @pytest.mark.parametrize("arguments", [["worker"], ["run"], ["db", "upgrade"]])
    def test_of_production_refuse_a_sandbox(self, arguments, foreign, run):
        status, output = run(arguments, foreign("sandbox"), "production")
        assert (status, "is marked sandbox" in output) == (2, True), output

    def test_undoing_migrations_in_production_needs_the_name(self, foreign, run):
        database = foreign("production", new=True)
        before = rows(database)
        for more in ([], ["--database", "another"]):
            status, output = run(["db", "downgrade", "0022", *more], database, "production")
            assert (status != 0, database.name in output) == (True, True), output
            assert rows(database) == before
        status, output = run(["db", "downgrade", "0022", "--database", database.name], database, "production")
        assert status == 0, output
        assert "database_purpose" not in rows(database)
        status, output = run(["db", "upgrade"], database, "production")
        assert "for production" in output

    @pytest.mark.parametrize("arguments", [["consents", "purge"], ["db", "reset", "--yes"]])
    def test_other_destruction_in_production_is_refused(self, arguments, foreign, run):
        database = foreign("production")
        before = rows(database)
        status, output = run(arguments, database, "production")
        assert (status, "refused" in output) == (1, True), output
        assert rows(database) == before

    def test_an_unmarked_database_with_data_is_dropped_by_name_only(self, foreign, run):
        database = foreign("sandbox", marked=False)
        before = rows(database)
        status, output = run(["db", "reset", "--yes"], database, "sandbox")
        assert (status, f"--database {database.name}" in output) == (1, True), output
        assert rows(database) == before


class TestTheMarker:
    @pytest.mark.parametrize(
        ("environment", "wanted"), [("production", "production"), ("sandbox", "sandbox"), ("test", "sandbox")]
    )
    def test_is_set_by_the_first_upgrade(self, foreign, environment, wanted):
        with foreign(environment).engine("owner").connect() as connection:
            assert purpose.mark_of(connection) == wanted

    def test_a_database_from_before_is_marked_by_name_only(self, foreign, run):
        database = foreign("sandbox", marked=False, new=True)
        assert "for nothing yet" in run(["db", "upgrade"], database, "sandbox")[1]
        assert run(["db", "purpose", "sandbox"], database, "sandbox")[0] == 2
        assert run(["db", "purpose", "sandbox", "--database", "x"], database, "sandbox")[0] == 2
        status, output = run(["db", "purpose", "sandbox", "--database", database.name], database, "sandbox")
        assert (status, "is for sandbox" in output) == (0, True), output

    def test_a_process_that_started_before_its_database_sees_it_in_health(self, client, empty_database):
        with empty_database.transaction("owner") as session:
            session.execute(text("UPDATE database_purpose SET purpose = 'production'"))
        try:
            check = client.get("/health/ready").json["checks"]["database"]
        finally:
            with empty_database.transaction("owner") as session:
                session.execute(text("UPDATE database_purpose SET purpose = 'sandbox'"))
        assert check == {"ok": False, "reason": "not_of_this_environment"}


def test_nothing_else_in_the_sandbox_opens_a_database():
    doors = {"Database", "create_engine", "database_url", "ensure_database", "start"}
    found = set()
    package = ROOT / "creditlink"
    for path in (*(package / "sandbox").rglob("*.py"), *(package / "cli" / "sandbox").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("creditlink") and names & doors:
                found.add(path.name)
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in ("db", "embedded")
            ):
                found |= {path.name} if node.attr in doors else set()
    assert found == {"own_database.py"}
