"""A firm's uploads: taken in, read, withdrawn; each act is evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, undefer

from creditlink.audit import service as audit
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit import ids, jobs
from creditlink.kit.clock import add_months
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.records.store import content_hash
from creditlink.uploads.reading.reading import UploadReading
from creditlink.uploads.reading.refusal import FileRefused
from creditlink.uploads.rules import UploadRules
from creditlink.uploads.tables import PREFIX, Upload, UploadCheck, UploadedFact, WrongLine

SHOWN = 50
"""So many wrong rows are kept to be shown."""
MOST_TRIES = 3

_DAY = timedelta(days=1)
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:firm, 38))")


class AlreadyUploaded(Conflict):
    """The firm has uploaded the same file; `upload` is which one."""


class TooManyUploads(Conflict):
    """The firm has uploaded as many files today as it may."""


def receive(
    session: Session, firm: Enterprise, account: Account, content: bytes, *, rules: UploadRules, now: datetime
) -> Upload:
    """Take a file in and queue its reading.

    Raises
    ------
    InvalidRequest
        It is empty.
    AlreadyUploaded, TooManyUploads
        The same file is there, or today's number is used up.
    """
    if not content:
        raise InvalidRequest(errors=[{"pointer": "/file", "detail": "is empty"}])
    # Two browsers at once: the second counts the first's file too.
    session.execute(_ONE_AT_A_TIME, {"firm": str(firm.id)})
    sha256 = hashlib.sha256(content).hexdigest()
    today = select(func.count()).where(Upload.enterprise_id == firm.id, Upload.uploaded_at > now - _DAY)
    if (session.scalar(today) or 0) >= rules.files_a_day:
        raise TooManyUploads(f"at most {rules.files_a_day} files a day", reason="too_many_uploads")
    values = {
        "id": uuid4(), "enterprise_id": firm.id, "uploaded_by": account.id, "state": "received", "sha256": sha256,
        "size_bytes": len(content), "content": content, "tries": 0, "rows": 0, "taken": 0, "repeated": 0,
        "left_out": 0, "serial_gaps": 0, "wrong": 0, "wrong_lines": [], "verdict": "uploaded", "asks_review": False,
        "uploaded_at": now,
    }  # fmt: skip
    row = insert(Upload).values(values).on_conflict_do_nothing().returning(Upload.id)
    upload_id = session.scalar(row)
    if upload_id is None:
        raise AlreadyUploaded("the same file was uploaded before", reason="already_uploaded")
    upload = session.get_one(Upload, upload_id)
    queue_reading(session, upload.id)
    detail: dict[str, object] = {"upload": upload.wire_id, "sha256": sha256, "bytes": len(content)}
    record(session, upload, "upload.received", "done", now, actor=f"account:{account.id}", detail=detail)
    return upload


def queue_reading(session: Session, upload_id: UUID) -> None:
    """Queue the reading of a file, unless it waits already."""
    jobs.defer(session, "uploads.read", queueing_lock=f"upload:{upload_id}", upload_id=str(upload_id))


def begin_reading(session: Session, upload_id: UUID, now: datetime) -> tuple[Upload, str] | None:
    """Return a file that waits to be read, with its bytes, and its firm's code; None where nothing waits."""
    query = select(Upload).where(Upload.id == upload_id, Upload.state == "received").options(undefer(Upload.content))
    upload = session.scalar(query.with_for_update())
    if upload is None or upload.content is None:
        return None
    upload.tries += 1
    if upload.tries > MOST_TRIES:
        refuse(session, upload, FileRefused("damaged", "reading it failed"), now)
        return None
    session.flush()
    return upload, session.get_one(Enterprise, upload.enterprise_id).uscc


