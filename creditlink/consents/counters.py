"""How much of a consent is used, in calendar windows of Asia/Shanghai: counted atomically, refused when full."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.consents import rules
from creditlink.consents.tables import Consent, ConsentUse
from creditlink.errors import ConsentRefused, LimitExceeded


def consume_use(session: Session, consent: Consent, now: datetime) -> None:
    """Count one use in every window, or refuse: exactly as many as allowed succeed, however many try.

    Raises
    ------
    LimitExceeded
        The window is full and the next one brings new uses; `attribute` names the limit.
    ConsentRefused
        All uses of the consent are spent: `exhausted`.
    """
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
        if counted is None and period == "total":
            raise ConsentRefused("every use of the consent is spent", reason="exhausted")
        if counted is None:
            attribute = f"pulls_per_{period}"
            raise LimitExceeded(f"{attribute}: {limit} of {limit} used in this calendar {period}", attribute=attribute)


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
