"""SIGTERM and SIGINT: a process that is asked to end does so at any moment."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1

_asked: BaseException | None = None
_holding = 0


class Stopped(SystemExit):
    """The process was asked to end: for a server a normal exit, for anything else the exit status of a signal."""


def watch(*, serving: bool) -> None:
    """Turn SIGTERM into `Stopped`, which cleans up on its way out as Ctrl-C does; for a server SIGINT too.

    Call it first: until then a signal ends the process at once, when there is nothing to clean up yet.
    """

    def ask(number: int, _frame: FrameType | None) -> None:
        global _asked
        _asked = (
            KeyboardInterrupt() if number == signal.SIGINT and not serving else Stopped(0 if serving else 128 + number)
        )
        if not _holding:
            raise _asked

    for number in SIGNALS:
        signal.signal(number, ask)


def is_asked() -> bool:
    """Whether the process was asked to end.

    A raised exception can get lost where Python ignores one (a weak reference's callback during an import, say);
    code that starts something lasting checks here once more.
    """
    return _asked is not None


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Finish what must not be left half-done (a server started but not yet listed); end after it if asked to."""
    global _holding
    before = _asked
    _holding += 1
    try:
        yield
    finally:
        _holding -= 1
    if _asked is not before and _asked is not None and not _holding:
        raise _asked


def ignore() -> None:
    """Let nothing interrupt the last steps of a process that is ending already."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Keep signals waiting while a child is forked; the child lets them in by `begin_child`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_child(parent: int) -> None:
    """Begin life as a child: the parent's handlers are not ours, and we end when it does.

    A forked child inherits handlers that would tell a copy of the parent to end, and nothing listens to that copy.
    """
    for number in (*SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    die_with(parent)()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS, signal.SIGHUP})


def die_with(parent: int) -> Callable[[], None]:
    """Return what a child runs first so that it gets SIGTERM when `parent` dies; elsewhere than on Linux, nothing."""
    if sys.platform != "linux":
        return lambda: None
    libc = ctypes.CDLL(None)

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(128 + signal.SIGTERM)

    return ask_the_kernel
