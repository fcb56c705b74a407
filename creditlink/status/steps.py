"""The steps that a user walks, and what the counts of answers say about them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["up", "degraded", "down", "unknown"]
STEPS = ("consent_page", "token", "pull", "profile")
"""In the order of a request; `pull` is counted by the pulls themselves."""

# By the beginning of the route's rule.
_ROUTES = (
    ("/portal/authorize/", "consent_page"),
    ("/portal/inbox", "consent_page"),
    ("/oauth/authorize", "consent_page"),
    ("/oauth/par", "token"),
    ("/oauth/bc-authorize", "token"),
    ("/oauth/token", "token"),
    ("/v1/profiles", "profile"),
)
BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Upper ends, in seconds, of the buckets that times are counted in; the last bucket has none."""
_UP, _DEGRADED = 0.99, 0.5


@dataclass(frozen=True)
class AnswerTally:
    """Answers within some time: how many, how many good ones, the median time."""

    answers: int
    good: int
    p50_seconds: float | None

    @property
    def success_rate(self) -> float | None:
        """Return the share of good answers; None where there was no answer."""
        return self.good / self.answers if self.answers else None


NOTHING = AnswerTally(0, 0, None)


def step_of(route: str) -> str | None:
    """Return the step that a route belongs to, None for a route that is no step."""
    return next((step for start, step in _ROUTES if route.startswith(start)), None)


def bucket_of(seconds: float) -> int:
    """Return the bucket that a time is counted in."""
    return bisect_left(BOUNDS, seconds)


def median(buckets: Mapping[int, int]) -> float | None:
    """Return the median in seconds of times counted in buckets, linear within the bucket; None without any.

    >>> median({0: 1, 1: 2, 2: 1})
    0.0075
    """
    total = sum(buckets.values())
    if not total:
        return None
    left = total / 2
    for bucket in sorted(buckets):
        if left <= buckets[bucket]:
            low = BOUNDS[bucket - 1] if bucket else 0.0
            high = BOUNDS[bucket] if bucket < len(BOUNDS) else low
            return low + (high - low) * left / buckets[bucket]
        left -= buckets[bucket]
    raise AssertionError("half of the total lies before its end")


def state_of(tally: AnswerTally) -> State:
    """Return how a step is doing: up from 99 % good answers, down below half, unknown without any."""
    rate = tally.success_rate
    if rate is None:
        return "unknown"
    if rate >= _UP:
        return "up"
    return "degraded" if rate >= _DEGRADED else "down"


def worst_of(states: list[State]) -> State:
    """Return the worst of several states; unknown ones do not count."""
    order: tuple[State, ...] = ("down", "degraded", "up")
    return next((state for state in order if state in states), "unknown")
