"""The server's processes: one listening socket, children that are started again, a clean end at any moment.

granian serves; how it looks after its children is replaced here (docs/adr/0030-supervision.md says why).
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as ends
from typing import Any

import structlog
from granian import net
from granian._internal import load_target
from granian.server.mp import MPServer

from creditlink.kit.processes import stopping
from creditlink.kit.processes.restarts import Restarts
from creditlink.kit.settings import ROOT, SettingError

log = structlog.get_logger()

EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state
_BACKLOG = 1024
_TICK_SECONDS = 0.2
_END_OF_A_LOADING_CHILD = 2.0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host`:`port`, and that nobody else can share.

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


class SupervisedServer(MPServer):
    """granian on a given socket, whose children are started again for as long as it takes."""

    def __init__(self, target: str, listening: socket.socket, *, drain_seconds: int, **options: Any) -> None:
        host, port = listening.getsockname()[:2]
        super().__init__(target, address=host, port=port, **options)
        self._listening = listening
        self._drain_seconds = drain_seconds
        self._reports, self._report = multiprocessing.Pipe(duplex=False)
        self._loaded: set[int] = set()  # children (by process id) that serve
        self._steady: set[int] = set()  # places whose child has served once
        self._said: dict[int, str] = {}  # child -> what its settings lack
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
        # One socket for all: what waits in its queue outlives a child, and a second server cannot join in unseen,
        # as it can where each child listens for itself (SO_REUSEPORT).
        holder: Any = net.SocketHolder  # type: ignore[attr-defined]  # its stub lags behind
        self._ssp: Any = None
        self._sfd: Any = self._listening.fileno()
        self._shd: Any = holder(self._sfd, False, _BACKLOG)
        self._listening.set_inheritable(True)
        self._sso = self._listening

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        if stopping.is_asked():  # before granian's handlers were there
            self.signal_handler_interrupt()
        with stopping.signals_blocked():
            super()._spawn_workers(spawn_target, target_loader)
        for child in self.wrks:
            _leave_to_us(child)

    def _respawn_workers(self, workers: Any, spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        with stopping.signals_blocked():
            super()._respawn_workers(workers, spawn_target, target_loader, delay)

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        while not self.interrupt_signal and self._wrong is None:
            self.main_loop_interrupt.wait(_TICK_SECONDS)
            self.main_loop_interrupt.clear()
            if self.interrupt_signal:
                break
            if self.reload_signal:
                self._reload(spawn_target, target_loader)
            self._hear()
            for index, child in enumerate(list(self.wrks)):
                if not child.is_alive():
                    self._look_after(index, child, partial(self._start_again, spawn_target, target_loader))

    def _look_after(self, index: int, child: Any, start: Callable[[int], None]) -> None:
        """Start an ended child again: at once, or when its wait is over."""
        now = time.monotonic()
        if index not in self._due:
            self._hear()  # its last word came before its end
            code, reason = child.inner.exitcode, self._said.pop(child.inner.pid, None)
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

    def _start_again(self, spawn_target: Any, target_loader: Any, index: int) -> None:
        with stopping.signals_blocked():
            child = self._spawn_worker(idx=index, target=spawn_target, callback_loader=target_loader)
            child.start()
        _leave_to_us(child)
        self.wrks[index] = child
        log.warning("api_child_started_again", child=index + 1, pid=child.inner.pid)

    def _hear(self) -> None:
        """Take in what children said since the last time."""
        places = {child.inner.pid: index for index, child in enumerate(self.wrks)}
        while self._reports.poll():
            pid, wrong = self._reports.recv()
            if wrong is not None:
                self._said[pid] = wrong
            elif pid in places:
                self._loaded.add(pid)
                self._steady.add(places[pid])

    def _stop_workers(self) -> None:
        """End the children: one that serves may finish its requests, one that still loads has nothing to finish."""
        self._hear()
        began = time.monotonic()
        for child in self.wrks:
            if self._wrong is None:
                child.terminate()
            else:
                child.kill()
        for child in self.wrks:
            patience = self._drain_seconds if child.inner.pid in self._loaded else _END_OF_A_LOADING_CHILD
            left = max(0.0, began + patience - time.monotonic()) if self._wrong is None else None
            # Not `is_alive`: for a moment it takes for alive what granian's watching thread is about to write off.
            if not ends([child.inner.sentinel], left):
                log.warning("api_child_killed", child=child.idx + 1, pid=child.inner.pid, waited_seconds=patience)
                child.kill()
                ends([child.inner.sentinel])
        self.wrks.clear()
        self.interrupt_children.clear()


def _leave_to_us(child: Any) -> None:
    """Keep granian's own watcher from telling of a child's end, and from counting it as the server's failure."""
    child.interrupt_by_parent = True


def _load(report: Connection, parent: int, target: str) -> Any:
    """Load the application in a child, and say how it went."""
    stopping.begin_child(parent)
    try:
        application = load_target(target, wd=ROOT)
    except SettingError as error:
        report.send((os.getpid(), str(error)))
        sys.exit(EX_CONFIG)
    report.send((os.getpid(), None))
    return application
