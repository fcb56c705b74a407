"""Events that the database announces over one connection of the process (LISTEN), and waiting for them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict

import psycopg
import structlog

log = structlog.get_logger()

_RECENT_SECONDS = 60.0
_HEARTBEAT_SECONDS = 10.0
_MOMENT = 0.05
_LOOK_SECONDS, _LOOK_WHEN_DEAF_SECONDS = 5.0, 2.0


class News:
    """The events of one channel."""

    def __init__(self, conninfo: str, channel: str) -> None:
        self._conninfo, self._channel = conninfo, channel
        self._recent: OrderedDict[str, float] = OrderedDict()
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._hears = False

    async def listen(self) -> None:
        """Listen until cancelled; a connection that ends is opened again."""
        while True:
            try:
                await self._listen_once()
            except (psycopg.Error, TimeoutError, OSError) as error:
                if self._hears:
                    log.warning("news_lost", error=type(error).__name__)
                self._hears = False
                await asyncio.sleep(1.0)

    async def wait(self, event: str, until: float) -> None:
        """Return when the event was announced, when it is time to look, or at `until` (of the monotonic clock).

        An event may be missed, when the database restarts say: so the caller looks now and then all the same.
        """
        if event in self._recent:
            await asyncio.sleep(_MOMENT)  # announced before this call, whose caller may have looked just before that
            return
        heard = asyncio.Event()
        self._waiting.setdefault(event, set()).add(heard)
        look = _LOOK_SECONDS if self._hears else _LOOK_WHEN_DEAF_SECONDS
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(until - time.monotonic(), look))):
                    await heard.wait()
        finally:
            self._waiting[event].discard(heard)
            if not self._waiting[event]:
                del self._waiting[event]

    async def _listen_once(self) -> None:
        async with asyncio.timeout(_HEARTBEAT_SECONDS):
            connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=5)
        try:
            async with asyncio.timeout(_HEARTBEAT_SECONDS):
                await connection.execute(f"LISTEN {self._channel}")
            self._hears = True
            for events in list(self._waiting.values()):  # what ended while nobody listened
                for heard in events:
                    heard.set()
            while True:
                async for notice in connection.notifies(timeout=_HEARTBEAT_SECONDS):
                    self._tell(notice.payload)
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await connection.execute("SELECT 1")
        finally:
            # Not a polite goodbye: the server may have stopped.
            connection.pgconn.finish()

    def _tell(self, event: str) -> None:
        now = time.monotonic()
        self._recent[event] = now
        while self._recent and next(iter(self._recent.values())) < now - _RECENT_SECONDS:
            self._recent.popitem(last=False)
        for heard in self._waiting.get(event, ()):
            heard.set()
