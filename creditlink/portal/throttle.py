"""Guessing passwords is slow: tries are counted per account and per address, before they are judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.portal.tables import SignInTries

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 8
PER_ADDRESS = 60


@dataclass(frozen=True)
class Keys:
    """Under which names a try is counted; the login itself is not stored."""

    account: str
    address: str


def keys_for(login: str, address: str) -> Keys:
    """Return the names for one try; unknown logins count like known ones, and tell nothing."""
    return Keys(f"account:{hashlib.sha256(login.strip().lower().encode()).hexdigest()}", f"address:{address}")


def admit(session: Session, keys: Keys, now: datetime) -> timedelta | None:
    """Count one try; return None when it may be judged, else how long to wait.

    Counting comes first, so that twenty tries at once are twenty tries.
    """
    waits = []
    for key, most in ((keys.address, PER_ADDRESS), (keys.account, PER_ACCOUNT)):
        fresh = SignInTries.window_from <= now - WINDOW
        tries, since = session.execute(
            insert(SignInTries)
            .values(key=key, tries=1, window_from=now)
            .on_conflict_do_update(
                index_elements=[SignInTries.key],
                set_={
                    "tries": case((fresh, 1), else_=SignInTries.tries + 1),
                    "window_from": case((fresh, now), else_=SignInTries.window_from),
                },
            )
            .returning(SignInTries.tries, SignInTries.window_from)
        ).one()
        if tries > most:
            waits.append(since + WINDOW - now)
    return max(waits) if waits else None


def forgive(session: Session, keys: Keys) -> None:
    """Forget the tries of an account that signed in, and take its own try off the address."""
    session.execute(delete(SignInTries).where(SignInTries.key == keys.account))
    session.execute(
        update(SignInTries)
        .where(SignInTries.key == keys.address, SignInTries.tries > 0)
        .values(tries=SignInTries.tries - 1)
        .execution_options(synchronize_session=False)
    )
