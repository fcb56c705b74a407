"""Token buckets as they are asked for: what one is, what is charged beside them, and what a store answers. Pure.

Source: the generic cell rate algorithm, ITU-T I.371, in the form of a virtual scheduling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol
from uuid import UUID

_US = 1_000_000

Unit = Literal["call", "profile"]


@dataclass(frozen=True)
class Rate:
    """So many tokens at once, which come back evenly within so many seconds."""

    tokens: int
    seconds: int

    @property
    def step_us(self) -> int:
        """Return the microseconds in which one token comes back, one at least."""
        return max(1, self.seconds * _US // self.tokens)

    def times(self, factor: int) -> Rate:
        """Return a rate with so many times the tokens in the same time."""
        return Rate(self.tokens * factor, self.seconds)


@dataclass(frozen=True)
class Bucket:
    """One bucket: `policy` is its kind, which callers are told, `key` whose it is."""

    policy: str
    key: str
    rate: Rate


@dataclass(frozen=True)
class Charge:
    """One unit to count, and how many an institution may use; None: as many as it likes."""

    institution_id: UUID
    client_id: str
    day: date  # in Shanghai
    unit: Unit
    what: str  # the scope of a call
    per_day: int | None = None
    per_month: int | None = None


@dataclass(frozen=True)
class State:
    """How a bucket stands after the request: tokens left, seconds until it is full, and those until there is one."""

    bucket: Bucket
    left: int
    full_in: float
    wait: float = 0.0

    @classmethod
    def of(cls, bucket: Bucket, ahead_us: int, wait_us: int) -> State:
        """Return the state of a bucket that is full in `ahead_us` and has a token in `wait_us` microseconds."""
        step = bucket.rate.step_us
        left = max(0, bucket.rate.tokens - math.ceil(ahead_us / step))
        return cls(bucket, left, ahead_us / _US, wait_us / _US)


@dataclass(frozen=True)
class Ruling:
    """What came of one request: all of its buckets and its charge, or none."""

    states: Sequence[State]
    charge: Charge | None = None
    day_units: int | None = None
    month_units: int | None = None
    used_up: Literal["day", "month"] | None = None

    @property
    def refusing(self) -> list[State]:
        """Return the buckets without a token, the one that takes longest first."""
        return sorted((one for one in self.states if one.wait > 0), key=lambda one: -one.wait)

    @property
    def is_charged(self) -> bool:
        """Whether the charge was counted."""
        return self.charge is not None and self.used_up is None and not self.refusing


class StoreDown(Exception):
    """The store did not answer in time; nobody is refused for that."""


class Store(Protocol):
    """Where buckets are kept, for all processes together."""

    def admit(self, buckets: Sequence[Bucket], charge: Charge | None) -> Ruling:
        """Take one token of each bucket, and count the charge; or take nothing.

        Raises
        ------
        StoreDown
        """
