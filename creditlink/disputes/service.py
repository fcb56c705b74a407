"""Disputes: filed, withdrawn, appealed by the firm; every step of one goes through `step`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.decisions.kept import classes_of
from creditlink.disputes import files, versions
from creditlink.disputes.configuration import DisputeTerms
from creditlink.disputes.ending import CLASS
from creditlink.disputes.rules import registration, repair, states
from creditlink.disputes.rules.datum import CLAIMS, REPAIR, SEARCHED, Datum
from creditlink.disputes.rules.repair import RepairStanding
from creditlink.disputes.rules.states import DisputeStepRefused
from creditlink.disputes.tables import PREFIX, Dispute, DisputeEvent
from creditlink.disputes.versions import DatumVersion
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit import ids, jobs
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.documents import TakenFile
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.messages.service import tell_firm
from creditlink.records.pulls.delivery import FactValue

MOST_STATEMENT = 2_000
CONTEST = "profiles.contest"
"""The task that notes beside profiles what they say without the datum: `profiles.reliance.contested`."""
MOST_OPEN = 50
"""Disputes of one firm that are open at once."""


@dataclass(frozen=True)
class WantedDispute:
    """What a firm says of a datum."""

    datum: Datum
    claim: str
    statement: str
    wanted: Mapping[str, FactValue] = field(default_factory=dict)
    evidence: Sequence[TakenFile] = ()


def repair_of(version: DatumVersion, terms: DisputeTerms, now: datetime) -> RepairStanding | None:
    """Return where a public credit record stands by the rules of repair; None: there are none for it."""
    if version.datum.frame != repair.FRAME:
        return None
    return repair.standing(version.values, version.datum.kind, terms.settings.repair, day_of(now))


def file(
    session: Session, firm: Enterprise, account: Account, asked: WantedDispute, *, terms: DisputeTerms, now: datetime
) -> Dispute:
    """Take a dispute in, with its files, and queue what follows.

    Raises
    ------
    InvalidRequest
        The claim or the statement is none; `errors` names the field.
    NotFound
        The firm has no such datum.
    Conflict
        The datum is disputed already (`dispute` names it), repair is not due, or too many disputes are open.
    """
    _check(asked)
    version = versions.in_force(session, firm.id, asked.datum, now)
    if version is None or asked.datum.kind == SEARCHED:
        raise NotFound
    if asked.datum.is_registered:
        _check_entry(asked, version)
    wanted = dict(asked.wanted)
    if asked.claim == REPAIR:
        standing = repair_of(version, terms, now)
        if standing is None or not standing.may_apply:
            raise Conflict("repair is not due", reason=f"repair_{standing.why_not if standing else 'no_rule'}")
        wanted = {"ended_on": day_of(now).isoformat()}
    if len(open_of(session, firm.id)) >= MOST_OPEN:
        raise Conflict(f"at most {MOST_OPEN} disputes are open at once", reason="too_many_disputes")
    dispute = Dispute(
        id=uuid4(), enterprise_id=firm.id, opened_by=account.id, claim=asked.claim, statement=asked.statement,
        wanted=wanted, category=version.category, frame=asked.datum.frame, period=asked.datum.period,
        subkey=asked.datum.subkey, source=version.source,
        channel="wire" if version.source in terms.settings.wired else "desk", fact_id=version.fact_id,
        said=dict(version.values), said_version=version.version, said_hash=version.content_hash,
        held_since_at=versions.held_since(session, firm.id, version, now), state="filed", level=states.FIRST,
        opened_at=now, due_at=terms.calendar.due_at(now, terms.settings.source_days), tries=0, changed_at=now,
        keep_until=kept_until(now),
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(dispute)
    except IntegrityError:
        earlier = open_on(session, firm.id, asked.datum)
        known = None if earlier is None else earlier.wire_id
        raise Conflict("the datum is disputed already", reason="disputed", dispute=known) from None
    _add_event(session, dispute, "file", f"account:{account.id}", now, None)
    files.take(session, dispute, asked.evidence, now=now)
    queue_work(session, dispute.id)
    _record(session, dispute, "file", f"account:{account.id}", now, {"claim": dispute.claim})
    return dispute


def _check(asked: WantedDispute) -> None:
    errors = []
    if asked.claim not in CLAIMS:
        errors.append({"pointer": "/claim", "detail": f"must be one of {', '.join(CLAIMS)}"})
    if not asked.statement.strip():
        errors.append({"pointer": "/statement", "detail": "say what is wrong"})
    if len(asked.statement) > MOST_STATEMENT:
        errors.append({"pointer": "/statement", "detail": f"at most {MOST_STATEMENT} characters"})
    if asked.claim == REPAIR and asked.datum.frame != repair.FRAME:
        errors.append({"pointer": "/claim", "detail": "only a public credit record is repaired"})
    if errors:
        raise InvalidRequest(errors=errors)


def _check_entry(asked: WantedDispute, version: DatumVersion) -> None:
    """Refuse what nobody could compare the register with: of an entry that is wrong, the right one is named."""
    name, errors = asked.datum.subkey, []
    if asked.claim == "wrong" and name not in asked.wanted:
        errors.append({"pointer": "/wanted", "detail": "say what the register should say"})
    if set(asked.wanted) - {name}:
        errors.append({"pointer": "/wanted", "detail": "is of another entry"})
    if name in asked.wanted and registration.is_same(asked.wanted[name], version.values[name]):
        errors.append({"pointer": "/wanted", "detail": "is what the register says"})
    if errors:
        raise InvalidRequest(errors=errors)


def kept_until(now: datetime) -> datetime:
    """Return until when a dispute that ends `now` is kept."""
    return classes_of(runtime.part(Settings)).of(CLASS).until(now)


def open_on(session: Session, enterprise_id: UUID, datum: Datum) -> Dispute | None:
    """Return the open dispute on a datum, if there is one."""
    return next((one for one in open_of(session, enterprise_id) if one.datum == datum), None)


def open_of(session: Session, enterprise_id: UUID) -> Sequence[Dispute]:
    """Return the open disputes of a firm, the oldest first, as far as the viewer may see them."""
    query = select(Dispute).where(Dispute.enterprise_id == enterprise_id, Dispute.state.in_(states.OPEN))
    return session.scalars(query.order_by(Dispute.opened_at, Dispute.id)).all()


def of_firm(session: Session, firm: Enterprise) -> Sequence[Dispute]:
    """Return a firm's disputes, the newest first."""
    query = select(Dispute).where(Dispute.enterprise_id == firm.id)
    return session.scalars(query.order_by(Dispute.opened_at.desc(), Dispute.id).limit(200)).all()


