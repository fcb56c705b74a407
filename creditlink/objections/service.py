"""From an objection to its end: each step in the caller's transaction, with its evidence and its webhook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.audit.accesses import IS_ACCESS
from creditlink.audit.tables import AuditEntry
from creditlink.disputes.rules.calendar import WorkCalendar
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.http import paging
from creditlink.messages.service import tell_firm
from creditlink.notifications.service import notify
from creditlink.objections.rules import ANSWERABLE, FINDINGS, MOST_WORDS, REASONS, ObjectionSettings
from creditlink.objections.tables import AccessObjection


@dataclass(frozen=True)
class ObjectionQuery:
    """Which objections to list, and a place in their list."""

    limit: int = 50
    state: str | None = None
    cursor: str | None = None


def access_of(session: Session, firm: Enterprise, line: int) -> AuditEntry:
    """Return a line of the firm's evidence that it may object to: an access that a bank made or tried.

    Raises
    ------
    NotFound
        There is no such line, or nobody outside made it.
    """
    entry = session.scalars(
        select(AuditEntry).where(
            AuditEntry.chain_id == firm.id, AuditEntry.seq == line, IS_ACCESS, AuditEntry.institution_id.is_not(None)
        )
    ).first()
    if entry is None:
        raise NotFound
    return entry


def about(session: Session, firm: Enterprise, line: int) -> AccessObjection | None:
    """Return the firm's objection to a line, if there is one."""
    query = select(AccessObjection).where(AccessObjection.enterprise_id == firm.id, AccessObjection.line == line)
    return session.scalars(query).first()


def lines_of(session: Session, firm: Enterprise) -> dict[int, AccessObjection]:
    """Return line -> the firm's objection to it."""
    query = select(AccessObjection).where(AccessObjection.enterprise_id == firm.id)
    return {one.line: one for one in session.scalars(query)}


def object_to(
    session: Session,
    firm: Enterprise,
    account: Account,
    line: int,
    words: str,
    *,
    settings: ObjectionSettings,
    calendar: WorkCalendar,
    keep_until: datetime,
    now: datetime,
) -> AccessObjection:
    """Object to an access; the bank is told and its clock begins.

    Raises
    ------
    NotFound
        There is no such access.
    Conflict
        The firm objected to it before, or it is too old.
    InvalidRequest
        Nothing is said, or too much.
    """
    entry = access_of(session, firm, line)
    if entry.at + timedelta(days=settings.after_days) <= now:
        raise Conflict(f"the access is older than {settings.after_days} days", reason="too_old")
    one = AccessObjection(
        enterprise_id=firm.id,
        institution_id=entry.institution_id,
        consent_id=entry.consent_id,
        line=line,
        action=entry.action,
        client_id=entry.client_id,
        accessed_at=entry.at,
        words=_said(words, "words"),
        asked_by=account.id,
        asked_at=now,
        answer_due_at=settings.answer_due(now, calendar),
        decision_due_at=settings.decision_due(now, calendar),
        state="asked",
        keep_until=keep_until,
    )
    try:
        with session.begin_nested():
            session.add(one)
    except IntegrityError:
        raise Conflict("the firm objected to this access before", reason="objected") from None
    _tell(session, one, "objection.opened", now, due_at=one.answer_due_at.isoformat(timespec="seconds"))
    _note(session, one, "open", f"account:{account.id}", now)
    return one


def answer(
    session: Session, institution_id: UUID, wire_id: str, *, reason: str, words: str, actor: str, now: datetime
) -> AccessObjection:
    """Give the bank's reason, once. An answer after the clock is taken too: the operator reads it.

    Raises
    ------
    NotFound
        It is no objection to an access of this institution.
    Conflict
        It was answered before, or is over.
    InvalidRequest
        The reason is not one of the list, or `other` without words.
    """
    one = lock(session, of_institution(session, institution_id, wire_id))
    if reason not in REASONS:
        raise _wrong("reason", f"must be one of {', '.join(REASONS)}")
    said = _said(words, "words", required=reason == "other")
    if one.answered_at is not None or one.state not in ANSWERABLE:
        raise Conflict("the objection was answered before, or is over", reason=one.state)
    one.answer_reason, one.answer, one.answered_by, one.answered_at = reason, said, actor, now
    if one.state == "asked":
        one.state = "answered"
    _tell_firm(session, one, now)
    _note(session, one, "answer", actor, now, reason=reason)
    return one


def accept(session: Session, one: AccessObjection, account: Account, now: datetime) -> None:
    """End an objection whose answer satisfies the firm.

    Raises
    ------
    Conflict
        There is no answer to accept.
    """
    if one.state != "answered":
        raise Conflict("there is no answer to accept", reason=one.state)
    one.state, one.ended_at = "accepted", now
    _tell(session, one, "objection.ended", now)
    _note(session, one, "accept", f"account:{account.id}", now)


def escalate(session: Session, one: AccessObjection, account: Account, now: datetime) -> None:
    """Bring an objection whose answer does not satisfy the firm to the operator.

    Raises
    ------
    Conflict
        There is no answer that could be refused.
    """
    if one.state != "answered":
        raise Conflict("there is no answer to refuse", reason=one.state)
    _escalate(session, one, "unsatisfied", f"account:{account.id}", now)


