"""What a consent allows, when it is alive, and how its state may change. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, supplies_apart
from creditlink.kit.clock import day_of

State = Literal["REQUESTED", "ACTIVE", "PAUSED", "REJECTED", "REVOKED", "EXPIRED", "EXHAUSTED"]
STATES: tuple[State, ...] = ("REQUESTED", "ACTIVE", "PAUSED", "REJECTED", "REVOKED", "EXPIRED", "EXHAUSTED")
ALIVE: tuple[State, ...] = ("ACTIVE", "PAUSED")
"""States of a consent that was granted and is not over."""

TRANSITIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "REQUESTED": frozenset({"ACTIVE", "REJECTED"}),
        "ACTIVE": frozenset({"PAUSED", "REVOKED", "EXPIRED", "EXHAUSTED"}),
        # A paused consent can still be taken back, and its time runs on.
        "PAUSED": frozenset({"ACTIVE", "REVOKED", "EXPIRED"}),
        "REJECTED": frozenset(),
        "REVOKED": frozenset(),
        "EXPIRED": frozenset(),
        "EXHAUSTED": frozenset(),
    }
)
"""From each state to the states it may change to; the database's trigger has the same table."""

_DEAD_REASONS = {
    "REVOKED": "revoked",
    "PAUSED": "paused",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXHAUSTED": "exhausted",
}

Period = Literal["total", "month", "day"]


@dataclass(frozen=True)
class ConsentTerms:
    """A consent, free of the database: what was agreed, and its state."""

    consent_id: UUID
    institution_id: UUID
    enterprise_id: UUID | None
    state: str
    categories: frozenset[str]
    actions: frozenset[str]
    purpose: str
    access: str
    history_months: int
    starts_at: datetime | None
    expires_at: datetime  # exclusive
    pulls_per_month: int
    pulls_per_day: int | None
    institution_active: bool = True

    def narrowed(self, details: Sequence[Mapping[str, object]]) -> ConsentTerms:
        """Return the consent as narrowed by a token with these `authorization_details`.

        A token may cover less than the consent (RFC 9396 section 7), never more: what none of its details names stays
        closed.
        """
        return replace(
            self,
            categories=self.categories & _names(details, "categories"),
            actions=self.actions & _names(details, "actions"),
        )


def _names(details: Sequence[Mapping[str, object]], member: str) -> frozenset[str]:
    lists = [part.get(member) for part in details]
    # A token from before the supplies were apart names them as one.
    return frozenset(supplies_apart(name for names in lists if isinstance(names, Collection) for name in names))


@dataclass(frozen=True)
class ReadRequest:
    """One read that a bank wants: which institution, to do what, with which categories."""

    institution_id: UUID
    action: str
    categories: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Refusal:
    """Why a read is refused, in a word for programs."""

    reason: str


def refusal(terms: ConsentTerms, ask: ReadRequest, now: datetime) -> Refusal | None:
    """Return why `ask` is refused at `now`, or None when the consent covers it.

    A stranger gets `wrong_institution` before anything about the consent; the clock overrules a
    stored state that lags behind it. Public records need no grant, but a live consent all the same.
    """
    if ask.institution_id != terms.institution_id:
        return Refusal("wrong_institution")
    dead = dead_reason(terms, now)
    if dead:
        return Refusal(dead)
    if ask.action not in terms.actions:
        return Refusal(f"action_not_granted:{ask.action}")
    for category in sorted(ask.categories - terms.categories - {*PUBLIC_CATEGORIES}):
        return Refusal(f"category_not_granted:{category}")
    return None


def state_at(state: str, expires_at: datetime, now: datetime) -> str:
    """Return a consent's state as the clock has it: what has expired is so before the sweep writes it down."""
    return "EXPIRED" if state in ALIVE and now >= expires_at else state


def dead_reason(terms: ConsentTerms, now: datetime) -> str | None:
    """Return why the consent opens nothing at all at `now`, or None while it is alive."""
    if not terms.institution_active:
        return "institution_suspended"
    state = state_at(terms.state, terms.expires_at, now)
    if state in _DEAD_REASONS:
        return _DEAD_REASONS[state]
    if state != "ACTIVE" or terms.starts_at is None or now < terms.starts_at:
        return "not_active"
    return None


def may_change(state: str, to: str) -> bool:
    """Return whether a consent in `state` may become `to`."""
    return to in TRANSITIONS[state]


def windows(terms: ConsentTerms) -> tuple[tuple[Period, int], ...]:
    """Return what is counted, and how much is allowed.

    Under `access=once` the pulls are counted over the whole consent; else per calendar month.
    """
    main: Period = "total" if terms.access == "once" else "month"
    counted: list[tuple[Period, int]] = [(main, terms.pulls_per_month)]
    if terms.pulls_per_day is not None:
        counted.append(("day", terms.pulls_per_day))
    return tuple(counted)


def window_key(period: Period, now: datetime) -> str:
    """Return the name of the window that `now` is in: calendar windows of Asia/Shanghai, not rolling.

    >>> from datetime import UTC
    >>> window_key("month", datetime(2026, 7, 31, 16, 0, tzinfo=UTC))
    '2026-08'
    """
    if period == "total":
        return "total"
    day = day_of(now)
    return day.strftime("%Y-%m") if period == "month" else day.isoformat()
