"""How often an office may be asked: a token bucket, a number a day, and its own wish to be left alone. Pure.

A caller reserves its turn: the bucket may owe, and whoever makes it owe waits until the debt is paid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime

from creditlink.kit.clock import day_of, start_of_day

LONGEST_REST = timedelta(days=1)
"""However long an office asks to be left alone, after this it is asked again."""


@dataclass(frozen=True)
class CallLimits:
    """What an office allows; None: it does not say."""

    per_second: float | None = None
    per_day: int | None = None  # requests on a day of Shanghai
    equal_per_day: int | None = None  # of one firm and range

    @property
    def bound(self) -> bool:
        """Whether requests must be counted."""
        return self.per_second is not None or self.per_day is not None


@dataclass(frozen=True)
class Budget:
    """What is left of an office's limits."""

    tokens: float
    filled_at: datetime
    day: date
    used: int  # on that day
    rest_until: datetime | None = None

    @classmethod
    def full(cls, limits: CallLimits, now: datetime) -> Budget:
        """Return that of an office that was never asked."""
        return cls(burst(limits), now, day_of(now), 0)


@dataclass(frozen=True)
class Turn:
    """Whether a request may go out: after a wait, or not before an instant."""

    budget: Budget
    wait: timedelta = timedelta(0)
    refused_until: datetime | None = None
    reason: str = ""

    @property
    def sentence(self) -> str:
        """Return the reason as the pull reports it."""
        return f"the office is not asked now: {self.reason}"


def burst(limits: CallLimits) -> float:
    """Return how many requests may go out at once: those of one second, one at least."""
    return max(1.0, limits.per_second or 1.0)


def take(budget: Budget, limits: CallLimits, now: datetime, *, patience: timedelta, rest_patience: timedelta) -> Turn:
    """Return the turn of one request, and what it leaves of the budget.

    Parameters
    ----------
    patience : how long the caller can wait for its turn.
    rest_patience : how long it waits for an office that wants to be left alone; no longer than `patience` counts.
    """
    rest = max(timedelta(0), (budget.rest_until or now) - now)
    if rest > min(patience, rest_patience):
        return Turn(budget, refused_until=now + rest, reason=_resting(now + rest))
    today = day_of(now + rest)
    if today != budget.day:
        budget = replace(budget, day=today, used=0)
    if limits.per_day is not None and budget.used >= limits.per_day:
        tomorrow = start_of_day(today + timedelta(days=1))
        return Turn(budget, refused_until=tomorrow, reason=f"its limit of {limits.per_day} requests a day is used up")
    wait = rest
    if limits.per_second is not None:
        gone = max(0.0, (now - budget.filled_at).total_seconds())
        tokens = min(burst(limits), budget.tokens + gone * limits.per_second) - 1
        wait = max(rest, timedelta(seconds=max(0.0, -tokens / limits.per_second)))
        if wait > patience:
            return Turn(
                budget, refused_until=now + wait, reason=f"its limit of {limits.per_second:g} requests a second"
            )
        budget = replace(budget, tokens=tokens, filled_at=max(now, budget.filled_at))
    return Turn(replace(budget, used=budget.used + 1), wait)


def refusal(budget: Budget, limits: CallLimits, now: datetime) -> Turn | None:
    """Return the turn of a request that must not go out now, None if it may; a queue of a moment is no reason."""
    turn = take(budget, limits, now, patience=LONGEST_REST * 2, rest_patience=timedelta(0))
    return turn if turn.refused_until is not None else None


def rested(budget: Budget, now: datetime, seconds: float) -> Budget:
    """Return the budget of an office that asks to be left alone; a shorter wish does not shorten a longer one."""
    until = now + min(timedelta(seconds=seconds), LONGEST_REST)
    return replace(budget, rest_until=max(until, budget.rest_until or until))


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return how many seconds a `Retry-After` asks for; None where it says nothing that reads.

    Source: RFC 9110 section 10.2.3: a number of seconds, or an HTTP date.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_REST.total_seconds())
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    seconds = (instant.replace(tzinfo=instant.tzinfo or UTC) - now).total_seconds()
    return min(max(0.0, seconds), LONGEST_REST.total_seconds())


def _resting(until: datetime) -> str:
    return f"it asks to be left alone until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
