"""Acts of staff that take two people: one proposes, another approves exactly the same, and then it is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.textfile import canonical_json
from creditlink.staff import people, roles
from creditlink.staff.actor import StaffActor
from creditlink.staff.tables import StaffAct, StaffMember

STANDING = "staff.standing"
WAITS = timedelta(days=7)
"""How long a proposal waits for a second person."""


@dataclass(frozen=True)
class ActKind:
    """A kind of act: who may propose and approve it, and what is done once both have."""

    label_zh: str
    label_en: str
    proposes: tuple[str, ...]
    approves: tuple[str, ...]
    do: Callable[[Session, StaffAct, StaffActor, StaffActor, datetime], None]
    """Carries it out: session, act, who proposed, who approved, now. What it raises leaves the act waiting."""
    at_desk: bool = True  # whether the pages' role of the database may carry it out


class ActKinds:
    """The kinds of acts by name; each slice adds its own when it is imported."""

    def __init__(self) -> None:
        self._kinds: dict[str, ActKind] = {}

    def add(self, name: str, kind: ActKind) -> None:
        """Make a kind known."""
        self._kinds[name] = kind

    def of(self, name: str) -> ActKind:
        """Return a kind.

        Raises
        ------
        InvalidRequest
            Nobody added it.
        """
        if name not in self._kinds:
            raise InvalidRequest(f"kind must be one of {', '.join(sorted(self._kinds))}, got {name!r}")
        return self._kinds[name]


KINDS = ActKinds()


def propose(
    session: Session, kind: str, subject: Mapping[str, object], *, by: StaffActor, reason: str, now: datetime
) -> StaffAct:
    """Propose an act; nothing is done yet.

    Raises
    ------
    RoleMissing
        The person may not propose such an act.
    InvalidRequest
        No reason is given.
    Conflict
        The same act waits already.
    """
    role = by.acting_as(*KINDS.of(kind).proposes)
    if not reason.strip():
        raise InvalidRequest("reason must say why, got an empty text")
    digest = subject_sha256(subject)
    earlier = session.scalar(_open().where(StaffAct.kind == kind, StaffAct.subject_sha256 == digest))
    if earlier is not None and earlier.open_until > now:
        raise Conflict(f"{earlier.wire_id} proposes the same and waits", reason="waits", act=earlier.wire_id)
    if earlier is not None:  # it lapsed
        _end(session, earlier, "taken_back", by, role, now)
    act = StaffAct(
        kind=kind, subject=dict(subject), subject_sha256=digest, reason=reason, proposed_by=by.account_id,
        proposed_at=now, open_until=now + WAITS,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(act)
    except IntegrityError:
        raise Conflict("somebody proposed the same just now", reason="waits") from None
    _note(session, "propose", act, by, role, now)
    return act


def approve(session: Session, act: StaffAct, *, by: StaffActor, now: datetime, at_desk: bool = False) -> None:
    """Approve what another person proposed, and do it.

    Raises
    ------
    RoleMissing
        The person may not approve such an act.
    Conflict
        It is their own proposal, its proposer may no longer propose it, or the pages may not carry it out.
    """
    kind = KINDS.of(act.kind)
    role = by.acting_as(*kind.approves)
    if act.proposed_by == by.account_id:
        raise Conflict(f"{by.login} proposed it; another person must approve", reason="own_proposal")
    if at_desk and not kind.at_desk:
        raise Conflict("it is approved on the command line", reason="command_line")
    member = session.get_one(StaffMember, act.proposed_by)
    proposer = people.actor_named(session, member, proof="proposal")
    if member.status != "active" or not proposer.roles & set(kind.proposes):
        raise Conflict(f"{proposer.login} may no longer propose this", reason="proposer")
    kind.do(session, act, proposer, by, now)
    _end(session, act, "done", by, role, now)


def decline(session: Session, act: StaffAct, *, by: StaffActor, now: datetime) -> None:
    """End a proposal without doing it: whoever may approve it, or whoever proposed it and thinks better of it.

    Raises
    ------
    RoleMissing
        The person has no say in such an act.
    """
    if act.proposed_by == by.account_id:
        _end(session, act, "taken_back", by, by.acting_as(*KINDS.of(act.kind).proposes), now)
    else:
        _end(session, act, "declined", by, by.acting_as(*KINDS.of(act.kind).approves), now)


def propose_standing(
    session: Session, login: str, to: str, *, by: StaffActor, reason: str, now: datetime
) -> StaffAct:  # fmt: skip
    """Propose that a person is locked, suspended, let on again or leaves; nothing is done yet.

    Raises
    ------
    NotFound
        There is no such person.
    InvalidRequest
        Their status does not allow it, or no reason is given.
    Conflict
        The same waits already.
    """
    member = people.of_login(session, login)
    if to not in roles.MOVES[member.status]:
        raise InvalidRequest(f"{login} is {member.status}, which does not allow {to}")
    subject = {"login": login.strip().lower(), "from": member.status, "to": to}
    return propose(session, STANDING, subject, by=by, reason=reason, now=now)


def _do_standing(session: Session, act: StaffAct, proposer: StaffActor, approver: StaffActor, now: datetime) -> None:
    del proposer
    people.move(session, str(act.subject["login"]), str(act.subject["to"]), by=approver, reason=act.reason, now=now)


# The pages' role of the database changes nobody's standing: the second person approves on the command line.
KINDS.add(
    STANDING,
    ActKind(
        "变更人员状态", "A change of a person's standing", ("operator",), ("operator",), _do_standing, at_desk=False
    ),
)


def waiting(session: Session, now: datetime) -> Sequence[StaffAct]:
    """Return the acts that wait for a second person, the oldest first."""
    return session.scalars(_open().where(StaffAct.open_until > now).order_by(StaffAct.proposed_at, StaffAct.id)).all()


def proposed_by(session: Session, by: StaffActor, *, most: int = 20) -> Sequence[StaffAct]:
    """Return a person's own acts, proposed or ended by them, the latest first."""
    mine = (StaffAct.proposed_by == by.account_id) | (StaffAct.ended_by == by.account_id)
    return session.scalars(select(StaffAct).where(mine).order_by(StaffAct.proposed_at.desc()).limit(most)).all()


