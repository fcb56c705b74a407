"""What the front of the server and the application share about one request, in its environment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

KEY = "creditlink.visit"
WITHIN = "creditlink.within"
"""Set in the environment of a request that a page sends to its own application; nothing from the network can."""


@dataclass
class Visit:
    """One request, from its arrival to its answer; it may go through the application more than once.

    `access` and `caller` say who asks, as the first run established. A proof of possession is good for one use, so a
    later run of the same request relies on the first one's access, as long as that is still valid.
    """

    may_wait: bool = False
    access: object = None
    caller: str | None = None
    weight: int = 1  # of the caller, beside others
    admitted: object = None  # what the limits said of the first run: a later one of the same request counts no more
    until: float | None = None  # of the monotonic clock: how long the request prefers to wait
    awaited: str | None = None  # what must happen before another run makes sense

    def deadline(self, seconds: float) -> float:
        """Return when the request's preference to wait so long ends, counted from its first run."""
        if self.until is None:
            self.until = time.monotonic() + seconds
        return self.until

    def run_again_after(self, event: str) -> None:
        """Ask the front to drop this run's answer and run the request again after `event`."""
        self.awaited = event


def of(environ: Mapping[str, object]) -> Visit | None:
    """Return the request's visit; None under a server that only knows WSGI."""
    visit = environ.get(KEY)
    return visit if isinstance(visit, Visit) else None


def is_within(environ: Mapping[str, object]) -> bool:
    """Whether a page of this application sends the request, and not somebody at an address."""
    return environ.get(WITHIN) is True
