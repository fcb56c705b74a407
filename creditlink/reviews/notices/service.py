"""Notices of adverse action: written once for each event, seen by the firm, and overdue where it does not look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import day_of
from creditlink.kit.http import paging
from creditlink.notifications.service import notify
from creditlink.reviews.notices.wording import NoticeReason, ToldEvent, worded
from creditlink.reviews.queue import kept_until
from creditlink.reviews.rules.settings import ReviewSettings
from creditlink.reviews.tables import AdverseNotice

_EVENTS = UUID("6f1d3a0e-7c5b-5d0a-9a51-2f1f0c7be0a7")
"""The space of ids of notices: one event has one id, so that it is told once."""

SOLE_TRADER = "sole_trader"


@dataclass(frozen=True)
class AdverseEvent:
    """What happened to a firm, with the reasons as they are stored; `subject` tells one event from another."""

    event: str
    subject: str  # prf_… or app_…
    enterprise_id: UUID
    institution_id: UUID
    consent_id: UUID
    profile_id: UUID | None
    reasons: Sequence[NoticeReason]


def write(session: Session, event: AdverseEvent, *, settings: ReviewSettings, now: datetime) -> UUID | None:
    """Put a notice onto the firm's page, with its evidence, in the caller's transaction; return its id.

    None: the event was told before.
    """
    lender = session.get_one(Institution, event.institution_id)
    firm = session.get_one(Enterprise, event.enterprise_id)
    texts = worded(
        ToldEvent(
            event.event,
            lender.name_zh,
            lender.name_en,
            day_of(now),
            event.reasons,
            is_sole_trader=firm.entity_type == SOLE_TRADER,
            has_profile=event.profile_id is not None,
        )
    )
    notice = AdverseNotice(
        id=uuid5(_EVENTS, f"{event.event}:{event.subject}"),
        enterprise_id=event.enterprise_id,
        institution_id=event.institution_id,
        consent_id=event.consent_id,
        profile_id=event.profile_id,
        event=event.event,
        reasons=list(event.reasons),
        text_zh=texts.zh,
        text_en=texts.en,
        text_sha256=texts.sha256,
        sent_at=now,
        due_at=now + timedelta(days=settings.notice_days),
        keep_until=kept_until(now),
    )
    try:
        with session.begin_nested():
            session.add(notice)
    except IntegrityError:
        return None
    _note(
        session, notice, "send", "system", now, {"event": event.event, "sha256": texts.sha256, "subject": event.subject}
    )
    return notice.id


def of_firm(session: Session, enterprise_id: UUID, *, most: int = 100) -> Sequence[AdverseNotice]:
    """Return a firm's notices, the latest first."""
    query = select(AdverseNotice).where(AdverseNotice.enterprise_id == enterprise_id)
    return session.scalars(query.order_by(AdverseNotice.sent_at.desc(), AdverseNotice.id).limit(most)).all()


def unseen(session: Session, enterprise_id: UUID) -> int:
    """Return how many notices a firm has not opened."""
    query = select(func.count(AdverseNotice.id)).where(
        AdverseNotice.enterprise_id == enterprise_id, AdverseNotice.seen_at.is_(None)
    )
    return session.scalar(query) or 0


def receive(session: Session, notice: AdverseNotice, *, account_id: UUID, now: datetime) -> None:
    """Note that somebody of the firm opened a notice: the receipt. The first time counts; its bank is told."""
    if notice.seen_at is not None:
        return
    locked = select(AdverseNotice).where(AdverseNotice.id == notice.id).with_for_update()
    notice = session.scalars(locked.execution_options(populate_existing=True)).one()
    if notice.seen_at is not None:
        return
    notice.seen_at, notice.seen_by = now, account_id
    session.flush()
    _tell(session, notice, "notice.seen", now, seen_at=now.isoformat(timespec="seconds"))
    _note(session, notice, "seen", f"account:{account_id}", now, {"sha256": notice.text_sha256})


def overdue(session: Session, now: datetime) -> Sequence[UUID]:
    """Return the notices that were not opened in time, and of which their banks have not been told."""
    query = select(AdverseNotice.id).where(
        AdverseNotice.due_at <= now, AdverseNotice.seen_at.is_(None), AdverseNotice.overdue_told_at.is_(None)
    )
    return session.scalars(query.order_by(AdverseNotice.due_at)).all()


def tell_overdue(session: Session, notice_id: UUID, *, now: datetime) -> bool:
    """Tell a notice's bank, once, that the firm has not opened it, so that it delivers it otherwise."""
    query = select(AdverseNotice).where(AdverseNotice.id == notice_id).with_for_update()
    notice = session.scalars(query).one_or_none()
    if notice is None or notice.seen_at is not None or notice.overdue_told_at is not None or notice.due_at > now:
        return False
    notice.overdue_told_at = now
    session.flush()
    _tell(session, notice, "notice.overdue", now)
    _note(session, notice, "overdue", "system", now, {})
    return True


def listed(
    session: Session, *, overdue_at: datetime | None = None, limit: int = 100, cursor: str | None = None
) -> tuple[Sequence[AdverseNotice], str | None]:
    """Return one page of notices, what is due first first, and the cursor of the next.

    Only those that were not opened by `overdue_at`, if it is given.
    """
    query = select(AdverseNotice)
    if overdue_at is not None:
        query = query.where(AdverseNotice.seen_at.is_(None), AdverseNotice.due_at <= overdue_at)
    after = paging.row_of(session, AdverseNotice, "ntc", cursor)
    page, more = paging.first_due_first(
        session, query, AdverseNotice.due_at, AdverseNotice.id, after=after, limit=limit
    )
    return page, page[-1].wire_id if more else None


def clock_json(notice: AdverseNotice, now: datetime) -> dict[str, object]:
    """Return a notice's clock and receipt, without what it says."""
    return {
        "id": notice.wire_id,
        "event": notice.event,
        "text_sha256": notice.text_sha256,
        "sent_at": notice.sent_at,
        "due_at": notice.due_at,
        "seen_at": notice.seen_at,
        "overdue": notice.seen_at is None and notice.due_at <= now,
    }


def _tell(session: Session, notice: AdverseNotice, type_: str, now: datetime, **further: object) -> None:
    salt = session.get_one(Institution, notice.institution_id).pairwise_salt
    data = {
        "notice_id": notice.wire_id,
        "event": notice.event,
        "consent_id": ids.external("cns", notice.consent_id),
        "enterprise_id": ids.pairwise(salt, notice.enterprise_id),
        **further,
    }
    notify(session, notice.institution_id, type_, data, now)


def _note(
    session: Session, notice: AdverseNotice, action: str, actor: str, now: datetime, detail: dict[str, object]
) -> None:
    audit.record(
        session,
        action=f"notice.{action}",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=notice.enterprise_id,
        institution_id=notice.institution_id,
        consent_id=notice.consent_id,
        detail={"notice": notice.wire_id, **detail},
    )
