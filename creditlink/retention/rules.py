"""What keeps a firm's data alive. Pure.

A *profile* lives for its consent's data life from the moment it was created, whatever becomes of the consent:
after a revocation the firm and the audit still see it, the bank does not. A *fact* lives while a living
consent covers it that fetched its category within its data life, or while a living profile was computed
from it, so that it can be replayed. Facts that several consents cover live as long as the longest of them.

Source: PIPL Article 19 (the shortest period necessary) and Article 47 (deletion when the period ends or consent is
withdrawn); the periods are the consent's own `data_life_days`, bounded in config/purposes.toml.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from creditlink.engine.vocabulary import EARLIEST_FOUNDED, PUBLIC_CATEGORIES


@dataclass(frozen=True)
class Holder:
    """A consent, as far as it keeps data alive."""

    consent_id: UUID
    is_live: bool
    since: date  # first month that it opens
    life: timedelta
    answered_at: Mapping[str, datetime]  # category -> when its source last answered under this consent


@dataclass(frozen=True, order=True)
class Hold:
    """Facts that must stay: of one category, of this month and later."""

    category: str
    since: date


def holds(holders: Iterable[Holder], now: datetime) -> tuple[Hold, ...]:
    """Return what the living consents of one firm keep, the widest per category."""
    widest: dict[str, date] = {}
    for holder in holders:
        if not holder.is_live:
            continue
        for category, answered_at in holder.answered_at.items():
            if now < answered_at + holder.life:
                # Public records are read from before any consent's look-back.
                since = EARLIEST_FOUNDED if category in PUBLIC_CATEGORIES else holder.since
                widest[category] = min(since, widest.get(category, since))
    return tuple(sorted(Hold(category, since) for category, since in widest.items()))


def is_over(created_at: datetime, life: timedelta, now: datetime) -> bool:
    """Return whether something created at `created_at` has reached its end of life; the end is exclusive."""
    return now >= created_at + life
