"""Starting, watching and stopping the sandbox's processes."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import httpx

from creditlink.kit.processes import stopping
from creditlink.kit.processes.restarts import Restarts

_LONG_SECONDS = 20.0


class ServiceFailed(Exception):
    """A process ended or did not become ready; the message names it and its log."""


# Below the ports that systems give to outgoing connections (Linux: 32768 and up): a port of
# those can be taken by any connection between the moment it is found free and its server's start.
_PORTS = range(15_000, 32_000)
_RESERVED: deque[socket.socket] = deque()
_RESERVED_AT_MOST = 100


def free_port() -> int:
    """Return a loopback port on which nothing listens, which no other caller is given meanwhile.

    The port's UDP side stays bound while this process lives (or until it has asked for a
    hundred more): every caller tries that side first, so that two processes never agree on one.

    Raises
    ------
    ServiceFailed
        None of a thousand ports is free.
    """
    for port in random.sample(_PORTS, min(1000, len(_PORTS))):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _RESERVED.append(claim)
        if len(_RESERVED) > _RESERVED_AT_MOST:
            _RESERVED.popleft().close()
        return port
    raise ServiceFailed(f"no port is free between {_PORTS.start} and {_PORTS.stop - 1}")


@atexit.register
def _give_up() -> None:
    """Close what holds the ports, so that no process warns of it on its way out."""
    while _RESERVED:
        _RESERVED.pop().close()


def is_taken(port: int) -> bool:
    """Return whether something listens on a loopback port."""
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class _Started:
    """How a process was started, and when and how it ended since."""

    arguments: list[str]
    env: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)
    restarts: Restarts = field(default_factory=Restarts)
    due: float | None = None


@dataclass
class Services:
    """Child processes of the sandbox, stopped in reverse order on leaving the context."""

    log_dir: Path
    running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _started: dict[str, _Started] = field(default_factory=dict)

    def __enter__(self) -> Services:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, arguments: list[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start `creditlink <arguments>`; what it prints goes to `<name>.log`."""
        self.log_path(name).unlink(missing_ok=True)
        with stopping.uninterrupted():  # a process that started is noted down, so that it is stopped
            process = self._open(name, arguments, env or {})
            self.running.append((name, process))
            self._started[name] = _Started(arguments, env or {})
        return process

    def _open(self, name: str, arguments: list[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log_path(name).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-m", "creditlink", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                start_new_session=True,  # Ctrl-C reaches us first, and we stop them in order
                preexec_fn=stopping.die_with(os.getpid()),
            )

    def log_path(self, name: str) -> Path:
        """Return where a service's output is kept."""
        return self.log_dir / f"{name}.log"

    def wait_ready(
        self,
        name: str,
        url: str,
        *,
        seconds: float = 300.0,
        headers: Mapping[str, str] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Wait until `url` answers with a status below 500; report a long wait.

        Raises
        ------
        ServiceFailed
            The process ended, or did not answer in time.
        """
        process = dict(self.running)[name]
        began = time.monotonic()
        quiet_until = began + _LONG_SECONDS
        with httpx.Client(timeout=5.0, trust_env=False) as http:
            while (now := time.monotonic()) < began + seconds:
                if say is not None and now > quiet_until:
                    say(f"{name} is still starting: on a new machine it compiles first, once")
                    quiet_until = began + seconds
                if process.poll() is not None:
                    raise ServiceFailed(f"{name} ended with status {process.returncode}; see {self._tail(name)}")
                with contextlib.suppress(httpx.HTTPError):
                    if http.get(url, headers=dict(headers or {})).status_code < 500:
                        return
                time.sleep(0.1)
        raise ServiceFailed(f"{name} did not answer at {url} within {seconds:.0f} s; see {self._tail(name)}")

    def look_after(self, say: Callable[[str], None]) -> None:
        """Restart processes that ended by themselves, at once or when their wait is over, and say so."""
        now = time.monotonic()
        for index, (name, process) in enumerate(self.running):
            if process.poll() is None:
                continue
            one = self._started[name]
            if one.due is None:
                wait = one.restarts.after(now - one.at)
                one.due = now + wait
                when = f"in {wait:g} s" if wait else "now"
                say(f"{name} ended with status {process.returncode}, it starts again {when}; see {self._tail(name)}")
            if now >= one.due:
                with stopping.uninterrupted():
                    self.running[index] = (name, self._open(name, one.arguments, one.env))
                    one.at, one.due = now, None

    def stop(self) -> None:
        """Ask every process to end, the last started first; kill those that do not."""
        with stopping.uninterrupted():  # a second signal waits until all are stopped
            for _, process in reversed(self.running):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
            for _, process in reversed(self.running):
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            self.running.clear()

    def _tail(self, name: str) -> str:
        path = self.log_path(name)
        last = path.read_text(errors="replace").strip().splitlines()[-5:] if path.exists() else []
        return "\n  ".join([str(path), *last])
