"""The embedded PostgreSQL lives as long as a process that holds it open, and no longer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.serving import ROOT
from tests.web.test_supervision import clean, until

# What a command of the platform does with it, and nothing more.
_HOLDER = """
import sys, time
from pathlib import Path
from creditlink.kit.processes import stopping
stopping.watch(serving=True)
try:
    from creditlink.kit.postgres import embedded
    print(embedded.start(Path(sys.argv[1])), flush=True)
    while True:
        time.sleep(1)
finally:
    stopping.ignore()
"""


@pytest.fixture
def folder():
    """Not the tests' own: the server's user must be able to enter it."""
    path = Path(tempfile.mkdtemp(prefix="embedded-"))
    path.chmod(0o755)
    yield path
    for pid in postgres(path):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not postgres(path), "the end of a server", path / "holder.log")
    shutil.rmtree(path)


def holder(folder):
    with (folder / "holder.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _HOLDER, str(folder / "pg")],
            cwd=ROOT, env=clean({}), stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip


def end(process, number=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(number)
    code = process.wait(120)
    process.stdout.close()
    return code


def postgres(folder) -> list[int]:
    """Every process of the cluster: they work in its data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve() == folder / "pg" and (process / "comm").read_text().startswith("postgres"):
                found.append(int(process.name))
    return found


def answers(url) -> bool:
    with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=5) as connection:
        return connection.execute("SELECT n FROM kept").fetchone() == (1,)
    return False


def test_a_server_that_was_killed_is_started_again_with_what_was_committed(folder):
    first = holder(folder)
    try:
        url = first.stdout.readline().strip()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        os.kill(int((folder / "pg" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        until(lambda: answers(url), "a new server", folder / "holder.log")
    finally:
        first.send_signal(signal.SIGTERM)
        said = first.stdout.read()
        assert end(first) == 0
    assert "embedded_postgres_died" in said
    assert "embedded_postgres_started_again" in said
    assert postgres(folder) == []  # the new one is stopped, too


def test_a_killed_process_does_not_hold_the_server_open_for_good(folder):
    first, second = holder(folder), holder(folder)
    try:
        assert first.stdout.readline() == second.stdout.readline() != ""
        end(first, signal.SIGKILL)
        assert postgres(folder)
    finally:
        assert end(second) == 0
    assert postgres(folder) == []


def test_asked_to_end_while_it_starts_it_leaves_no_server_behind(folder):
    for seconds in (0.3, 0.6, 1.0, 1.5, 2.0, 3.0):
        one = holder(folder)
        time.sleep(seconds)
        assert end(one) in (0, -signal.SIGTERM), f"after {seconds} s"
        assert postgres(folder) == [], f"after {seconds} s"
