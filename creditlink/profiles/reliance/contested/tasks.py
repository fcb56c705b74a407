"""Queued work on contested profiles: scores beside them, and telling of corrections."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.disputes import service as disputes
from creditlink.disputes.answers import TELL
from creditlink.disputes.rules.states import OPEN
from creditlink.disputes.tables import Dispute
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.products.service import book_of
from creditlink.profiles.reliance.backfill import ModelShelf
from creditlink.profiles.reliance.contested import service
from creditlink.profiles.serving.live import load_first
from creditlink.profiles.tables import Profile

log = structlog.get_logger()


@jobs.app.task(name=disputes.CONTEST, queue="default", retry=jobs.AGAIN)
def contest(dispute_id: str) -> None:
    """Note beside every profile that read a disputed datum what it says without it."""
    contest_now(UUID(dispute_id), utc_now())


def contest_now(dispute_id: UUID, now: datetime) -> int:
    """Do so; return how many profiles read it."""
    with db.transaction("worker") as session:
        dispute = _locked(session, dispute_id)
        return service.contest(session, dispute, means, now) if dispute is not None and dispute.state in OPEN else 0


@jobs.app.task(name=TELL, queue="default", retry=jobs.AGAIN)
def tell(dispute_id: str) -> None:
    """Compute again what relied on a corrected datum, and tell its recipients."""
    tell_now(UUID(dispute_id), utc_now())


def tell_now(dispute_id: UUID, now: datetime) -> int:
    """Do so, once; return how many recipients were told."""
    with db.transaction("worker") as session:
        dispute = _locked(session, dispute_id)
        told = [] if dispute is None else service.tell(session, dispute, means, now)
    if told:
        log.info("correction_told", recipients=len(told), in_full=sum(one.in_full for one in told))
    return len(told)


def _locked(session: Session, dispute_id: UUID) -> Dispute | None:
    return session.scalars(select(Dispute).where(Dispute.id == dispute_id).with_for_update()).one_or_none()


@jobs.app.periodic(cron="*/5 * * * *", periodic_id="profiles.tell_corrected.late")
@jobs.app.task(name=f"{TELL}.late", queue="system", queueing_lock=f"{TELL}.late")
def tell_late(timestamp: int) -> None:
    """Tell of corrections whose job was lost."""
    now = utc_now()
    with db.transaction("worker") as session:
        query = select(Dispute.id).where(
            Dispute.state == "corrected", Dispute.told_at.is_(None), Dispute.ended_at < now - disputes.LATE
        )
        late = session.scalars(query).all()
    jobs.each(f"{TELL}.late", late, lambda session, one: _tell_one(session, one, now), now=now)


def _tell_one(session: Session, dispute_id: UUID, now: datetime) -> None:
    dispute = _locked(session, dispute_id)
    if dispute is not None:
        service.tell(session, dispute, means, now)


def means(session: Session, profile: Profile) -> tuple[LiveModel, ProductBook] | None:
    """Return what a profile is computed again with, from this worker's shelf; None: it is not at hand."""
    settings = runtime.process().of(Settings)
    shelf = runtime.process().get_or_make(ModelShelf, lambda: ModelShelf(load_first(settings), settings))
    try:
        return shelf.that_scored(profile), book_of(session, settings, profile.asked["products"])
    except (ValueError, LookupError) as error:
        log.warning("profile_not_computed_again", why=str(error))
        return None