def overdue(session: Session, now: datetime) -> Sequence[UUID]:
    """Return the objections that were not answered in time."""
    query = select(AccessObjection.id).where(AccessObjection.state == "asked", AccessObjection.answer_due_at <= now)
    return session.scalars(query.order_by(AccessObjection.answer_due_at)).all()


def escalate_overdue(session: Session, objection_id: UUID, *, now: datetime) -> bool:
    """Bring an unanswered objection to the operator, once; return whether it was still due."""
    query = select(AccessObjection).where(AccessObjection.id == objection_id).with_for_update()
    one = session.scalars(query).one_or_none()
    if one is None or one.state != "asked" or one.answer_due_at > now:
        return False
    _escalate(session, one, "unanswered", "system", now)
    return True


def decide(session: Session, wire_id: str, *, finding: str, words: str, actor: str, now: datetime) -> AccessObjection:
    """Say what the operator found; the bank is told, and the firm reads it.

    Raises
    ------
    NotFound
    Conflict
        It is not with the operator.
    InvalidRequest
        The finding is not one of the list, or without words.
    """
    found = session.get(AccessObjection, ids.internal("obj", wire_id))
    if found is None:
        raise NotFound
    one = lock(session, found)
    if finding not in FINDINGS:
        raise _wrong("finding", f"must be one of {', '.join(FINDINGS)}")
    said = _said(words, "words")
    if one.state != "escalated":
        raise Conflict("the objection is not with the operator", reason=one.state)
    one.state, one.finding, one.decision, one.decided_by, one.ended_at = "closed", finding, said, actor, now
    _tell(session, one, "objection.ended", now, finding=finding)
    _tell_firm(session, one, now)
    _note(session, one, "decide", actor, now, finding=finding)
    return one


def of_institution(session: Session, institution_id: UUID, wire_id: str) -> AccessObjection:
    """Return an objection to an access of an institution.

    Raises
    ------
    NotFound
        Unknown, or about another institution's access.
    """
    mine = (AccessObjection.id == ids.internal("obj", wire_id), AccessObjection.institution_id == institution_id)
    found = session.scalars(select(AccessObjection).where(*mine)).one_or_none()
    if found is None:
        raise NotFound
    return found


def page_of(
    session: Session, query: ObjectionQuery, institution_id: UUID | None
) -> tuple[list[AccessObjection], str | None]:
    """Return one page of objections, the newest first, and the cursor of the next; None: of every institution.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    own = () if institution_id is None else (AccessObjection.institution_id == institution_id,)
    wanted = select(AccessObjection).where(*own)
    if query.state is not None:
        wanted = wanted.where(AccessObjection.state == query.state)
    after = paging.row_of(session, AccessObjection, "obj", query.cursor, *own)
    rows, more = paging.newest_first(
        session, wanted, AccessObjection.asked_at, AccessObjection.id, after=after, limit=query.limit
    )
    page = [row[0] for row in rows]
    return page, page[-1].wire_id if more else None


def lock(session: Session, one: AccessObjection) -> AccessObjection:
    """Return the objection as it is now, locked: of two steps at once one comes second, and sees the first.

    Raises
    ------
    Conflict
        It is not the viewer's turn: the database lets nobody else lock the row.
    """
    query = select(AccessObjection).where(AccessObjection.id == one.id).with_for_update()
    found = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise Conflict("somebody else's step comes next, or it is over", reason="not_your_turn")
    return found


def _escalate(session: Session, one: AccessObjection, why: str, actor: str, now: datetime) -> None:
    one.state, one.escalated_for, one.escalated_at = "escalated", why, now
    _tell(session, one, "objection.escalated", now, why=why)
    _note(session, one, "escalate", actor, now, why=why)


def _said(words: str, name: str, *, required: bool = True) -> str:
    said = words.strip()
    if len(said) > MOST_WORDS or (required and not said):
        raise _wrong(name, f"must have 1 to {MOST_WORDS} characters, got {len(said)}")
    return said


def _wrong(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[{"pointer": f"/{name}", "detail": detail}])


def _tell(session: Session, one: AccessObjection, type_: str, now: datetime, **further: object) -> None:
    salt = session.get_one(Institution, one.institution_id).pairwise_salt
    data = {
        "objection_id": one.wire_id,
        "consent_id": None if one.consent_id is None else ids.external("cns", one.consent_id),
        "enterprise_id": ids.pairwise(salt, one.enterprise_id),
        "state": one.state,
        **further,
    }
    session.flush()
    notify(session, one.institution_id, type_, data, now)


def _tell_firm(session: Session, one: AccessObjection, now: datetime) -> None:
    page = f"/portal/accesses/{one.line}?enterprise={one.enterprise_id}"
    tell_firm(session, one.enterprise_id, "dispute_moved", now, page=page, about=f"{one.id} {one.state}")


def _note(session: Session, one: AccessObjection, step: str, actor: str, now: datetime, **detail: object) -> None:
    """Write a step into the firm's evidence; people's words stay out of it."""
    audit.record(
        session,
        action=f"objection.{step}",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=one.enterprise_id,
        institution_id=one.institution_id,
        consent_id=one.consent_id,
        detail={"objection": one.wire_id, "line": one.line, "state": one.state, **detail},
    )
