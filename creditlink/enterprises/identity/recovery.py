"""Recovery codes: ten at a time, shown once, each good once in place of a code of the phone that was lost."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from creditlink.enterprises.identity.links import locked
from creditlink.enterprises.identity.tables import RecoveryCode
from creditlink.kit.keyring import Secret, fingerprint

HOW_MANY = 10
_GROUPS, _GROUP = 4, 4
# Without vowels and without what looks alike; 16 of them have 69 bits.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_PURPOSE = "creditlink recovery codes"


def renew(session: Session, account_id: UUID, *, key: Secret, now: datetime) -> list[str]:
    """Return new codes, which are not kept; all earlier ones are worth nothing from now on."""
    locked(session, account_id)
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    codes = [_new() for _ in range(HOW_MANY)]
    session.add_all(
        RecoveryCode(account_id=account_id, code_hash=_hash(account_id, code, key), created_at=now) for code in codes
    )
    session.flush()
    return codes


def spend(session: Session, account_id: UUID, code: str, *, key: Secret, now: datetime) -> bool:
    """Return whether it is one of the account's unused codes, and use it up: of two at once one succeeds."""
    if not looks_like_one(code):
        return False
    spent = session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.account_id == account_id,
            RecoveryCode.code_hash == _hash(account_id, code, key),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.id)
        .execution_options(synchronize_session=False)
    )
    return spent is not None


def left(session: Session, account_id: UUID) -> int | None:
    """Return how many codes are unused; None: none were ever made."""
    made, used = session.execute(
        select(func.count(), func.count(RecoveryCode.used_at)).where(RecoveryCode.account_id == account_id)
    ).one()
    return int(made - used) if made else None


def drop(session: Session, account_id: UUID) -> None:
    """Forget an account's codes."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))


def looks_like_one(code: str) -> bool:
    """Return whether a text has the form of a recovery code, however its groups are written."""
    letters = _letters(code)
    return len(letters) == _GROUPS * _GROUP and set(letters) <= set(_LETTERS)


def _letters(code: str) -> str:
    return "".join(code.upper().replace("-", "").split())


def _new() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))


def _hash(account_id: UUID, code: str, key: Secret) -> str:
    return fingerprint(key, _PURPOSE, f"{account_id} {_letters(code)}")
