"""What is wrong with settings or surroundings ends a process at its start: one line, exit code 2, no trace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from creditlink.kit.postgres import db
from tests.serving import ROOT, environment
from tests.web.test_supervision import clean

pytestmark = pytest.mark.long

_PATIENCE = 240


def said_by(env, *arguments) -> str:
    """Run a command that must fail; return what it said."""
    from creditlink.sandbox.platform.services import free_port

    port = ["--port", str(free_port())] if arguments == ("run",) else []
    done = subprocess.run(
        [sys.executable, "-m", "creditlink", *arguments, *port],
        cwd=ROOT, env=clean(env), capture_output=True, text=True, timeout=_PATIENCE,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stdout + done.stderr


def only_line(said: str) -> str:
    """Return the one line; a line of the log may say before it that the database is waited for."""
    lines = [line for line in said.splitlines() if '"event": "waiting_for_database"' not in line]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    return lines[0]


@pytest.mark.parametrize(
    ("command", "url", "words"),
    [
        (("run",), "postgresql://127.0.0.1:1/firms", ["DATABASE_URL", "firms", "port 1", "refused"]),
        (("worker",), "postgresql://127.0.0.1:1/firms", ["DATABASE_URL", "firms", "port 1", "refused"]),
        (("institutions", "list"), "postgresql://127.0.0.1:1/firms", ["DATABASE_URL", "firms", "port 1", "refused"]),
        (("db", "upgrade"), "mysql://127.0.0.1/firms", ["DATABASE_URL", "mysql"]),
    ],
)
def test_a_database_that_cannot_be_reached(tmp_path, command, url, words):
    line = only_line(said_by({"CREDITLINK_VAR_DIR": str(tmp_path), "DATABASE_URL": url}, *command))
    assert line.startswith("creditlink: ")
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize("command", [("run",), ("worker",)])
def test_a_database_that_is_not_there(database, tmp_path, command):
    url = db.conninfo(database.url.set(database="no_such_database"))
    said = said_by(environment(database, tmp_path) | {"DATABASE_URL": url}, *command)
    assert only_line(said).endswith('database "no_such_database" does not exist')
    assert "waiting" not in said  # it will not come by waiting


def test_a_database_without_migrations(postgres_url, database, tmp_path):
    url = db.ensure_database(postgres_url, f"empty_{os.getpid()}")
    line = only_line(said_by(environment(database, tmp_path) | {"DATABASE_URL": url}, "institutions", "list"))
    assert line.endswith("are its migrations applied? creditlink db upgrade")


def test_a_model_that_is_not_there(database, tmp_path):
    line = only_line(said_by(environment(database, tmp_path, model="city-2062c"), "run"))
    assert line.startswith("creditlink: setting model='city-2062c': ")


@pytest.mark.parametrize("command", [("run",), ("worker",)])
def test_a_broken_file_of_purposes(database, tmp_path, command):
    config = shutil.copytree(ROOT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("locks"))
    (config / "purposes.toml").write_text('version = "1"\nclock_slack_seconds = "many"\n')
    line = only_line(said_by(environment(database, tmp_path, config_dir=str(config)), *command))
    assert line == (
        "creditlink: configuration file purposes.toml: clock_slack_seconds must be a whole number from 0, got 'many'"
    )


@pytest.mark.parametrize("command", [("run",), ("worker",), ("db", "upgrade"), ("up",)])
def test_a_misspelt_variable(tmp_path, command):
    env = {"CREDITLINK_VAR_DIR": str(tmp_path), "CREDITLINK_MODLE": "x"}
    line = only_line(said_by(env, *command))
    assert line == "creditlink: unknown variable CREDITLINK_MODLE in the environment; is CREDITLINK_MODEL meant?"
