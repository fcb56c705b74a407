"""The sandbox's processes are started again when they end, and end with whoever started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from creditlink.sandbox.platform import services as module
from creditlink.sandbox.platform.services import ServiceFailed, Services, free_port
from tests.serving import ROOT
from tests.web.test_supervision import clean, until

pytestmark = pytest.mark.pure

_ASKING = """
import sys
from creditlink.sandbox.platform import services
services._PORTS = range(int(sys.argv[1]), int(sys.argv[2]))
print([services.free_port() for _ in range(10)], flush=True)
sys.stdin.read()
"""


def test_two_processes_that_look_for_ports_at_once_are_never_given_the_same():
    first = free_port()
    few = [sys.executable, "-c", _ASKING, str(first), str(first + 60)]
    asking = [
        subprocess.Popen(few, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    given = [port for process in asking for port in json.loads(process.stdout.readline())]
    for process in asking:
        process.communicate()
    assert len(set(given)) == 30
    assert first not in given


def test_a_port_is_none_that_an_outgoing_connection_can_take(monkeypatch):
    assert free_port() < 32_768
    monkeypatch.setattr(module, "_PORTS", range(15_000, 15_000))
    with pytest.raises(ServiceFailed, match="no port is free"):
        free_port()


def test_what_was_killed_is_started_again_and_said(tmp_path):
    said = []
    with Services(tmp_path) as services:
        first = services.start(
            "api", ["run", "--port", str(free_port())], {"DATABASE_URL": "postgresql://127.0.0.1:1/no"}
        )
        os.killpg(first.pid, signal.SIGKILL)
        first.wait(10)

        def again() -> bool:
            services.look_after(said.append)
            return services.running[0][1] is not first

        until(again, "a new process", services.log_path("api"))
        (name, second), *_ = services.running
        assert (name, second.poll()) == ("api", None)
    assert second.poll() is not None
    assert len(said) == 1
    assert said[0].startswith("api ended with status -9, it starts again in 0.5 s; see ")


def test_what_keeps_ending_is_started_after_longer_and_longer_waits(tmp_path):
    said = []
    with Services(tmp_path) as services:
        services.start("broken", ["no-such-command"])

        def often() -> bool:
            services.look_after(said.append)
            return len(said) == 3

        until(often, "three ends", services.log_path("broken"))
    assert [line.partition("; see ")[0] for line in said] == [
        f"broken ended with status 2, it starts again in {wait} s" for wait in ("0.5", "1", "2")
    ]
    assert "No such command" in said[0]


_PARENT = """
import sys, time
from pathlib import Path
from creditlink.kit.processes import stopping
stopping.watch(serving=True)
from creditlink.sandbox.platform.services import Services
with Services(Path(sys.argv[1])) as services:
    for name in ("one", "two", "three"):
        services.start(name, ["run", "--port", sys.argv[2]])
    while True:
        services.look_after(print)
        time.sleep(0.2)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_the_processes_end_with_their_parent_at_any_moment(tmp_path, number, code):
    log = tmp_path / "parent.log"
    for seconds in (0.4, 0.8, 1.1, 1.4, 2.5):
        before = set(_running(tmp_path))
        with log.open("ab") as output:
            parent = subprocess.Popen(
                [sys.executable, "-c", _PARENT, str(tmp_path), str(free_port())],
                cwd=ROOT, env=clean({"CREDITLINK_VAR_DIR": str(tmp_path), "DATABASE_URL": "postgresql://127.0.0.1:1/no"}),
                stdout=output, stderr=output,
            )  # fmt: skip
        time.sleep(seconds)
        parent.send_signal(number)
        assert parent.wait(60) in (code, -number), f"after {seconds} s"
        until(lambda before=before: set(_running(tmp_path)) == before, f"no orphan after {seconds} s", log)


def _running(folder) -> list[int]:
    """Processes whose data lies in a folder of this test."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"CREDITLINK_VAR_DIR={folder}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found
