"""One circuit breaker for each office and process: whoever fails for several firms in a row is left alone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerError, CircuitMemoryStorage

from creditlink.kit.clock import utc_now


class SourceFailed(Exception):
    """Tells the circuit that a source failed for a firm."""


class Circuit:
    """Leaves an office alone after it failed for several firms in a row.

    One firm counts once however often it is asked for: what an office cannot answer for one firm says nothing of the
    others. pybreaker holds a lock while it calls, which would send the pulls of a process one after the other; so it is
    asked beforehand and gets the outcome afterwards.
    """

    def __init__(self, name: str, *, failures: int, reset_seconds: float) -> None:
        self._storage = CircuitMemoryStorage(STATE_CLOSED)
        self._reset = timedelta(seconds=reset_seconds)
        self._breaker = CircuitBreaker(
            fail_max=failures, reset_timeout=reset_seconds, state_storage=self._storage, name=name
        )
        self._failed_for: set[str] = set()  # since the office last answered, or was asked again after a rest
        self._lock = threading.Lock()

    def is_open(self, now: datetime) -> bool:
        """Whether the office is to be left alone at `now`."""
        until = self.rests_until()
        return until is not None and now < until

    def rests_until(self) -> datetime | None:
        """Return until when the office is left alone; None: the circuit is closed."""
        opened = self._storage.opened_at
        if self._breaker.current_state != STATE_OPEN or opened is None:
            return None
        return opened.replace(tzinfo=opened.tzinfo or UTC) + self._reset

    def report(self, *, ok: bool, firm: str) -> None:
        """Take in how a pull from the office went for a firm."""
        with self._lock:
            if self._breaker.current_state == STATE_OPEN and not self.is_open(utc_now()):
                self._failed_for.clear()
                self._breaker.close()
            if ok:
                self._failed_for.clear()
            elif firm in self._failed_for:
                return
            else:
                self._failed_for.add(firm)

        def outcome() -> None:
            if not ok:
                raise SourceFailed

        try:
            self._breaker.call(outcome)
        except (SourceFailed, CircuitBreakerError):
            return