def named(session: Session, wire_id: str, *, firm_id: UUID | None = None, lock: bool = False) -> Dispute:
    """Return a dispute by its id on the wire; `firm_id`: of that firm alone.

    Raises
    ------
    NotFound
        There is none: unknown and another firm's look the same.
    """
    query = select(Dispute).where(Dispute.id == ids.internal(PREFIX, wire_id))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(query).one_or_none()
    if found is None or firm_id not in (None, found.enterprise_id):
        raise NotFound
    return found


def events_of(session: Session, dispute: Dispute) -> Sequence[DisputeEvent]:
    """Return a dispute's history, the oldest first."""
    query = select(DisputeEvent).where(DisputeEvent.dispute_id == dispute.id)
    return session.scalars(query.order_by(DisputeEvent.id)).all()


def withdraw(session: Session, dispute: Dispute, account: Account, *, now: datetime) -> None:
    """End a dispute that the firm does not pursue; its datum is contested no more.

    Raises
    ------
    Conflict
        It is over, or the source has taken its record back already.
    """
    step(session, dispute, "withdraw", actor=f"account:{account.id}", now=now)


def appeal(
    session: Session, dispute: Dispute, account: Account, statement: str, *, terms: DisputeTerms, now: datetime
) -> None:
    """Ask the source to look once more, within the firm's time; the datum is contested again.

    Raises
    ------
    InvalidRequest
        Nothing is said, or too much.
    Conflict
        The source does not stand by its record, the time is over, it was appealed before, or disputed anew.
    """
    if not statement.strip() or len(statement) > MOST_STATEMENT:
        raise InvalidRequest(errors=[{"pointer": "/statement", "detail": f"1 … {MOST_STATEMENT} characters"}])
    if dispute.level != states.FIRST:
        raise Conflict("the source has looked twice", reason="appealed")
    if dispute.state == "upheld" and (dispute.appeal_until is None or now >= dispute.appeal_until):
        raise Conflict("the time to appeal is over", reason="too_late")
    try:
        with session.begin_nested():
            step(session, dispute, "appeal", actor=f"account:{account.id}", now=now, note=statement.strip())
            dispute.level, dispute.ended_at = states.APPEAL, None
            dispute.sent_at = dispute.answered_at = dispute.verdict = dispute.answer = None
            dispute.appeal_until = dispute.overdue_told_at = dispute.trouble = None
            dispute.due_at = terms.calendar.due_at(now, terms.settings.appeal_days)
            session.flush()
    except IntegrityError:
        raise Conflict("the datum is disputed already", reason="disputed") from None
    queue_work(session, dispute.id)


