"""Guessing passwords is slow: tries are counted before they are judged.

There are three counters. One address has so many tries in all. One address has a few tries for one account. One account
has more tries than that from all addresses together, so that a stranger who knows a login cannot lock its owner out
with a handful of wrong passwords. And a browser that has signed in with this account before has a counter of its own
(`device`), so that not even many strangers can keep the owner from signing in to withdraw a consent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from sqlalchemy import case, delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.portal.tables import SignInTries

WINDOW = timedelta(minutes=15)
PER_PAIR = 8
PER_ACCOUNT = 40
PER_ADDRESS = 60
LOOKS = 120
"""Looks at an open page from one address: its tokens have 256 bits, so this is about load, not about guessing."""


@dataclass(frozen=True)
class Keys:
    """The names under which a try is counted; the login itself is not stored."""

    pair: str
    account: str | None  # none for a known browser
    address: str

    def limits(self) -> list[tuple[str, int]]:
        """Return the counters, in the order in which their rows are locked."""
        shared = [] if self.account is None else [(self.account, PER_ACCOUNT)]
        return [(self.address, PER_ADDRESS), *shared, (self.pair, PER_PAIR)]


def keys_for(login: str, address: str, *, device: str | None = None) -> Keys:
    """Return the names for one try; unknown logins count like known ones, so that nothing shows which are known.

    `device` is the id of a browser that has signed in with this login before.
    """
    account = hashed(login.strip().lower())
    if device is not None:
        return Keys(f"device:{hashed(device + account)}", None, f"address:{address}")
    return Keys(f"pair:{hashed(account + address)}", f"account:{account}", f"address:{address}")


def admit(session: Session, keys: Keys, now: datetime) -> timedelta | None:
    """Count one try; return None when it may be judged, else how long to wait.

    Counting comes first, so that twenty tries at once are twenty tries.
    """
    return count(session, keys.limits(), now)


def count(session: Session, limits: Iterable[tuple[str, int]], now: datetime) -> timedelta | None:
    """Count one try under each name; return None where none is beyond its limit, else how long to wait.

    `limits` names them in the order in which their rows are locked.
    """
    waits = []
    for key, most in limits:
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


def look(session: Session, pages: str, address: str | None, now: datetime) -> timedelta | None:
    """Count a look at open pages, those of one kind together; the address is kept hashed, as long as its window."""
    return count(session, [(f"{pages}:{hashed(f'{pages} {address}')}", LOOKS)], now)


def ask_to_wait(answer: flask.Response, wait: timedelta) -> flask.Response:
    """Return an answer that says when to try again."""
    answer.headers["Retry-After"] = str(int(wait.total_seconds()) + 1)
    return answer


def forgive(session: Session, keys: Keys) -> None:
    """Forget this browser's tries of an account that signed in, and take its own try off the shared counters."""
    session.execute(delete(SignInTries).where(SignInTries.key == keys.pair))
    session.execute(
        update(SignInTries)
        .where(SignInTries.key.in_([keys.address, keys.account]), SignInTries.tries > 0)
        .values(tries=SignInTries.tries - 1)
        .execution_options(synchronize_session=False)
    )


def hashed(text: str) -> str:
    """Return the name under which a login is counted."""
    return hashlib.sha256(text.encode()).hexdigest()
