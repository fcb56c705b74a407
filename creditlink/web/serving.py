"""The server's processes: one listening socket, children that are restarted, a clean end at any moment.

granian serves; how it looks after its children is replaced here (docs/adr/0030-supervision.md says why).
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as ends
from typing import Any, TypedDict, Unpack

import structlog
from granian._granian import SocketHolder
from granian._internal import load_target
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer, WorkerProcess

from creditlink.kit.processes import stopping
from creditlink.kit.processes.restarts import Restarts
from creditlink.kit.settings import ROOT, SettingError

log = structlog.get_logger()

EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state
_BACKLOG = 1024
_TICK_SECONDS = 0.2
_END_OF_A_LOADING_CHILD = 2.0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host`:`port` and that no other process can share.

    Raises
    ------
    SettingError
        Another process listens there, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingError(f"--port {port} on {host} is in use by another process") from None
        raise SettingError(f"--host {host} --port {port}: {error.strerror or error}") from None
    except UnicodeError:  # no name of a machine: a part of it is empty or too long
        raise SettingError(f"--host {host!r} --port {port}: is not the name of a machine") from None
    listening.setblocking(False)
    return listening


class ServerOptions(TypedDict, total=False):
    """The options of granian that we set."""

    interface: Interfaces
    workers: int
    http1_settings: HTTP1Settings
    log_access: bool
    log_level: LogLevels


SpawnTarget = Callable[..., object]  # granian's own, for a child to run
Loader = Callable[..., object]  # loads the application in a child


class SupervisedServer(MPServer):
    """granian on a given socket, whose children are restarted for as long as it takes."""

    def __init__(
        self, target: str, listening: socket.socket, *, drain_seconds: int, **options: Unpack[ServerOptions]
    ) -> None:
        host, port = listening.getsockname()[:2]
        super().__init__(target, address=host, port=port, **options)
        self._listening = listening
        self._drain_seconds = drain_seconds
        self._reports, self._report = multiprocessing.Pipe(duplex=False)
        self._loaded: set[int] = set()  # children (by process id) that serve
        self._steady: set[int] = set()  # places whose child has served once
        self._reasons: dict[int, str] = {}  # child -> what is wrong with its settings
        self._wrong: str | None = None
        self._restarts: dict[int, Restarts] = {}
        self._due: dict[int, float] = {}

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises
        ------
        SettingError
            The application cannot be loaded with these settings.
        """
        loader = partial(_load, self._report, os.getpid())
        self.serve(target_loader=loader)
        if self._wrong is not None:
            raise SettingError(self._wrong)

    def _init_shared_socket(self) -> None:
        # One socket for all: connections in its queue outlive a child, and no second server can join unnoticed, as it
        # can where each child listens for itself (SO_REUSEPORT).
        self._ssp = None
        # granian's own types say None for both.
        self._sfd: Any = self._listening.fileno()
        self._shd: Any = SocketHolder(self._sfd, False, _BACKLOG)  # type: ignore[call-arg]  # its stub lags behind
        self._listening.set_inheritable(True)
        self._sso = self._listening

    def _spawn_workers(self, spawn_target: SpawnTarget, target_loader: Loader) -> None:
        if stopping.is_asked():  # before granian's handlers were set
            self.signal_handler_interrupt()
        with stopping.signals_blocked():
            super()._spawn_workers(spawn_target, target_loader)
        for child in self.wrks:
            _leave_to_us(child)

    def _respawn_workers(
        self, workers: Iterable[int], spawn_target: SpawnTarget, target_loader: Loader, delay: float = 0
    ) -> None:
        with stopping.signals_blocked():
            super()._respawn_workers(workers, spawn_target, target_loader, delay)

    def _serve_loop(self, spawn_target: SpawnTarget, target_loader: Loader) -> None:
        while not self.interrupt_signal and self._wrong is None:
            self.main_loop_interrupt.wait(_TICK_SECONDS)
            self.main_loop_interrupt.clear()
            if self.interrupt_signal:
                break
            if self.reload_signal:
                self._reload(spawn_target, target_loader)
            self._read_reports()
            for index, child in enumerate(list(self.wrks)):
                if not child.is_alive():
                    self._look_after(index, child, partial(self._start_again, spawn_target, target_loader))

    def _look_after(self, index: int, child: WorkerProcess, start: Callable[[int], None]) -> None:
        """Start an ended child again: at once, or when its wait is over."""
        now = time.monotonic()
        if index not in self._due:
            self._read_reports()  # its last report came before its end
            code, reason = child.inner.exitcode, self._reasons.pop(child.inner.pid, None)
            if code == EX_CONFIG and index not in self._steady:
                self._wrong = reason or "the application could not be loaded"
                return
            wait = self._restarts.setdefault(index, Restarts()).after(now - child.birth)
            self._due[index] = now + wait
            log.error(
                "api_child_ended", child=index + 1, pid=child.inner.pid, exit=code, reason=reason, again_in_seconds=wait
            )
        if now >= self._due[index]:
            del self._due[index]
            start(index)

    def _start_again(self, spawn_target: SpawnTarget, target_loader: Loader, index: int) -> None:
        with stopping.signals_blocked():
            child = self._spawn_worker(idx=index, target=spawn_target, callback_loader=target_loader)
            child.start()
        _leave_to_us(child)
        self.wrks[index] = child
        log.warning("api_child_started_again", child=index + 1, pid=child.inner.pid)

    def _read_reports(self) -> None:
        """Read the children's reports since the last time."""
        places = {child.inner.pid: index for index, child in enumerate(self.wrks)}
        while self._reports.poll():
            pid, wrong = self._reports.recv()
            if wrong is not None:
                self._reasons[pid] = wrong
            elif pid in places:
                self._loaded.add(pid)
                self._steady.add(places[pid])

    def _stop_workers(self) -> None:
        """End the children: one that serves may finish its requests, one that still loads has nothing to finish."""
        self._read_reports()
        began = time.monotonic()
        for child in self.wrks:
            if self._wrong is None:
                child.terminate()
            else:
                child.kill()
        for child in self.wrks:
            patience = self._drain_seconds if child.inner.pid in self._loaded else _END_OF_A_LOADING_CHILD
            left = max(0.0, began + patience - time.monotonic()) if self._wrong is None else None
            # Not `is_alive`: for a moment it is true of a child that granian's watching thread is about to write off.
            if not ends([child.inner.sentinel], left):
                log.warning("api_child_killed", child=child.idx + 1, pid=child.inner.pid, waited_seconds=patience)
                child.kill()
                ends([child.inner.sentinel])
        self.wrks.clear()
        self.interrupt_children.clear()


def _leave_to_us(child: WorkerProcess) -> None:
    """Keep granian's own watcher from reporting a child's end, and from counting it as the server's failure."""
    child.interrupt_by_parent = True


def _load(report: Connection, parent: int, target: str) -> Callable[..., object]:
    """Load the application in a child, and report how it went."""
    stopping.begin_child(parent)
    try:
        application: Callable[..., object] = load_target(target, wd=ROOT)
    except SettingError as error:
        report.send((os.getpid(), str(error)))
        sys.exit(EX_CONFIG)
    report.send((os.getpid(), None))
    return application
