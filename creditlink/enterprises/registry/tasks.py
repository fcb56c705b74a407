"""Queued work on the registry: loads that came by the API, and those that lost their job."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises.registry import clearing, loads
from creditlink.enterprises.registry.tables import RegistryLoad
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

log = structlog.get_logger()

TASK = "registry.take"
EXCEPTIONS = "registry.exceptions"
_LATE = timedelta(minutes=2)


def queue(session: Session, load_id: UUID) -> None:
    """Queue the taking of a load, once."""
    jobs.defer(session, TASK, lock=TASK, queueing_lock=f"{TASK}:{load_id}", load_id=str(load_id))


@jobs.app.task(name=TASK, queue="default", retry=jobs.AGAIN)
def take_load(load_id: str) -> None:
    """Take a load into the registry, a batch a transaction; one that was interrupted goes on where it stopped."""
    secret, one = runtime.part(Settings).secret_key, UUID(load_id)
    while True:
        with db.transaction("worker") as session:
            load = session.get_one(RegistryLoad, one)
            if load.state != "ready":
                return
            if loads.take_batch(session, load, secret=secret, now=utc_now()):
                continue
            loads.finish(session, load, now=utc_now())
            log.info("registry_load_done", load=load.wire_id, unlisted=load.unlisted, **loads.counts(session, load))
            return


def queue_exceptions(session: Session) -> None:
    """Queue the writing of exceptions that a request confirmed."""
    jobs.defer(session, EXCEPTIONS, queueing_lock=EXCEPTIONS)


@jobs.app.task(name=EXCEPTIONS, queue="default", retry=jobs.AGAIN)
def keep_exceptions() -> None:
    """Write confirmed exceptions beside their firms' codes."""
    with db.transaction("worker") as session:
        clearing.keep_exceptions(session)


@jobs.app.periodic(cron="*/10 * * * *", periodic_id=f"{EXCEPTIONS}.late")
@jobs.app.task(name=f"{EXCEPTIONS}.late", queue="system", queueing_lock=f"{EXCEPTIONS}.late")
def keep_late_exceptions(timestamp: int) -> None:
    """Write those whose job was lost."""
    with db.transaction("worker") as session:
        if kept := clearing.keep_exceptions(session):
            log.info("registry_exceptions_kept", exceptions=kept)


@jobs.app.periodic(cron="*/1 * * * *", periodic_id="registry.late")
@jobs.app.task(name="registry.late", queue="system", queueing_lock="registry.late")
def queue_late_loads(timestamp: int) -> None:
    """Queue again the loads that have been ready for long: whatever became of their jobs, they end."""
    now = utc_now()
    with db.transaction("worker") as session:
        late = session.scalars(
            select(RegistryLoad.id).where(RegistryLoad.state == "ready", RegistryLoad.ready_at < now - _LATE)
        ).all()
    jobs.each("registry.late", late, queue, now=now)
