"""Receivables of a request: given, taken back, and found to be offered elsewhere too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.fernet import InvalidToken
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.financing.applications import events
from creditlink.financing.requests.papers.identity import ReceivableIdentity
from creditlink.financing.requests.papers.tables import RECEIVABLE_PREFIX, FinancingReceivable
from creditlink.financing.tables import FinancingRequest
from creditlink.kit import ids, keyring
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

MOST = 20
SEALED = "creditlink receivables"


@dataclass(frozen=True)
class OfferedReceivable:
    """A receivable as its firm and the lenders addressed see it."""

    row: FinancingReceivable
    identity: ReceivableIdentity | None  # None: the server's key has changed
    elsewhere: bool  # another live request names it too
    own: bool  # of these, one of the same firm


def add(
    session: Session, request: FinancingRequest, identity: ReceivableIdentity, *, account: Account, now: datetime
) -> FinancingReceivable:
    """Name a receivable that a request offers as security. The caller has locked the request.

    Raises
    ------
    Conflict
        The request has ended, names it already, or names as many as it may.
    """
    _must_be_open(request, now)
    held = _of(session, request.id)
    if len(held) >= MOST:
        raise Conflict(f"a request names at most {MOST} receivables", reason="too_many")
    secret = runtime.part(Settings).secret_key
    said = str(identity)
    row = insert(FinancingReceivable).values(
        request_id=request.id, enterprise_id=request.enterprise_id, kind=identity.kind,
        sealed=keyring.box(secret, SEALED).encrypt(said.encode()),
        digest=keyring.fingerprint(secret, SEALED, said), added_by=account.id, added_at=now,
    )  # fmt: skip
    added = session.scalars(row.on_conflict_do_nothing().returning(FinancingReceivable)).one_or_none()
    if added is None:
        raise Conflict("the request names this receivable already", reason="repeated")
    actor = f"account:{account.id}"
    events.of_request(session, request, "pledge", actor=actor, now=now, detail={"receivable": added.wire_id})
    return added


def remove(session: Session, request: FinancingRequest, wire_id: str, *, account: Account, now: datetime) -> None:
    """Take a receivable back.

    Raises
    ------
    NotFound, Conflict
        There is none of that id; or the request has found its lender, whose security it is.
    """
    _must_be_open(request, now)
    known = ids.internal(RECEIVABLE_PREFIX, wire_id)
    row = next((one for one in _of(session, request.id) if one.id == known), None)
    if row is None:
        raise NotFound
    row.removed_at = now
    session.flush()
    actor = f"account:{account.id}"
    events.of_request(session, request, "release", actor=actor, now=now, detail={"receivable": row.wire_id})


def offered(session: Session, request_id: UUID) -> list[OfferedReceivable]:
    """Return the receivables of a request, as far as the transaction may see them, each with whether it is elsewhere.

    A firm learns of its own other requests only; a lender learns that there is another, and nothing of whose.
    """
    rows = _of(session, request_id)
    if not rows:
        return []
    found = _elsewhere(session, request_id)
    box = keyring.box(runtime.part(Settings).secret_key, SEALED)
    shown = []
    for row in rows:
        try:
            identity = ReceivableIdentity.from_text(box.decrypt(row.sealed).decode())
        except InvalidToken:
            identity = None
        shown.append(OfferedReceivable(row, identity, row.id in found, found.get(row.id, False)))
    return shown


def _of(session: Session, request_id: UUID) -> Sequence[FinancingReceivable]:
    query = select(FinancingReceivable).where(
        FinancingReceivable.request_id == request_id, FinancingReceivable.removed_at.is_(None)
    )
    return session.scalars(query.order_by(FinancingReceivable.added_at, FinancingReceivable.id)).all()


def _elsewhere(session: Session, request_id: UUID) -> Mapping[UUID, bool]:
    asked = func.creditlink_receivables_elsewhere(request_id).table_valued("receivable", "own")
    return {one: bool(own) for one, own in session.execute(select(asked.c.receivable, asked.c.own))}


def _must_be_open(request: FinancingRequest, now: datetime) -> None:
    if request.ended_at is not None or now >= request.expires_at:
        raise Conflict("the request has ended", reason=request.end_reason or "expired")
