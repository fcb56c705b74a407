"""What the front of the server and the application tell each other about one request, in its environment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

KEY = "creditlink.visit"


@dataclass
class Visit:
    """One request, from its arrival to its answer; it may go through the application more than once.

    `access` and `caller` are what the first run found: who asks. A proof of possession is good for one use, so a
    later run of the same request goes by the first one's, as far as it is still good.
    """

    may_wait: bool = False
    access: object = None
    caller: str | None = None
    until: float | None = None  # of the monotonic clock: how long the request prefers to wait
    awaited: str | None = None  # what has to happen before another run is of use

    def deadline(self, seconds: float) -> float:
        """Return when the request's preference to wait so long ends, counted from its first run."""
        if self.until is None:
            self.until = time.monotonic() + seconds
        return self.until

    def run_again_after(self, event: str) -> None:
        """Ask the front to drop this run's answer, and to run the request again once `event` is heard of."""
        self.awaited = event


def of(environ: Mapping[str, object]) -> Visit | None:
    """Return the request's visit; None under a server that only knows WSGI."""
    visit = environ.get(KEY)
    return visit if isinstance(visit, Visit) else None
