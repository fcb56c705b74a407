"""The store in Valkey (or a Redis that speaks like it), by the library `limits`; what is counted stays in PostgreSQL.

The library has no token bucket: its sliding window counter lets as many tokens through in any window, and takes them of
one bucket at a time. All buckets are looked at before any is taken of, so that a refusal seldom costs a token; between
two requests at the same moment it may.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from creditlink.metering.buckets import Bucket, Charge, Ruling, State, StoreDown
from creditlink.metering.postgres import charge_alone

_SCHEMES = ("valkey://", "valkeys://", "valkey+unix://")
_PATIENCE_SECONDS = 0.25
_REST_SECONDS = 1.0


class ValkeyStore:
    """Buckets as windows in Valkey; one that did not answer is left alone for a second, for each asks in vain."""

    def __init__(self, storage: Storage) -> None:
        self._windows = SlidingWindowCounterRateLimiter(storage)
        self._rests_until = 0.0

    @classmethod
    def at(cls, address: str) -> ValkeyStore:
        """Return the store at an address.

        Raises
        ------
        ValueError
            It is none of Valkey's.
        """
        if not address.startswith(_SCHEMES):
            raise ValueError(f"must begin with one of {', '.join(_SCHEMES)}")
        patience = {"socket_timeout": _PATIENCE_SECONDS, "socket_connect_timeout": _PATIENCE_SECONDS}
        storage = storage_from_string(address, wrap_exceptions=True, **patience)
        if not isinstance(storage, Storage):
            raise ValueError("is not a store for threads")
        return cls(storage)

    def admit(self, buckets: Sequence[Bucket], charge: Charge | None) -> Ruling:
        """Take one token of each bucket, and count the charge; or take nothing.

        Raises
        ------
        StoreDown
        """
        if time.monotonic() < self._rests_until:
            raise StoreDown("resting")
        try:
            states = self._taken(buckets)
        except StorageError as error:
            self._rests_until = time.monotonic() + _REST_SECONDS
            raise StoreDown(type(error.storage_error).__name__) from error
        if charge is None or any(one.wait > 0 for one in states):
            return Ruling(states, charge)
        return Ruling(states, charge, *charge_alone(charge))

    def _taken(self, buckets: Sequence[Bucket]) -> list[State]:
        windows = [(one, RateLimitItemPerSecond(one.rate.tokens, one.rate.seconds)) for one in buckets]
        are_open = [self._windows.test(window, one.key) for one, window in windows]
        if all(are_open):
            are_open = [self._windows.hit(window, one.key) for one, window in windows]
        return [
            self._state(one, window, is_open=is_open) for (one, window), is_open in zip(windows, are_open, strict=True)
        ]

    def _state(self, bucket: Bucket, window: RateLimitItemPerSecond, *, is_open: bool) -> State:
        until, left = self._windows.get_window_stats(window, bucket.key)
        full_in = max(0.0, until - time.time())
        return State(bucket, left, full_in, 0.0 if is_open else max(bucket.rate.step_us / 1e6, 0.001))
