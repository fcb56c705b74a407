"""Who may act for a firm: appointed, limited, ended, and how many must sign. Every change is in the firm's evidence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises import second_signatures
from creditlink.enterprises.service import current_rights
from creditlink.enterprises.tables import Account, AgentLimits, Enterprise, Representation
from creditlink.kit.errors import Conflict, InvalidRequest

LONGEST_REASON = 200
LARGEST_LOAN_FEN = 10**13
_NUMBERS = {"longest_days": 3660, "largest_loan_fen": LARGEST_LOAN_FEN}
_LISTS = ("categories", "purposes")
OPERATOR = "operator"


def appoint(
    session: Session,
    *,
    enterprise: Enterprise,
    account: Account,
    role: str,
    now: datetime,
    valid_until: datetime | None = None,
    limits: Mapping[str, object] | None = None,
    appointed_by: Account | None = None,
    actor: str | None = None,
    reason: str = "registered",
) -> Representation:
    """Let a person act for a firm; a new legal representative replaces the former one.

    `limits` bounds an agent; each member may be absent: `{"categories": [...], "purposes": [...],
    "longest_days": 31, "largest_loan_fen": 100_000_000}`. An agent appointed again gets the new limits instead of
    the old ones.

    Parameters
    ----------
    appointed_by : the firm's legal representative, who wants it; None: nobody of the firm.
    actor : who does it, for the evidence; None: whoever appoints, or the platform's operator.

    Raises
    ------
    InvalidRequest
        The role, the end, the limits or the reason make no sense.
    Conflict
        The person is the firm's legal representative already, or of the platform's staff.
    """
    check_appointment(
        session,
        enterprise=enterprise,
        account=account,
        role=role,
        valid_until=valid_until,
        limits=limits,
        reason=reason,
        now=now,
    )
    actor = actor or (f"account:{appointed_by.id}" if appointed_by else OPERATOR)
    for former in current_rights(session, now, Representation.enterprise_id == enterprise.id):
        if former.role == role == "legal_representative":
            _end(session, former, actor=actor, reason="succeeded", now=now)
        elif former.account_id == account.id:
            _end(session, former, actor=actor, reason="appointed anew", now=now)
    session.flush()  # the index allows one legal representative at a time
    right = Representation(
        enterprise_id=enterprise.id,
        account_id=account.id,
        role=role,
        limits=cast(AgentLimits, dict(limits)) if limits and role == "agent" else None,
        appointed_by=appointed_by.id if appointed_by else None,
        valid_from=now,
        valid_until=valid_until,
        created_at=now,
    )
    session.add(right)
    session.flush()
    detail: dict[str, object] = {
        "limits": right.limits,
        "until": valid_until.isoformat() if valid_until else None,
        **({"appointed_by": str(appointed_by.id)} if appointed_by else {}),
    }
    _record(session, right, "representation.appoint", actor=actor, reason=reason, now=now, **detail)
    return right


def check_appointment(
    session: Session,
    *,
    enterprise: Enterprise,
    account: Account,
    role: str,
    valid_until: datetime | None,
    limits: Mapping[str, object] | None,
    reason: str,
    now: datetime,
) -> None:
    """Refuse what `appoint` would refuse, before anybody signs it.

    Raises
    ------
    InvalidRequest, Conflict
        As `appoint`.
    """
    if role not in ("legal_representative", "agent"):
        raise _invalid("role", f"must be legal_representative or agent, got {role!r}")
    if account.role != "enterprise":
        raise Conflict("a member of the platform's staff acts for no firm", reason="staff")
    check_terms(valid_until=valid_until, limits=limits, reason=reason, now=now)
    rights = current_rights(session, now, Representation.enterprise_id == enterprise.id)
    if role == "agent" and any(r.account_id == account.id and r.role == "legal_representative" for r in rights):
        raise Conflict("the legal representative needs no appointment", reason="legal_representative")


def check_terms(
    *, valid_until: datetime | None, limits: Mapping[str, object] | None, reason: str, now: datetime
) -> None:
    """Refuse terms that no appointment may have, whoever is appointed.

    Raises
    ------
    InvalidRequest
        The end, the limits or the reason make no sense.
    """
    if valid_until is not None and valid_until <= now:
        raise _invalid("valid_until", f"{valid_until.isoformat()} is not in the future")
    _check_limits(limits)
    check_reason(reason)


def end_representation(
    session: Session,
    representation: Representation,
    *,
    now: datetime,
    actor: str = OPERATOR,
    wanted_by: Account | None = None,
    reason: str = "dismissed",
) -> None:
    """End what a person may do for a firm; the consents they gave stay alive, for the firm gave them.

    An appointment of theirs that waits for its second signature ends too.

    Parameters
    ----------
    wanted_by : of the firm, where another than the `actor` wanted it.

    Raises
    ------
    InvalidRequest
        There is no reason, or it is too long.
    Conflict
        It has ended already.
    """
    check_reason(reason)
    if representation.ended_at is not None:
        raise Conflict("it has ended already", reason="ended")
    wish = {"wanted_by": str(wanted_by.id)} if wanted_by else {}
    _end(session, representation, actor=actor, reason=reason, now=now, **wish)
    about = str(representation.account_id)
    second_signatures.end_waiting(
        session, representation.enterprise_id, act="appoint", about=about, actor=actor, now=now
    )


def want_two_signatures(
    session: Session, enterprise: Enterprise, wanted: bool, *, now: datetime, actor: str = OPERATOR, reason: str
) -> None:
    """Decide whether two people of the firm must sign a consent; consents in force stay as they are.

    No first signature outlives the rule: what one person may do alone need not wait.

    Raises
    ------
    Conflict
        Fewer than two people may act for the firm: nothing could be signed any more.
    InvalidRequest
        There is no reason, or it is too long.
    """
    check_reason(reason)
    if wanted:
        people = {r.account_id for r in current_rights(session, now, Representation.enterprise_id == enterprise.id)}
        if len(people) < 2:
            raise Conflict("two people must be able to act for the firm first", reason="needs_two_people")
    if enterprise.two_signatures == wanted:
        return
    enterprise.two_signatures, enterprise.updated_at = wanted, now
    session.flush()
    second_signatures.end_waiting(session, enterprise.id, actor=actor, now=now)
    audit.record(
        session,
        action="enterprise.signatures",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=enterprise.id,
        detail={"two_signatures": wanted, "reason": reason},
    )


def representatives_of(session: Session, enterprise: Enterprise, now: datetime) -> list[tuple[Representation, Account]]:
    """Return who may act for the firm now, the legal representative first."""
    rights = current_rights(session, now, Representation.enterprise_id == enterprise.id)
    people = {a.id: a for a in session.scalars(select(Account).where(Account.id.in_(r.account_id for r in rights)))}
    ordered = sorted(rights, key=lambda right: right.role != "legal_representative")
    return [(right, people[right.account_id]) for right in ordered]


def representation_of(session: Session, enterprise: Enterprise, representation_id: UUID) -> Representation | None:
    """Return a right to act for this firm and no other."""
    right = session.get(Representation, representation_id, with_for_update=True)
    return right if right is not None and right.enterprise_id == enterprise.id else None


def _end(session: Session, right: Representation, *, actor: str, reason: str, now: datetime, **more: object) -> None:
    right.ended_at = now
    session.flush()
    _record(session, right, "representation.end", actor=actor, reason=reason, now=now, **more)


def _record(
    session: Session, right: Representation, action: str, *, actor: str, reason: str, now: datetime, **more: object
) -> None:
    audit.record(
        session,
        action=action,
        result="done",
        actor=actor,
        now=now,
        enterprise_id=right.enterprise_id,
        detail={"account": str(right.account_id), "role": right.role, "reason": reason, **more},
    )


def check_reason(reason: str) -> None:
    """Refuse a change without a reason, or with one that is too long."""
    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise _invalid("reason", f"must be 1 to {LONGEST_REASON} printable characters, got {len(reason)}")


def _check_limits(limits: Mapping[str, object] | None) -> None:
    for name, value in (limits or {}).items():
        if name in _LISTS:
            if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
                raise _invalid(f"limits/{name}", f"must be a list of one name or more, got {value!r}")
        elif name not in _NUMBERS:
            raise _invalid("limits", f"may hold {', '.join((*_LISTS, *_NUMBERS))}, got {name!r}")
        elif type(value) is not int or not 1 <= value <= _NUMBERS[name]:
            raise _invalid(f"limits/{name}", f"must be a whole number 1..{_NUMBERS[name]}, got {value!r}")


def _invalid(field: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"{field} {detail}", errors=[{"pointer": f"/{field}", "detail": detail}])
