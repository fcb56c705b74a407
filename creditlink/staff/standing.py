"""A person's standing as an act of two operators: proposed at the desk, approved and done on the command line."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.kit.errors import InvalidRequest
from creditlink.staff import people, roles
from creditlink.staff.actor import StaffActor
from creditlink.staff.acts import KINDS, ActKind, propose
from creditlink.staff.tables import StaffAct

STANDING = "staff.standing"


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


def _do(session: Session, act: StaffAct, proposer: StaffActor, approver: StaffActor, now: datetime) -> None:
    del proposer
    people.move(session, str(act.subject["login"]), str(act.subject["to"]), by=approver, reason=act.reason, now=now)


# The pages' role of the database changes nobody's standing: the second person approves on the command line.
KINDS.add(
    STANDING,
    ActKind("变更人员状态", "A change of a person's standing", ("operator",), ("operator",), _do, at_desk=False),
)
