"""Writing evidence."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from creditlink.audit import chain
from creditlink.audit.tables import AuditEntry, AuditHead
from creditlink.kit import keyring

# The chain of events in which no firm is known yet (a refused token, an unknown code).
NO_ENTERPRISE = UUID(int=0)
HEAD_TYPE = "audit-head+jws"
# The only way to add evidence: neither role may write to the tables, and the database computes the hash.
_RECORD = text("""
    SELECT seq, previous, digest FROM creditlink_record(
        :action, :result, :actor, :at, :enterprise_id, :institution_id, :client_id, :consent_id, :purpose, :detail,
        :request_id)""").bindparams(
    *(
        bindparam(name, type_=AuditEntry.__table__.c[name].type)
        for name in (
            "action", "result", "actor", "at", "enterprise_id", "institution_id", "client_id", "consent_id", "purpose",
            "detail", "request_id",
        )
    )
)  # fmt: skip


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
    detail: dict[str, object] | None = None,
    request_id: str | None = None,
) -> AuditEntry:
    """Append one entry to the firm's chain, in the caller's transaction.

    The chain's head row is locked until the transaction ends, so call it last.
    """
    session.flush()  # the work that it reports comes first
    entry: dict[str, object] = {
        "action": action,
        "result": result,
        "actor": actor,
        "at": now,
        "enterprise_id": enterprise_id,
        "institution_id": institution_id,
        "client_id": client_id,
        "consent_id": consent_id,
        "purpose": purpose,
        "detail": detail or {},
        "request_id": request_id,
    }
    link = session.execute(_RECORD, entry).one()
    return AuditEntry(chain_id=enterprise_id or NO_ENTERPRISE, **entry, **link._mapping)


def export(session: Session, chain_id: UUID, *, until: int | None = None) -> Generator[dict[str, object]]:
    """Yield the lines of one chain, oldest first, up to seq `until`, as `chain.verify` takes them."""
    query = select(AuditEntry).where(AuditEntry.chain_id == chain_id).order_by(AuditEntry.seq)
    if until is not None:
        query = query.where(AuditEntry.seq <= until)
    with session.scalars(query.execution_options(yield_per=500)) as entries:
        for entry in entries:
            yield as_line(entry)


def head_of(session: Session, chain_id: UUID) -> chain.Head:
    """Return the last link of a chain; the genesis if there is no such chain."""
    head = session.get(AuditHead, chain_id, populate_existing=True)
    return chain.Head(head.seq, head.digest) if head else chain.Head(0, chain.GENESIS)


def export_sealed(
    session: Session, chain_id: UUID, *, issuer: str, secret: keyring.Secret, now: datetime
) -> Iterator[dict[str, object]]:
    """Yield a chain and, as the last line, its head signed by this server: what `creditlink audit verify` takes.

    The head is read first, so that later additions are in neither.
    """
    head = head_of(session, chain_id)
    yield from export(session, chain_id, until=head.seq)
    claims = {
        "iss": issuer,
        "iat": int(now.timestamp()),
        "chain_id": str(chain_id),
        "seq": head.seq,
        "digest": head.digest,
    }
    yield {"head": keyring.sign(claims, typ=HEAD_TYPE, secret=secret)}


def check(session: Session, chain_id: UUID) -> chain.Break | None:
    """Return the first break in a stored chain, checked against its stored head."""
    head = head_of(session, chain_id)
    with closing(export(session, chain_id)) as lines:
        return chain.verify(lines, head)


def as_line(entry: AuditEntry) -> dict[str, object]:
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
