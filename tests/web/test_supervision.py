"""`creditlink run` looks after its children, shares its port with nobody, and ends whenever it is asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from creditlink.kit.processes.restarts import Restarts
from creditlink.sandbox.platform.services import free_port
from tests.serving import ROOT, environment

pytestmark = pytest.mark.long

_PATIENCE = 180  # loading the application takes seconds of CPU in each child, and machines may be busy
# Seconds after the start, and after the first child was forked: before anything is loaded, and while children load.
MOMENTS = [("started", s) for s in (0.02, 0.2, 0.5, 0.9)] + [("forked", s) for s in (0, 0.01, 0.1, 0.4, 0.9, 1.5, 2.5)]


def clean(env):
    return {k: v for k, v in os.environ.items() if not k.startswith(("CREDITLINK_", "DATABASE_"))} | dict(env)


def of_session(session: int) -> dict[int, str]:
    """Process id -> state, of everything that a command in a session of its own has started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _parent, _group, its = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its) == session and state != "Z":
            found[int(folder.name)] = state
    return found


def until(condition, what, log):
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen:\n{log.read_text()[-3000:]}"
        time.sleep(0.05)


class Running:
    """`creditlink run` in a session of its own."""

    def __init__(self, env, log, *, port=None, workers=2):
        self.port, self.log = port or free_port(), log
        self.url = f"http://127.0.0.1:{self.port}"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "creditlink", "run", "--port", str(self.port), "--workers", str(workers)],
                cwd=ROOT,
                env=clean(env),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def answers(self) -> bool:
        try:
            return httpx.get(self.url + "/health/live", timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def children(self) -> set[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in listed.split()}

    def loaded(self) -> int:
        """How many of the children listen for signals: the last thing that granian does before it serves."""
        return sum(_catches_sigterm(pid) for pid in self.children())

    def end(self) -> None:
        for pid in of_session(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


def _catches_sigterm(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """A server with two children; the tests that use it leave it serving, the last one kills it."""
    folder = tmp_path_factory.mktemp("served")
    running = Running(environment(database, folder), folder / "run.log")
    try:
        until(lambda: running.answers() and running.loaded() == 2, "the start", running.log)
        yield running
    finally:
        running.end()


@pytest.mark.pure
def test_waits_between_restarts_grow_and_are_forgotten_after_a_steady_life():
    restarts = Restarts()
    assert restarts.after(3600) == 0
    waits = [restarts.after(1) for _ in range(9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert restarts.after(11) == 0
    assert restarts.after(1) == 0.5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_any_moment_of_its_start(database, tmp_path, number):
    """Asked while a child loaded, it served on for ever: the child had inherited the parent's handlers."""
    env, log = environment(database, tmp_path), tmp_path / "run.log"
    wrong = []
    for since, seconds in MOMENTS if number == signal.SIGTERM else MOMENTS[2::3]:
        server, moment = Running(env, log), f"{seconds} s after it {since}"
        try:
            if since == "forked":
                until(server.children, "the first child", log)
            time.sleep(seconds)
            server.process.send_signal(number)
            asked = time.monotonic()
            try:
                code = server.process.wait(30)
            except subprocess.TimeoutExpired:
                wrong.append(f"asked {moment}: still there 30 s later")
                continue
            # Before the interpreter has come to our first line, the signal does what it does to any process.
            early = (-number,) if since == "started" else ()
            if code not in (0, *early):
                wrong.append(f"asked {moment}: exit code {code}")
            time.sleep(0.1)
            if left := of_session(server.process.pid):
                wrong.append(f"asked {moment}: it left {left} after {time.monotonic() - asked:.1f} s")
        finally:
            server.end()
    assert not wrong, "\n".join(wrong) + log.read_text()[-3000:]


def test_a_killed_child_is_started_again_while_the_others_serve(server):
    before, log = server.children(), server.log
    os.kill(min(before), signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: len(server.children() - before) == 1, "a new child", log)
    assert time.monotonic() - killed < 30  # it is forked within a turn of the loop; machines may be busy
    assert all(server.answers() for _ in range(20))
    until(lambda: server.loaded() == 2, "two children that serve", log)
    # Both at once: nobody serves, but who comes meanwhile waits in the queue of the socket.
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)
    assert httpx.get(server.url + "/health/live", timeout=_PATIENCE, trust_env=False).status_code == 200
    until(lambda: server.loaded() == 2, "two children that serve again", log)
    assert server.process.poll() is None
    assert log.read_text().count('"event": "api_child_ended"') == 3
    assert log.read_text().count('"event": "api_child_started_again"') == 3


def test_a_second_server_on_the_same_port_says_so(server, database, tmp_path):
    other = Running(environment(database, tmp_path), tmp_path / "second.log", port=server.port)
    try:
        assert other.process.wait(_PATIENCE) == 2
    finally:
        other.end()
    said = (tmp_path / "second.log").read_text()
    assert said == f"creditlink: --port {server.port} on 127.0.0.1 is in use by another process\n"
    assert server.answers()


def test_children_end_with_a_killed_parent(server):
    server.process.kill()
    server.process.wait(30)
    until(lambda: not of_session(server.process.pid), "the end of the children", server.log)


def test_two_servers_that_start_together_do_not_share_a_port(database, tmp_path):
    env, port = environment(database, tmp_path), free_port()
    both = [Running(env, tmp_path / f"{n}.log", port=port, workers=1) for n in range(2)]
    try:
        until(lambda: any(server.process.poll() is not None for server in both), "one giving way", tmp_path / "0.log")
        until(lambda: both[0].answers(), "the other serving", tmp_path / "1.log")
        assert sorted(server.process.poll() is None for server in both) == [False, True]
    finally:
        for server in both:
            server.end()
