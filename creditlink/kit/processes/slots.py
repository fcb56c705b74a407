"""Slots per name in one process: how much of a shared lane one office, or one client's endpoint, may hold."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """At most `most` holders at once for each name; whoever finds none free comes again later."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, name: str) -> Iterator[bool]:
        """Take a slot for the block; False: none is free, and nothing is held."""
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