def store(session: Session, upload_id: UUID, found: UploadReading | FileRefused, now: datetime) -> Upload | None:
    """Store what a file gave; None where the firm has withdrawn it meanwhile."""
    upload = session.scalar(select(Upload).where(Upload.id == upload_id, Upload.state == "received").with_for_update())
    if upload is None:
        return None
    if isinstance(found, FileRefused):
        refuse(session, upload, found, now)
        return upload
    rows = [
        {
            "upload_id": upload.id, "enterprise_id": upload.enterprise_id, "category": fact.category,
            "frame": fact.frame, "period": fact.period, "subkey": fact.subkey, "values": fact.values,
            "complete": fact.complete, "known_at": upload.uploaded_at, "content_hash": content_hash(fact),
        }
        for fact in found.facts
    ]  # fmt: skip
    session.execute(insert(UploadedFact), rows)
    upload.state, upload.content, upload.read_at = "taken", None, now
    upload.layout, upload.format = found.layout, found.format
    upload.rows, upload.taken, upload.repeated = found.rows, found.taken, found.repeated
    upload.left_out, upload.serial_gaps, upload.wrong = found.left_out, found.serial_gaps, len(found.wrong)
    upload.wrong_lines = [
        WrongLine(line=one.line, field=one.field, value=one.value, problem=one.problem) for one in found.wrong[:SHOWN]
    ]
    upload.first_month = min(fact.period for fact in found.facts)
    upload.last_month = max(_last(fact.period, fact.values.get("months")) for fact in found.facts)
    detail: dict[str, object] = {
        "upload": upload.wire_id, "sha256": upload.sha256, "layout": upload.layout, "format": upload.format,
        "rows": upload.rows, "taken": upload.taken, "wrong": upload.wrong, "facts": len(rows),
    }  # fmt: skip
    record(session, upload, "upload.read", "taken", now, detail=detail)
    return upload


def refuse(session: Session, upload: Upload, refused: FileRefused, now: datetime) -> None:
    """Close a file that is not taken."""
    upload.state, upload.content, upload.read_at, upload.refusal = "refused", None, now, refused.reason
    detail: dict[str, object] = {"upload": upload.wire_id, "sha256": upload.sha256, "reason": refused.reason}
    record(session, upload, "upload.read", "refused", now, detail=detail)


def withdraw(session: Session, firm: Enterprise, wire_id: str, account: Account, now: datetime) -> Upload:
    """End an upload at once: no profile is made from it any more, and the purge deletes what no living profile needs.

    That an office contradicted it is not undone.

    Raises
    ------
    NotFound
        It is not the firm's, or over already.
    """
    upload = of_firm(session, firm, wire_id)
    session.refresh(upload, with_for_update=True)
    if upload.state == "withdrawn":
        raise NotFound
    upload.state, upload.content, upload.withdrawn_at = "withdrawn", None, now
    session.flush()
    detail: dict[str, object] = {"upload": upload.wire_id, "sha256": upload.sha256}
    record(session, upload, "upload.withdrawn", "done", now, actor=f"account:{account.id}", detail=detail)
    return upload


def of_firm(session: Session, firm: Enterprise, wire_id: str) -> Upload:
    """Return one of a firm's uploads.

    Raises
    ------
    NotFound
        There is none: unknown and another firm's look the same.
    """
    upload = session.get(Upload, ids.internal(PREFIX, wire_id))
    if upload is None or upload.enterprise_id != firm.id:
        raise NotFound
    return upload


def uploads_of(session: Session, firm: Enterprise, *, limit: int = 100) -> Sequence[Upload]:
    """Return a firm's uploads, the newest first."""
    query = select(Upload).where(Upload.enterprise_id == firm.id)
    return session.scalars(query.order_by(Upload.uploaded_at.desc(), Upload.id).limit(limit)).all()


def checks_of(session: Session, upload: Upload) -> Sequence[UploadCheck]:
    """Return how an upload compares with the office's answers, by period."""
    query = select(UploadCheck).where(UploadCheck.upload_id == upload.id)
    return session.scalars(query.order_by(UploadCheck.frame, UploadCheck.subkey, UploadCheck.period)).all()


def record(
    session: Session,
    upload: Upload,
    action: str,
    result: str,
    now: datetime,
    *,
    actor: str = "system",
    detail: dict[str, object],
) -> None:
    """Leave a trace in the firm's evidence."""
    audit.record(
        session, action=action, result=result, actor=actor, now=now, enterprise_id=upload.enterprise_id, detail=detail
    )


def _last(period: date, months: object) -> date:
    return add_months(period, months - 1 if isinstance(months, int) else 0)
