"""Who is served next: callers in turn, each with its share of the threads while there are others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque

from creditlink.web.front.about import Callers

_YIELDS_SECONDS = 0.1


class QueueFull(Exception):
    """More waits than can be served in time."""


class FairQueue:
    """Slots for requests that run, and a bounded queue before them, in turn by caller.

    A caller that is alone has every slot. While there are others, each has its share of half of them by its weight, one
    at least: a bank that sends a thousand requests delays its own. It is half because the threads share one
    interpreter: the second half would add little throughput, and much to the time of a quiet caller's request. For the
    same reason a caller with requests in the queue starts none beside the request of a caller without any, for a tenth
    of a second at most.

    Parameters
    ----------
    slots : how many requests run at once
    most : how many may wait, of all callers together
    most_each : how many of one caller
    patience : seconds after which one that waits is refused
    callers : the callers of the last seconds, in every process of the server
    """

    def __init__(
        self, slots: int, *, most: int, most_each: int, patience: float, callers: Callers | None = None
    ) -> None:
        self._free = self._slots = slots
        self._most, self._most_each, self._patience = most, most_each, patience
        self._running: Counter[str] = Counter()
        self._lanes: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._callers = callers or Callers()
        self._weights: dict[str, int] = {}  # of those that run or wait
        self._began: dict[str, float] = {}  # when a caller last got a slot
        self._alarm: asyncio.TimerHandle | None = None
        self._waiting = 0

    async def enter(self, caller: str, weight: int = 1) -> None:
        """Wait for a slot; call `leave` to give it back.

        Raises
        ------
        QueueFull
            Too many wait already, or this one waited too long.
        """
        self._callers.note(caller, weight)
        self._weights[caller] = weight
        if self._free and caller not in self._lanes and self._may_run(caller):
            self._take(caller)
            return
        if self._waiting >= self._most or len(self._lanes.get(caller, ())) >= self._most_each:
            raise QueueFull
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lanes.setdefault(caller, deque()).append(turn)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave(caller)  # its turn had come in the same moment
            else:
                self._forget(caller, turn)
            if isinstance(error, TimeoutError):
                raise QueueFull from None
            raise

    def leave(self, caller: str) -> None:
        """Give a slot back, to the next that waits."""
        self._free += 1
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]
            self._tidy(caller)
        self._serve()

    def _serve(self) -> None:
        while self._free and self._serve_next():
            pass

    def _serve_next(self) -> bool:
        for caller in list(self._lanes):
            if not self._may_run(caller) or self._yields(caller):
                continue
            lane = self._lanes[caller]
            turn = lane.popleft()
            self._waiting -= 1
            self._lanes.move_to_end(caller)
            if not lane:
                del self._lanes[caller]
            if not turn.done():
                self._take(caller)
                turn.set_result(None)
            return True
        return False

    def _may_run(self, caller: str) -> bool:
        own, of_all = self._weights.get(caller, 1), self._callers.weight()
        share = self._slots if of_all <= own else max(1, int(self._slots * own / (2 * of_all)))
        return self._running[caller] < share

    def _yields(self, caller: str) -> bool:
        """Return whether a caller that waits lets callers without a queue finish first; never for long."""
        if all(other == caller or other in self._lanes for other in self._running):
            return False
        left = self._began.get(caller, 0.0) + _YIELDS_SECONDS - time.monotonic()
        if left > 0 and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(left, self._wake)
        return left > 0

    def _wake(self) -> None:
        self._alarm = None
        self._serve()

    def _take(self, caller: str) -> None:
        self._free -= 1
        self._running[caller] += 1
        self._began[caller] = time.monotonic()

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        lane = self._lanes.get(caller)
        if lane is not None and turn in lane:
            lane.remove(turn)
            self._waiting -= 1
            if not lane:
                del self._lanes[caller]
                self._tidy(caller)

    def _tidy(self, caller: str) -> None:
        """Forget a caller that neither runs nor waits."""
        if caller not in self._lanes and not self._running.get(caller):
            self._began.pop(caller, None)
            self._weights.pop(caller, None)