def step(
    session: Session,
    dispute: Dispute,
    name: str,
    *,
    actor: str,
    now: datetime,
    note: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Take a step of a dispute that the caller has locked: the one place where states change.

    Raises
    ------
    Conflict
        Its state forbids the step.
    """
    try:
        state = states.after(dispute.state, name)
    except DisputeStepRefused as refused:
        raise Conflict(str(refused), reason=dispute.state) from None
    dispute.state, dispute.changed_at = state, now
    if state in states.OPEN:
        dispute.ended_at = None
    else:
        dispute.ended_at, dispute.keep_until = now, kept_until(now)
    _add_event(session, dispute, name, actor, now, note)
    if not actor.startswith("account:"):  # the firm knows what it did itself
        about = f"{dispute.id} {name} {now.isoformat(timespec='seconds')}"
        tell_firm(
            session,
            dispute.enterprise_id,
            "dispute_moved",
            now,
            page=f"/portal/disputes/{dispute.wire_id}",
            about=about,
        )
    _record(session, dispute, name, actor, now, dict(detail or {}))


def note(session: Session, dispute: Dispute, name: str, *, actor: str, now: datetime, text: str | None = None) -> None:
    """Note something in a dispute's history that changes no state."""
    _add_event(session, dispute, name, actor, now, text)
    _record(session, dispute, name, actor, now, {})


def _add_event(session: Session, dispute: Dispute, name: str, actor: str, now: datetime, note: str | None) -> None:
    session.flush()
    session.add(DisputeEvent(dispute_id=dispute.id, at=now, actor=actor, step=name, to_state=dispute.state, note=note))


def _record(
    session: Session, dispute: Dispute, name: str, actor: str, now: datetime, detail: dict[str, object]
) -> None:
    """Write it into the firm's evidence: which datum, never what it says nor the words of people."""
    told = {
        "dispute": dispute.wire_id, "category": dispute.category, "frame": dispute.frame,
        "period": None if dispute.datum.is_registered else dispute.period.isoformat(),
        **({"entry": dispute.subkey} if dispute.datum.is_registered else {}),
        "source": dispute.source, "state": dispute.state, **detail,
    }  # fmt: skip
    audit.record(
        session, action=f"dispute.{name}", result="done", actor=actor, now=now, enterprise_id=dispute.enterprise_id,
        detail=told,
    )  # fmt: skip


def queue_work(session: Session, dispute_id: UUID, *, at: datetime | None = None) -> None:
    """Queue the next thing to do for a dispute, unless it waits already."""
    jobs.defer(
        session, "disputes.go_on", queueing_lock=f"dispute:{dispute_id}", lock=f"dispute:{dispute_id}",
        schedule_at=at, dispute_id=str(dispute_id),
    )  # fmt: skip


def queue_contest(session: Session, dispute_id: UUID) -> None:
    """Queue what a contested datum does to the profiles that read it."""
    jobs.defer(session, CONTEST, queueing_lock=f"contest:{dispute_id}", dispute_id=str(dispute_id))


LATE = timedelta(minutes=2)
"""What waits for so long has perhaps lost its job."""
