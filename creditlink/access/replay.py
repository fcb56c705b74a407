"""Single use: an assertion or proof that one process has seen is refused by all."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.access.tables import UsedJti


def first_use(
    session: Session, kind: Literal["assertion", "proof", "refusal"], owner: str, jti: str, *, expires_at: datetime
) -> bool:
    """Return whether `jti` was never seen from `owner`, and remember it until `expires_at`.

    A parallel transaction with the same jti waits for this one, so exactly one of them is first.
    """
    digest = hashlib.sha256("\0".join((kind, owner, jti)).encode()).hexdigest()
    # RETURNING, not rowcount: the ORM's insert reports -1 whether or not it adds a row.
    inserted = session.scalar(
        insert(UsedJti).values(digest=digest, expires_at=expires_at).on_conflict_do_nothing().returning(UsedJti.digest)
    )
    return inserted is not None
