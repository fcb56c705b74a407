"""Acts of two people of one institution: one writes or proposes, another confirms exactly the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.desk.people.roles import DeskActor
from creditlink.desk.tables import DeskAct, DeskPerson
from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.files.textfile import canonical_json
from creditlink.kit.postgres import db


def propose(actor: DeskActor, kind: str, subject: Mapping[str, object], now: datetime) -> DeskAct:
    """Note what a person proposes, or wrote and a colleague is to check; the same again is the same act.

    Raises
    ------
    Conflict
        A colleague proposed the same, and it waits.
    """
    digest = hashlib.sha256(canonical_json(subject).encode()).hexdigest()
    act = DeskAct(
        institution_id=actor.institution_id, kind=kind, subject=dict(subject), subject_sha256=digest,
        proposed_by=actor.account_id, proposed_at=now,
    )  # fmt: skip
    with _transaction(actor) as session:
        waits: DeskAct | None = session.scalar(
            _open(actor).where(DeskAct.kind == kind, DeskAct.subject_sha256 == digest)
        )
        if waits is None:
            try:
                with session.begin_nested():
                    session.add(act)
            except IntegrityError:
                raise Conflict("somebody proposed the same just now", reason="waits") from None
            _note(session, actor, "propose", act, now)
            return act
    if waits.proposed_by != actor.account_id:
        raise Conflict("a colleague proposed the same, and it waits", reason="waits")
    return waits


def waiting(actor: DeskActor, *kinds: str) -> Sequence[tuple[DeskAct, Account]]:
    """Return what waits for a second person of the institution, each with who proposed it, the oldest first."""
    query = (
        select(DeskAct, Account)
        .join(Account, Account.id == DeskAct.proposed_by)
        .where(DeskAct.ended_at.is_(None), DeskAct.institution_id == actor.institution_id, DeskAct.kind.in_(kinds))
    )
    with _transaction(actor) as session:
        return [(row[0], row[1]) for row in session.execute(query.order_by(DeskAct.proposed_at, DeskAct.id))]


def has_hand_in(actor: DeskActor, kind: str, which: Mapping[str, object]) -> bool:
    """Return whether the person proposed any act of a kind about this: whoever wrote some of it cannot check it."""
    about: ColumnElement[bool] = DeskAct.subject.contains(dict(which))
    query = select(DeskAct.id).where(
        DeskAct.institution_id == actor.institution_id, DeskAct.kind == kind, about,
        DeskAct.proposed_by == actor.account_id,
    )  # fmt: skip
    with _transaction(actor) as session:
        return session.scalar(query.limit(1)) is not None


def taken(actor: DeskActor, wire_id: str, role: str, now: datetime) -> DeskAct:
    """Approve what a colleague proposed: it is the caller's to do, once, and this is the only one who may.

    Raises
    ------
    NotFound
        It is unknown, another institution's, or ended: of two who approve at once, one finds it done.
    Conflict
        It is one's own, or who proposed it may no longer.
    """
    with _transaction(actor) as session:
        act = _locked(session, actor, wire_id)
        if act.proposed_by == actor.account_id:
            raise Conflict("you proposed it: a colleague approves", reason="own_work")
        person = session.get_one(DeskPerson, act.proposed_by)
        if person.status != "active" or role not in person.roles:
            raise Conflict("whoever proposed it may no longer", reason="proposer")
        _end(session, actor, act, "done", now)
        return act


def dropped(actor: DeskActor, wire_id: str, now: datetime) -> None:
    """End a proposal without doing it.

    Raises
    ------
    NotFound
        It is unknown, another institution's, or ended.
    """
    with _transaction(actor) as session:
        act = _locked(session, actor, wire_id)
        _end(session, actor, act, "taken_back" if act.proposed_by == actor.account_id else "declined", now)


def _locked(session: Session, actor: DeskActor, wire_id: str) -> DeskAct:
    act: DeskAct | None = session.scalar(
        _open(actor).where(DeskAct.id == ids.internal("act", wire_id)).with_for_update()
    )
    if act is None:
        raise NotFound
    return act


def _open(actor: DeskActor) -> Select[DeskAct]:
    return select(DeskAct).where(DeskAct.ended_at.is_(None), DeskAct.institution_id == actor.institution_id)


def _transaction(actor: DeskActor) -> AbstractContextManager[Session]:
    return db.transaction(viewer=db.Viewer(institution_id=actor.institution_id))


def _end(session: Session, actor: DeskActor, act: DeskAct, reason: str, now: datetime) -> None:
    act.ended_at, act.ended_by, act.end_reason = now, actor.account_id, reason
    session.flush()
    _note(session, actor, {"done": "approve", "declined": "decline", "taken_back": "take_back"}[reason], act, now)


def _note(session: Session, actor: DeskActor, step: str, act: DeskAct, now: datetime) -> None:
    session.flush()
    audit.record(
        session, action=f"desk.act.{step}", result="done", actor=actor.name, now=now,
        institution_id=actor.institution_id, detail={"act": act.wire_id, "kind": act.kind, "subject": act.subject},
    )  # fmt: skip
