"""Starting, watching and stopping the sandbox's processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import httpx


class ServiceFailed(Exception):
    """A process ended or did not become ready; the message names it and its log."""


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def taken(port: int) -> bool:
    """Return whether something listens on a loopback port."""
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Services:
    """Child processes of the sandbox, stopped in reverse order on leaving the context."""

    log_dir: Path
    running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def __enter__(self) -> Services:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, arguments: list[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start `creditlink <arguments>`; what it prints goes to `<name>.log`."""
        with self.log_path(name).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-m", "creditlink", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # Ctrl-C reaches us first, and we stop them in order
            )
        self.running.append((name, process))
        return process

    def log_path(self, name: str) -> Path:
        """Return where a service's output is kept."""
        return self.log_dir / f"{name}.log"

    def wait_ready(
        self, name: str, url: str, *, seconds: float = 60.0, headers: Mapping[str, str] | None = None
    ) -> None:
        """Wait until `url` answers below 500.

        Raises
        ------
        ServiceFailed
            The process ended, or did not answer in time.
        """
        process = dict(self.running)[name]
        deadline = time.monotonic() + seconds
        with httpx.Client(timeout=5.0, trust_env=False) as http:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise ServiceFailed(f"{name} ended with status {process.returncode}; see {self._tail(name)}")
                with contextlib.suppress(httpx.HTTPError):
                    if http.get(url, headers=dict(headers or {})).status_code < 500:
                        return
                time.sleep(0.1)
        raise ServiceFailed(f"{name} did not answer at {url} within {seconds:.0f} s; see {self._tail(name)}")

    def check(self) -> None:
        """Raise ServiceFailed when a process has ended by itself."""
        for name, process in self.running:
            if process.poll() is not None:
                raise ServiceFailed(f"{name} ended with status {process.returncode}; see {self._tail(name)}")

    def stop(self) -> None:
        """Ask every process to end, the last started first; kill what does not."""
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
