"""Acts of a firm that wants two people for them: the first signature waits until a second person signs the same act."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises.service import may_act
from creditlink.enterprises.tables import Account, Enterprise, FirmAct, Representation
from creditlink.kit.errors import ConsentRefused
from creditlink.kit.files.textfile import canonical_json

ACTS: Mapping[str, tuple[str, str]] = {
    "accept": ("接受贷款报价", "Accept an offer"),
    "resume": ("恢复授权", "Resume a consent"),
    "appoint": ("任命经办人或变更其权限", "Appoint an agent, or change its limits"),
    "signatures": ("取消双人签署", "Stop asking for two signatures"),
    "count": ("同意被统计", "Let banks count the firm"),
}
"""What two people must sign where a firm wants two; consents have signatures of their own."""

WAITS = timedelta(days=7)
"""How long the first signature waits for the second."""


def _anybody(right: Representation) -> bool:
    return True


def sign(
    session: Session,
    enterprise: Enterprise,
    act: str,
    subject: Mapping[str, object],
    *,
    account: Account,
    now: datetime,
    until: datetime | None = None,
    may: Callable[[Representation], bool] = _anybody,
) -> bool:
    """Sign an act; return whether it may be done now: one signature is enough, or this is the second.

    Signing the same act again changes nothing. Signing another act about the same subject withdraws one's first
    signature, and an act that is done ends all others that wait about the same subject. The firm's row stays locked
    until the transaction ends, so that the rule of two cannot be switched while somebody signs.

    Parameters
    ----------
    subject : what exactly is signed, as JSON; the second signs the same or starts another act.
    until : when the signature lapses; at most a week from now.
    may : whether a right covers the act: a signature lapses with its signer's right.

    Raises
    ------
    ConsentRefused
        The account may not act for the firm.
    """
    session.refresh(enterprise, with_for_update={"key_share": True})
    right = may_act(session, account, enterprise, now)
    if right is None:
        raise ConsentRefused("this account does not act for the firm", reason="not_representative")
    if not enterprise.two_signatures:
        return True
    digest = subject_sha256(subject)
    for firm_act in waiting(session, enterprise, now, may=may):
        if (firm_act.act, firm_act.subject_sha256) == (act, digest):
            if firm_act.signed_by == account.id:
                return False
            _end(session, firm_act, "done", account=account, now=now)
            end_waiting(session, enterprise.id, act=act, about=_about(subject), actor=f"account:{account.id}", now=now)
            return True
    end_waiting(
        session, enterprise.id, act=act, about=_about(subject), signed_by=account.id, actor=f"account:{account.id}",
        now=now,
    )  # fmt: skip
    session.add(
        FirmAct(
            enterprise_id=enterprise.id,
            act=act,
            subject=dict(subject),
            subject_sha256=digest,
            signed_by=account.id,
            role=right.role,
            signed_at=now,
            open_until=min(until or now + WAITS, now + WAITS),
        )
    )
    session.flush()
    _record(session, enterprise.id, "sign", act, subject, account=account, now=now)
    return False


def waiting(
    session: Session, enterprise: Enterprise, now: datetime, *, may: Callable[[Representation], bool] = _anybody
) -> Sequence[FirmAct]:
    """Return the acts that wait for a second signature and still count, the oldest first."""
    acts = []
    for firm_act in _open(session, enterprise.id, now):
        right = may_act(session, session.get_one(Account, firm_act.signed_by), enterprise, now)
        # A signer who led the firm must still lead it: an agent cannot start what only the leader may.
        if right is None or not may(right) or right.role != firm_act.role != "agent":
            continue
        if right.valid_from <= firm_act.signed_at:  # a right given again brings no signature back
            acts.append(firm_act)
    return acts if enterprise.two_signatures else []


def _open(session: Session, enterprise_id: UUID, now: datetime, *, lock: bool = False) -> Sequence[FirmAct]:
    query = select(FirmAct).where(
        FirmAct.enterprise_id == enterprise_id, FirmAct.ended_at.is_(None), FirmAct.open_until > now
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalars(query.order_by(FirmAct.signed_at, FirmAct.id)).all()


def waiting_act(session: Session, enterprise: Enterprise, act_id: UUID, now: datetime) -> FirmAct | None:
    """Return one waiting act of this firm."""
    return next((firm_act for firm_act in waiting(session, enterprise, now) if firm_act.id == act_id), None)


def drop(session: Session, firm_act: FirmAct, *, account: Account, now: datetime) -> None:
    """End a waiting act without doing it: one person is enough to stop something."""
    _end(session, firm_act, "declined", account=account, now=now)


def end_waiting(
    session: Session,
    enterprise_id: UUID,
    *,
    actor: str,
    now: datetime,
    act: str | None = None,
    about: str | None = None,
    signed_by: UUID | None = None,
) -> None:
    """End acts that wait for a second signature because the firm has since decided otherwise; None matches any.

    Otherwise somebody could complete days later what the first signer no longer wants.
    """
    for firm_act in _open(session, enterprise_id, now, lock=True):
        wanted = (act or firm_act.act, about or _about(firm_act.subject), signed_by or firm_act.signed_by)
        if (firm_act.act, _about(firm_act.subject), firm_act.signed_by) != wanted:
            continue
        kind, _, who = actor.partition(":")
        if kind == "account":
            _end(session, firm_act, "declined", account=session.get_one(Account, UUID(who)), now=now)
        else:  # the operator does not belong to the firm: the act lapses
            firm_act.open_until = now
            session.flush()


def _about(subject: Mapping[str, object]) -> str:
    """Return whom or what an act is about, without its details; empty: the firm as a whole."""
    return str(subject.get("account") or subject.get("application") or subject.get("consent") or "")


def subject_sha256(subject: Mapping[str, object]) -> str:
    """Return the hash under which an act is signed."""
    return hashlib.sha256(canonical_json(subject).encode()).hexdigest()


def _end(session: Session, firm_act: FirmAct, reason: str, *, account: Account, now: datetime) -> None:
    firm_act.ended_at, firm_act.end_reason, firm_act.ended_by = now, reason, account.id
    session.flush()
    step = "second" if reason == "done" else "drop"
    _record(session, firm_act.enterprise_id, step, firm_act.act, firm_act.subject, account=account, now=now)


def _record(
    session: Session,
    enterprise_id: UUID,
    step: str,
    act: str,
    subject: Mapping[str, object],
    *,
    account: Account,
    now: datetime,
) -> None:
    audit.record(
        session,
        action=f"firm.{step}",
        result="done",
        actor=f"account:{account.id}",
        now=now,
        enterprise_id=enterprise_id,
        detail={"act": act, **subject},
    )
