"""When a process that ended by itself is started again: at once, then after longer and longer waits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

STEADY_SECONDS = 10.0
"""A process that lived this long had started well: its end is a new event, not one more round of a restart loop."""
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


@dataclass
class Restarts:
    """The ends of one process, as its supervisor saw them."""

    quick_ends: int = 0

    def after(self, lived_seconds: float) -> float:
        """Take in an end, and return the seconds to wait before the next start."""
        if lived_seconds >= STEADY_SECONDS:
            self.quick_ends = 0
            return 0.0
        self.quick_ends += 1
        wait: float = _FIRST_WAIT * 2 ** min(self.quick_ends - 1, 10)
        return min(wait, _LONGEST_WAIT)
