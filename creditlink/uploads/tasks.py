"""Queued work on uploads: reading files, and comparing them with what offices answer."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.uploads import checking, configuration, service
from creditlink.uploads.reading.reading import UploadReading, read_upload
from creditlink.uploads.reading.refusal import FileRefused
from creditlink.uploads.tables import Upload

log = structlog.get_logger()

# A file that waits for so long has perhaps lost its job; one that has not is queued once more for nothing.
_LATE = timedelta(minutes=1)


@jobs.app.task(name="uploads.read", queue="default", retry=jobs.AGAIN)
def read_file(upload_id: str) -> None:
    """Read a file that a firm uploaded: outside of any transaction, since it may take seconds."""
    bounds = configuration.current()
    with db.transaction("worker") as session:
        begun = service.begin_reading(session, UUID(upload_id), utc_now())
    if begun is None:
        return
    upload, uscc = begun
    found: UploadReading | FileRefused
    try:
        found = read_upload(upload.content or b"", firm=uscc, now=upload.uploaded_at, rules=bounds)
    except FileRefused as refused:
        found = refused
    with db.transaction("worker") as session:
        stored = service.store(session, upload.id, found, utc_now())
        if stored is not None and stored.state == "taken":
            checking.check_firm(session, stored.enterprise_id, bounds, utc_now())
    if stored is not None:
        log.info("upload_read", upload_id=stored.wire_id, state=stored.state, rows=stored.rows, wrong=stored.wrong)


@jobs.app.periodic(cron="* * * * * */20", periodic_id="uploads.sweep")
@jobs.app.task(name="uploads.sweep", queue="system", queueing_lock="uploads.sweep")
def sweep(timestamp: int) -> None:
    """Queue files whose reading lost its job; compare what offices answered meanwhile."""
    now, bounds = utc_now(), configuration.current()
    with db.transaction("worker") as session:
        late = session.scalars(
            select(Upload.id).where(Upload.state == "received", Upload.uploaded_at < now - _LATE).order_by(Upload.id)
        ).all()
        due = checking.firms_due(session)
    jobs.each("uploads.late", late, service.queue_reading, now=now)

    def check(session: Session, firm: UUID) -> None:
        checking.check_firm(session, firm, bounds, utc_now())

    jobs.each("uploads.check", due, check, now=now)
