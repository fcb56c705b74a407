"""Answers used again: what an office said of a firm under one consent serves another living one, without a new call.

The lawful basis is the second consent itself: it grants the same categories, and the facts are read through it, by its
own look-back. The first must still keep them: it is alive and within its data life, so that nothing is used that the
firm has taken back. What is public by law needs no grant of either.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.consents.life.locking import keep_changes_out
from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent
from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.kit.clock import day_of, start_of_day
from creditlink.records.pulls.delivery import Status
from creditlink.records.tables import Pull, PullPart

WHOLE: tuple[Status, ...] = ("DELIVERED", "NO_RECORD")
USABLE: tuple[Status, ...] = (*WHOLE, "PARTIAL")


@dataclass(frozen=True)
class WantedCall:
    """What a pull is about to ask an office for."""

    consent_id: UUID
    enterprise_id: UUID
    source: str
    categories: Collection[str]  # of the source, that the consent opens
    since: date
    fresh: timedelta
    equal_per_day: int | None


@dataclass(frozen=True)
class EarlierAnswer:
    """What the office said before, and why it is not asked again."""

    part: PullPart
    consent_id: UUID
    answered_at: datetime
    reason: str  # fresh | equal_calls


def is_public(category: str) -> bool:
    """Whether the law publishes what a category holds."""
    return category in CATEGORIES and CATEGORIES[category].sensitivity == "public"


def find(session: Session, wanted: WantedCall, now: datetime) -> EarlierAnswer | None:
    """Return the answer that serves in place of a new call, its consent locked with the wanted one; None: ask.

    Both consents are locked in the order of their ids, as the purge locks them, before anything is decided.
    """
    candidate = _newest(session, wanted, now)
    if candidate is None:
        return None
    for consent_id in sorted({candidate.consent_id, wanted.consent_id}):
        keep_changes_out(session, consent_id)
    # Again: what was read before the locks may be over.
    again = _newest(session, wanted, now)
    return again if again is not None and again.consent_id == candidate.consent_id else None


def _newest(session: Session, wanted: WantedCall, now: datetime) -> EarlierAnswer | None:
    rows = session.execute(
        select(PullPart, Pull.consent_id, Pull.since)
        .join(Pull, Pull.id == PullPart.pull_id)
        .where(
            Pull.enterprise_id == wanted.enterprise_id, PullPart.source == wanted.source,
            PullPart.status.in_(USABLE), PullPart.reused_pull_id.is_(None),
            PullPart.finished_at > now - max(wanted.fresh, timedelta(days=1)),
        )
        .order_by(PullPart.finished_at.desc())
    ).all()  # fmt: skip
    today = start_of_day(day_of(now))
    asked_today = 0
    equal = None
    for part, consent_id, since in rows:
        assert part.finished_at is not None  # noqa: S101 (an answer has an end; for the type checker)
        is_equal = since == wanted.since and part.finished_at >= today
        asked_today += is_equal
        covers = since <= wanted.since and part.finished_at > now - wanted.fresh
        is_fresh = covers and part.status in WHOLE and consent_id != wanted.consent_id
        if not (is_fresh or is_equal) or not _is_kept(session, consent_id, wanted, part.finished_at, now):
            continue
        if is_fresh:
            return EarlierAnswer(part, consent_id, part.finished_at, "fresh")
        equal = equal or EarlierAnswer(part, consent_id, part.finished_at, "equal_calls")
    spent = wanted.equal_per_day is not None and asked_today >= wanted.equal_per_day
    return equal if spent else None


def _is_kept(session: Session, consent_id: UUID, wanted: WantedCall, answered_at: datetime, now: datetime) -> bool:
    """Whether the consent under which the office answered still keeps what it said."""
    consent = session.scalars(
        select(Consent).where(Consent.id == consent_id).execution_options(populate_existing=True)
    ).one()
    public = {code for code in wanted.categories if is_public(code)}
    within = now < answered_at + timedelta(days=consent.data_life_days)
    granted = set(wanted.categories) - public <= set(consent.categories)
    return within and granted and consent.state_at(now) in ALIVE


def is_under_way(session: Session, wanted: WantedCall, now: datetime, patience: timedelta) -> bool:
    """Whether another consent's pull is asking the office for the firm just now: its answer may serve this one too.

    The lock lets one of two that begin at once see the other.
    """
    key = func.hashtextextended(f"{wanted.source}:{wanted.enterprise_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(key)))
    others = (
        select(Pull.id)
        .join(PullPart, PullPart.pull_id == Pull.id)
        .where(
            Pull.enterprise_id == wanted.enterprise_id, Pull.consent_id != wanted.consent_id, Pull.status == "OPEN",
            Pull.since <= wanted.since, PullPart.source == wanted.source, PullPart.status == "PENDING",
            PullPart.began_at > now - patience,
        )
        .limit(1)
    )  # fmt: skip
    return session.scalar(others) is not None
