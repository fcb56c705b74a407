"""How much of a consent is used, in calendar windows of Asia/Shanghai: counted atomically, refused when full.

A use is a new computation. What was computed stays readable, spent consent or not, until its data life is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.consents.life import rules
from creditlink.consents.life.announcement import tell_used
from creditlink.consents.tables import Consent, ConsentUse
from creditlink.kit.errors import ConsentRefused, LimitExceeded, Problem

USES_LEFT = "CreditLink-Uses-Left"
"""The header that tells a bank how many new computations are left, e.g. `month=4, day=1`."""


def consume_use(session: Session, consent: Consent, now: datetime) -> None:
    """Count one use in every window, or refuse: exactly as many as allowed succeed, however many try.

    Raises
    ------
    LimitExceeded
        The window is full and the next one brings new uses; `attribute` names the limit.
    ConsentRefused
        All uses of the consent are spent: `exhausted`. The consent stays alive for the profiles that they created.
    """
    counted_here: set[str] = set()
    is_first = True
    for period, limit in rules.windows(consent.terms()):
        counted = session.scalar(
            insert(ConsentUse)
            .values(consent_id=consent.id, period=rules.window_key(period, now), used=1, last_at=now)
            .on_conflict_do_update(
                index_elements=[ConsentUse.consent_id, ConsentUse.period],
                set_={"used": ConsentUse.used + 1, "last_at": now},
                where=ConsentUse.used < limit,
            )
            .returning(ConsentUse.used)
        )
        if counted is None:
            # The caller's transaction rolls back: what was just counted in an earlier window is still left.
            raise _full(period, limit, {w: n + (w in counted_here) for w, n in left(session, consent, now).items()})
        counted_here.add(period)
        is_first = is_first and counted == 1
    if is_first:  # of this day and month at least: who was told before is not told again
        tell_used(session, consent, now)


def refuse_spent(session: Session, consent: Consent, now: datetime) -> None:
    """Refuse what `consume_use` would refuse, before any work on a computation that cannot succeed.

    Raises
    ------
    LimitExceeded, ConsentRefused
        As `consume_use`.
    """
    left_over = left(session, consent, now)
    for period, limit in rules.windows(consent.terms()):
        if not left_over[period]:
            raise _full(period, limit, left_over)


def is_spent(session: Session, consent: Consent) -> bool:
    """Return whether the consent allows no computation ever again: no later window brings new uses."""
    return readable_until(session, consent) is not None


def _full(period: rules.Period, limit: int, left_over: Mapping[str, int]) -> Problem:
    headers = header_of(left_over)
    if period == "total":
        return ConsentRefused("every use of the consent is spent", reason="exhausted", headers=headers)
    attribute = f"pulls_per_{period}"
    detail = f"{attribute}: {limit} of {limit} used in this calendar {period}"
    return LimitExceeded(detail, attribute=attribute, headers=headers)


def uses(session: Session, consent: Consent, now: datetime) -> dict[str, tuple[int, int]]:
    """Return used and allowed per window that counts at `now`."""
    windows = {rules.window_key(p, now): (p, limit) for p, limit in rules.windows(consent.terms())}
    used = dict(
        session.execute(
            select(ConsentUse.period, ConsentUse.used).where(
                ConsentUse.consent_id == consent.id, ConsentUse.period.in_(windows)
            )
        ).all()
    )
    return {period: (used.get(key, 0), limit) for key, (period, limit) in windows.items()}


def left(session: Session, consent: Consent, now: datetime) -> dict[str, int]:
    """Return how many new computations are left per window that counts at `now`."""
    return {window: max(allowed - used, 0) for window, (used, allowed) in uses(session, consent, now).items()}


def header_of(uses_left: Mapping[str, int]) -> dict[str, str]:
    """Return the header that reports them."""
    return {USES_LEFT: ", ".join(f"{window}={count}" for window, count in uses_left.items())}


def readable_until(session: Session, consent: Consent) -> datetime | None:
    """Return until when profiles of a spent consent can be read; None while a use is left, now or in a later window."""
    if consent.access != "once":
        return None
    spent = select(ConsentUse.last_at).where(
        ConsentUse.consent_id == consent.id, ConsentUse.period == "total", ConsentUse.used >= consent.pulls_per_month
    )
    last_at = session.scalar(spent)
    return None if last_at is None else min(last_at + timedelta(days=consent.data_life_days), consent.expires_at)
