"""Documents of a request: handed in by the firm, scanned, read by the lenders that the request is before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session, undefer

from creditlink.enterprises.tables import Account
from creditlink.financing.applications import events
from creditlink.financing.requests.papers.tables import ABOUT, DOCUMENT_PREFIX, FinancingDocument
from creditlink.financing.tables import FinancingRequest
from creditlink.kit import ids, jobs
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files import sealed
from creditlink.kit.files.documents import TakenFile
from creditlink.kit.postgres import db

SCAN = "financing.scan_papers"
SEALED = "creditlink financing documents"


@dataclass(frozen=True)
class OpenedDocument:
    """A document as it is handed out."""

    row: FinancingDocument
    content: bytes


def take(
    session: Session, request: FinancingRequest, taken: TakenFile, about: str, *, most: int, account: Account,
    now: datetime,
) -> FinancingDocument:  # fmt: skip
    """Keep a document with a request, which the caller has locked; it waits for the scanner, if there is one.

    Raises
    ------
    Conflict, InvalidRequest
        The request has ended or has as many documents as it may, or has this one; or `about` is unknown.
    """
    if about not in ABOUT:
        raise InvalidRequest(errors=[{"pointer": "/about", "detail": f"must be one of {', '.join(ABOUT)}"}])
    if request.ended_at is not None or now >= request.expires_at:
        raise Conflict("the request has ended", reason=request.end_reason or "expired")
    held = of_request(session, request.id)
    if len(held) >= most:
        raise Conflict(f"a request has at most {most} documents", reason="too_many")
    row = FinancingDocument(
        request_id=request.id, enterprise_id=request.enterprise_id, about=about, added_by=account.id,
        **sealed.values_of(taken, purpose=SEALED, now=now),
    )  # fmt: skip
    if any(one.sha256 == row.sha256 for one in held):
        raise Conflict("the request has this document already", reason="repeated")
    session.add(row)
    session.flush()
    detail = {"document": row.wire_id, "sha256": row.sha256}
    events.of_request(session, request, "paper", actor=f"account:{account.id}", now=now, detail=detail)
    if row.scan == "waiting":
        queue_scan(session, request.id)
    return row


def queue_scan(session: Session, request_id: UUID) -> None:
    """Queue the scan of what waits of a request."""
    jobs.defer(session, SCAN, queue="default", lock=f"papers:{request_id}", request_id=str(request_id))


def remove(session: Session, request: FinancingRequest, wire_id: str, *, account: Account, now: datetime) -> None:
    """Take a document back, at any time: its content goes at once, that it was there stays.

    Raises
    ------
    NotFound
        There is none of that id.
    """
    row = _named(session, request.id, wire_id)
    row.sealed, row.removed_at = None, now
    session.flush()
    detail = {"document": row.wire_id}
    events.of_request(session, request, "paper_back", actor=f"account:{account.id}", now=now, detail=detail)


def of_request(session: Session, request_id: UUID) -> Sequence[FinancingDocument]:
    """Return the documents of a request as far as the transaction may see them, without their content."""
    query = select(FinancingDocument).where(
        FinancingDocument.request_id == request_id, FinancingDocument.removed_at.is_(None)
    )
    return session.scalars(query.order_by(FinancingDocument.added_at, FinancingDocument.id)).all()


def opened(session: Session, request_id: UUID, wire_id: str) -> OpenedDocument:
    """Return a document with its content.

    Raises
    ------
    NotFound
        There is none that this transaction may see, it was not scanned or found infected, or its time is over.
    """
    row = _named(session, request_id, wire_id, in_full=True)
    content = sealed.content_of(row, purpose=SEALED)
    if content is None:
        raise NotFound
    return OpenedDocument(row, content)


def _named(session: Session, request_id: UUID, wire_id: str, *, in_full: bool = False) -> FinancingDocument:
    known = ids.internal(DOCUMENT_PREFIX, wire_id)
    query = select(FinancingDocument).where(
        FinancingDocument.id == known,
        FinancingDocument.request_id == request_id,
        FinancingDocument.removed_at.is_(None),
    )
    if in_full:
        query = query.options(undefer(FinancingDocument.sealed)).execution_options(populate_existing=True)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise NotFound
    return row


def scan_waiting(request_id: UUID, now: datetime) -> None:
    """Have a request's waiting documents scanned, outside of any transaction; what is not said stays waiting."""
    with db.transaction("worker") as session:
        query = select(FinancingDocument).where(
            FinancingDocument.request_id == request_id, FinancingDocument.scan == "waiting"
        )
        rows = session.scalars(query.options(undefer(FinancingDocument.sealed)))
        waiting = [(row.id, sealed.content_of(row, purpose=SEALED, scanned=False)) for row in rows]
    for document_id, content in waiting:
        state, said = sealed.scanned(content)
        if state is None:
            continue
        with db.transaction("worker") as session:
            again = select(FinancingDocument).where(
                FinancingDocument.id == document_id, FinancingDocument.scan == "waiting"
            )
            row = session.scalars(again.with_for_update()).one_or_none()
            if row is not None:
                sealed.note_scan(row, state, said, now)


def late(session: Session, now: datetime, patience: timedelta) -> Sequence[UUID]:
    """Return the requests with documents that have waited for the scanner for long."""
    query = select(FinancingDocument.request_id).where(
        FinancingDocument.scan == "waiting",
        FinancingDocument.removed_at.is_(None),
        FinancingDocument.added_at < now - patience,
    )
    return session.scalars(query.distinct()).all()


def empty_over(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete the content of documents whose request ended so long ago; that they were there stays with the request."""
    ended = select(FinancingRequest.id).where(FinancingRequest.ended_at <= now - kept)
    emptied = update(FinancingDocument).where(
        FinancingDocument.request_id.in_(ended), FinancingDocument.sealed.is_not(None)
    )
    return len(session.scalars(emptied.values(sealed=None).returning(FinancingDocument.id)).all())
