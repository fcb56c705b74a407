"""Writing evidence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import chain
from creditlink.audit.tables import AuditEntry, AuditHead

# The chain of events in which no firm is known yet (a refused token, an unknown code).
NO_FIRM = UUID(int=0)


def record(
    session: Session,
    *,
    action: str,
    result: str,
    actor: str,
    now: datetime,
    enterprise_id: UUID | None = None,
    institution_id: UUID | None = None,
    client_id: str | None = None,
    consent_id: UUID | None = None,
    purpose: str | None = None,
    detail: dict[str, Any] | None = None,
    request_id: str | None = None,
) -> AuditEntry:
    """Append one entry to the firm's chain, in the caller's transaction.

    The chain's head row is locked until the transaction ends, so call it last.
    """
    chain_id = enterprise_id or NO_FIRM
    session.execute(insert(AuditHead).values(chain_id=chain_id, seq=0, digest=chain.GENESIS).on_conflict_do_nothing())
    head = session.execute(
        select(AuditHead)
        .where(AuditHead.chain_id == chain_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
    entry = AuditEntry(
        chain_id=chain_id,
        seq=head.seq + 1,
        at=now,
        action=action,
        result=result,
        enterprise_id=enterprise_id,
        institution_id=institution_id,
        client_id=client_id,
        consent_id=consent_id,
        actor=actor,
        purpose=purpose,
        detail=detail or {},
        request_id=request_id,
        previous=head.digest,
        digest="",
    )
    entry.digest = chain.digest(as_line(entry))
    head.seq, head.digest = entry.seq, entry.digest
    session.add(entry)
    session.flush()  # a duplicate seq must fail here, before anything is disclosed
    return entry


def export(session: Session, chain_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield the lines of one chain, oldest first, as `chain.verify` takes them."""
    query = select(AuditEntry).where(AuditEntry.chain_id == chain_id).order_by(AuditEntry.seq)
    for entry in session.scalars(query.execution_options(yield_per=500)):
        yield as_line(entry)


def as_line(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as the JSON object that is hashed and exported."""
    return {
        "chain_id": str(entry.chain_id),
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "action": entry.action,
        "result": entry.result,
        "enterprise_id": _text(entry.enterprise_id),
        "institution_id": _text(entry.institution_id),
        "client_id": entry.client_id,
        "consent_id": _text(entry.consent_id),
        "actor": entry.actor,
        "purpose": entry.purpose,
        "detail": entry.detail,
        "request_id": entry.request_id,
        "previous": entry.previous,
        "digest": entry.digest,
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
