"""Slots per name in one process: how much of a shared lane one source, or one client's endpoint, may occupy."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """At most `most` holders at once for each name; a job that finds no slot free comes back later."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, name: str) -> Iterator[bool]:
        """Take a slot for the block; yield False when none is free, and take none."""
        with self._lock:
            free = self._held[name] < self._most
            if free:
                self._held[name] += 1
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._held[name] -= 1
                    if not self._held[name]:
                        del self._held[name]  # names come and go
