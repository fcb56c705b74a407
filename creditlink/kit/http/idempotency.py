"""Idempotency-Key: one request, one effect, however often it is sent.

The key is claimed in the transaction of the work itself: it exists exactly if the work was done.
We store which resource it created, never the answer's body, so that a repeated request is
subject to the consent as it is now.

Source: IETF draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import flask
from psycopg.errors import LockNotAvailable
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from creditlink.kit.errors import IdempotencyInProgress, IdempotencyMismatch, InvalidRequest
from creditlink.kit.postgres.db import Base

_KEY = re.compile(r"[\x21-\x7e]{8,128}")


class IdempotencyKey(Base):
    """A key that an institution used, and the resource it created."""

    __tablename__ = "idempotency_keys"

    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    created_at: Mapped[datetime]
    resource_id: Mapped[UUID | None]


def checked_key(header: str | None) -> str | None:
    """Return the header's key, if there is one.

    Raises
    ------
    InvalidRequest
        The key is not 8 to 128 printable ASCII characters.
    """
    if header is None:
        return None
    key = header.strip('"')
    if not _KEY.fullmatch(key):
        raise InvalidRequest(
            errors=[{"pointer": "/headers/Idempotency-Key", "detail": "needs 8 to 128 printable ASCII characters"}]
        )
    return key


def claim(
    session: Session, institution_id: UUID, key: str, request: Mapping[str, object], *, now: datetime
) -> UUID | None:
    """Claim `key` for `request`; return the resource that an earlier, equal request created.

    A parallel request with the same key waits for the first one to commit or roll back.

    Raises
    ------
    IdempotencyMismatch
        The key was used with another request.
    IdempotencyInProgress
        The first request did not end within the wait.
    """
    fingerprint = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
    try:
        # RETURNING, not rowcount: the ORM's insert reports -1 whether or not it adds a row.
        claimed = session.scalar(
            insert(IdempotencyKey)
            .values(institution_id=institution_id, key=key, request_hash=fingerprint, created_at=now)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        )
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):  # the role's own lock_timeout
            raise IdempotencyInProgress(headers={"Retry-After": "1"}) from None
        raise
    if claimed is not None:
        return None
    earlier = session.get_one(IdempotencyKey, (institution_id, key))
    if earlier.request_hash != fingerprint:
        raise IdempotencyMismatch
    if flask.has_request_context() and earlier.resource_id is not None:
        flask.g.is_repeat = True
    return earlier.resource_id


def is_repeat() -> bool:
    """Whether the request being served is one that was answered before."""
    return bool(flask.g.get("is_repeat"))


def settle(session: Session, institution_id: UUID, key: str, resource_id: UUID) -> None:
    """Note which resource the claimed key created."""
    session.get_one(IdempotencyKey, (institution_id, key)).resource_id = resource_id


def release(session: Session, institution_id: UUID, key: str) -> None:
    """Release a claimed key: the work is not done, and the same request will be sent again."""
    session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.institution_id == institution_id, IdempotencyKey.key == key)
    )
