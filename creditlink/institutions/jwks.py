"""Public keys that a client publishes at its `jwks_uri`, cached for a short time in each process."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from creditlink.institutions.targets import TargetRefused, fetch_json

log = structlog.get_logger()

FRESH = timedelta(minutes=5)
# A key that is not in the cache may be new; but an unknown kid must not make us fetch every time.
UNKNOWN_KID_PAUSE = timedelta(seconds=30)
# While the bank's server is down, its cached keys stay valid this long.
STALE_AT_MOST = timedelta(hours=1)


class KeysNeeded(Exception):
    """The keys at `uri` must be fetched, outside any transaction, and the request repeated."""

    def __init__(self, uri: str) -> None:
        super().__init__("keys needed")
        self.uri = uri


@dataclass(frozen=True)
class _CachedKeys:
    jwks: dict[str, object]
    fetched_at: datetime
    tried_at: datetime


class RemoteKeys:
    """The JWK Sets of this process."""

    def __init__(self) -> None:
        self._cached: dict[str, _CachedKeys] = {}
        self._lock = threading.Lock()

    def lookup(self, uri: str, *, kid: str | None, now: datetime) -> dict[str, object]:
        """Return the JWK Set at `uri`, empty if it cannot be fetched.

        Raises
        ------
        KeysNeeded
            It was not fetched lately, or lacks `kid` and has not been tried for a while.
        """
        cached = self._cached.get(uri)
        if cached is None:
            raise KeysNeeded(uri)
        keys = cached.jwks.get("keys")
        knows = kid is None or (
            isinstance(keys, list) and any(isinstance(k, dict) and k.get("kid") == kid for k in keys)
        )
        due = FRESH if knows else UNKNOWN_KID_PAUSE
        if now - cached.fetched_at >= due and now - cached.tried_at >= UNKNOWN_KID_PAUSE:
            raise KeysNeeded(uri)
        return cached.jwks if now - cached.fetched_at < STALE_AT_MOST else {}

    def fetch(self, uri: str, *, now: datetime) -> None:
        """Fetch the JWK Set at `uri` and cache it; after a failure the older one stays for a while."""
        try:
            jwks = fetch_json(uri)
        except TargetRefused as error:
            log.warning("jwks_not_fetched", reason=str(error))
            jwks = None
        with self._lock:
            before = self._cached.get(uri)
            if isinstance(jwks, dict):
                self._cached[uri] = _CachedKeys(jwks, now, now)
            else:
                self._cached[uri] = _CachedKeys(
                    before.jwks if before else {}, before.fetched_at if before else now, now
                )
