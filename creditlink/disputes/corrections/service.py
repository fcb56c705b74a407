"""Telling an institution that a datum it relied on was corrected, and its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.consents.tables import Consent
from creditlink.disputes.tables import CORRECTION_PREFIX, Correction, Dispute
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import to_second
from creditlink.kit.errors import NotFound
from creditlink.kit.http import paging
from creditlink.notifications.service import notify

EVENT = "profile.corrected"
REMINDER = "profile.corrected.reminder"
ACTIONS = {
    "none": ("无须处理", "Nothing to do"),
    "recomputed": ("已重新生成信用画像", "A new profile was computed"),
    "decision_reviewed": ("已复核原有决定", "The earlier decision was looked at again"),
    "no_longer_held": ("已不再持有原画像", "The earlier profile is not held any more"),
}
"""What a bank may say it did -> its label in zh and en."""


def tell(
    session: Session, dispute: Dispute, consent: Consent, profile_ids: Sequence[UUID], in_full: bool, now: datetime
) -> Correction:
    """Note that an institution is told, and queue its webhook, in the caller's transaction.

    It names the profiles, which the institution has, and with a live consent that opens it the category; nothing else.
    """
    row = Correction(
        id=uuid4(), dispute_id=dispute.id, enterprise_id=dispute.enterprise_id,
        institution_id=consent.institution_id, consent_id=consent.id, profile_ids=list(profile_ids), in_full=in_full,
        told_at=now,
    )  # fmt: skip
    data = as_json(row, session.get_one(Institution, consent.institution_id).pairwise_salt)
    if in_full:
        data["category"] = dispute.category
    for name in ("told_at", "acknowledged_at", "acknowledged_by", "action"):
        data.pop(name, None)
    row.notification_id = notify(session, consent.institution_id, EVENT, data, now)
    session.add(row)
    session.flush()
    return row


def as_json(row: Correction, salt: str) -> dict[str, object]:
    """Return a correction as its institution sees it: that it must not rely on its profiles, and no data."""
    return {
        "correction_id": row.wire_id,
        "consent_id": ids.external("cns", row.consent_id),
        "enterprise_id": ids.pairwise(salt, row.enterprise_id),
        "profile_ids": [ids.external("prf", one) for one in row.profile_ids],
        "rely_on": False,
        "score_at": "profile" if row.in_full else None,
        "told_at": to_second(row.told_at),
        "acknowledged_at": None if row.acknowledged_at is None else to_second(row.acknowledged_at),
        "action": row.action,
    }


def page_of(
    session: Session, institution_id: UUID, *, open_only: bool, cursor: str | None, limit: int
) -> tuple[list[Correction], str | None]:
    """Return one page of an institution's corrections, newest first, and the cursor of the next.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    own = Correction.institution_id == institution_id
    query = select(Correction).where(own)
    if open_only:
        query = query.where(Correction.acknowledged_at.is_(None))
    after = paging.row_of(session, Correction, CORRECTION_PREFIX, cursor, own)
    rows, more = paging.newest_first(session, query, Correction.told_at, Correction.id, after=after, limit=limit)
    page = [row for (row,) in rows]
    return page, page[-1].wire_id if more else None


def acknowledge(
    session: Session, institution_id: UUID, wire_id: str, *, action: str, client_id: str, now: datetime
) -> Correction:
    """Take an institution's receipt; a second one changes nothing.

    Raises
    ------
    NotFound
        Unknown, or another institution's.
    """
    own = Correction.id == ids.internal(CORRECTION_PREFIX, wire_id), Correction.institution_id == institution_id
    # The condition decides: of two at once one is the receipt.
    receipt = {"acknowledged_at": now, "acknowledged_by": client_id, "action": action}
    changed = session.scalar(
        update(Correction).where(*own, Correction.acknowledged_at.is_(None)).values(**receipt).returning(Correction.id)
    )
    row = session.scalars(select(Correction).where(*own).execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound
    if changed is not None:
        audit.record(
            session, action="correction.acknowledged", result="done", actor=f"bank:{client_id}", now=now,
            enterprise_id=row.enterprise_id, institution_id=institution_id, client_id=client_id,
            consent_id=row.consent_id, detail={"correction": wire_id, "action": action},
        )  # fmt: skip
    return row


def unacknowledged(
    session: Session, before: datetime, *, limit: int = 1_000
) -> Sequence[tuple[Correction, Institution]]:
    """Return corrections that were told before an instant and that nobody acknowledged, the oldest first."""
    query = (
        select(Correction, Institution)
        .join(Institution, Institution.id == Correction.institution_id)
        .where(Correction.acknowledged_at.is_(None), Correction.told_at < before)
        .order_by(Correction.told_at, Correction.id)
        .limit(limit)
    )
    return [(row, institution) for row, institution in session.execute(query)]


def remind(session: Session, correction_id: UUID, now: datetime) -> bool:
    """Remind an institution of a correction, once; return whether it was still to be reminded."""
    query = select(Correction).where(Correction.id == correction_id).with_for_update()
    row = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if row is None or row.acknowledged_at is not None or row.reminded_at is not None:
        return False
    row.reminded_at = now
    data = as_json(row, session.get_one(Institution, row.institution_id).pairwise_salt)
    for name in ("acknowledged_at", "action"):
        data.pop(name)
    data["told_at"] = to_second(row.told_at).isoformat()
    notify(session, row.institution_id, REMINDER, data, now)
    audit.record(
        session, action="correction.remind", result="done", actor="system", now=now, enterprise_id=row.enterprise_id,
        institution_id=row.institution_id, consent_id=row.consent_id, detail={"correction": row.wire_id},
    )  # fmt: skip
    return True


def of_dispute(session: Session, dispute: Dispute) -> list[tuple[Correction, Institution]]:
    """Return who was told of a dispute's correction, as the firm sees it."""
    query = (
        select(Correction, Institution)
        .join(Institution, Institution.id == Correction.institution_id)
        .where(Correction.dispute_id == dispute.id)
        .order_by(Correction.acknowledged_at.desc().nulls_last(), Institution.code, Correction.id)
    )
    return [(row, institution) for row, institution in session.execute(query)]
