"""The callers of the last seconds, as every process of the server sees them."""

from __future__ import annotations

import hashlib
import mmap
import time
from pathlib import Path

import structlog

log = structlog.get_logger()

_SECONDS = 2.0
_PLACES = 64
_MOST_WEIGHT = 10.0
_BYTES = 16 * _PLACES  # two doubles each: when a caller of that place was last seen, and its weight


class Callers:
    """The callers seen within the last two seconds, by this process and by those that share its file.

    A caller's place follows from its name: now and then two share one and count as one, which changes who waits for
    whom and nothing else. The times are those of the system's monotonic clock, which all processes share.

    Parameters
    ----------
    shared : file that the processes of one server share; without it a process knows only its own callers.
    """

    def __init__(self, shared: Path | None = None) -> None:
        both = memoryview(_opened(shared)).cast("d")
        self._seen, self._weights = both[:_PLACES], both[_PLACES:]

    def note(self, caller: str, weight: int = 1) -> None:
        """Note that a caller asked just now."""
        place = _place(caller)
        self._weights[place], self._seen[place] = weight, time.monotonic()

    def weight(self) -> float:
        """Return the weight of all callers together; with the usual weight of 1 that is how many they are."""
        now = time.monotonic()  # what is later than now is from before the machine started
        return sum(
            min(max(weight, 1.0), _MOST_WEIGHT)
            for moment, weight in zip(self._seen, self._weights, strict=True)
            if now - _SECONDS < moment <= now
        )


def _place(caller: str) -> int:
    return hashlib.sha256(caller.encode()).digest()[0] % _PLACES


def _opened(shared: Path | None) -> mmap.mmap | bytearray:
    if shared is None:
        return bytearray(_BYTES)
    try:
        shared.parent.mkdir(parents=True, exist_ok=True)
        with shared.open("ab") as file:
            file.truncate(_BYTES)
        with shared.open("r+b") as file:
            return mmap.mmap(file.fileno(), _BYTES)
    except OSError as error:
        log.warning("callers_not_shared", file=str(shared), error=error.strerror)
        return bytearray(_BYTES)