def waiting_act(session: Session, wire_id: str, now: datetime) -> StaffAct:
    """Return one waiting act, locked until the transaction ends: of two who approve it at once, one finds it done.

    Raises
    ------
    NotFound
        It is unknown, lapsed or ended.
    """
    act = session.scalar(
        _open().where(StaffAct.id == ids.internal("act", wire_id), StaffAct.open_until > now).with_for_update()
    )
    if act is None:
        raise NotFound
    return act


def matching(session: Session, kind: str, subject: Mapping[str, object], now: datetime) -> StaffAct | None:
    """Return the waiting act of exactly this kind and subject, locked."""
    return session.scalar(
        _open()
        .where(StaffAct.kind == kind, StaffAct.subject_sha256 == subject_sha256(subject), StaffAct.open_until > now)
        .with_for_update()
    )


def subject_sha256(subject: Mapping[str, object]) -> str:
    """Return the hash under which an act is approved."""
    return hashlib.sha256(canonical_json(subject).encode()).hexdigest()


def as_json(act: StaffAct) -> dict[str, object]:
    """Return an act as commands print it."""
    return {
        "act": act.wire_id,
        "kind": act.kind,
        "subject": act.subject,
        "reason": act.reason,
        "proposed_by": str(act.proposed_by),
        "proposed_at": act.proposed_at,
        "open_until": act.open_until,
        "end": act.end_reason,
    }


def _open() -> Select[StaffAct]:
    return select(StaffAct).where(StaffAct.ended_at.is_(None))


def _end(session: Session, act: StaffAct, reason: str, by: StaffActor, role: str, now: datetime) -> None:
    act.ended_at, act.ended_by, act.end_reason = now, by.account_id, reason
    session.flush()
    _note(session, {"done": "approve", "declined": "decline", "taken_back": "take_back"}[reason], act, by, role, now)


def _note(session: Session, step: str, act: StaffAct, by: StaffActor, role: str, now: datetime) -> None:
    audit.record(
        session,
        action=f"act.{step}",
        result="done",
        actor=by.name,
        now=now,
        detail={
            "act": act.wire_id, "kind": act.kind, "subject": act.subject, "role": role, "proof": by.proof,
            "reason": act.reason,
        },
    )  # fmt: skip
