"""Queued work on disputes: files to the scanner, cases to their sources, answers, clocks."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from creditlink.disputes import answers, configuration, ending, files, service, wire
from creditlink.disputes.configuration import DisputeTerms
from creditlink.disputes.corrections import service as corrections
from creditlink.disputes.rules import states
from creditlink.disputes.tables import Dispute
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import jobs
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.records import sources

log = structlog.get_logger()

_INSTANT = timedelta(microseconds=1)
"""A time that is over at the end of a day is told as that day."""


@jobs.app.task(name="disputes.go_on", queue="default", retry=jobs.AGAIN)
def go_on(dispute_id: str) -> None:
    """Do what is next for a dispute; safe to run again at any time."""
    advance(UUID(dispute_id), utc_now())


def advance(dispute_id: UUID, now: datetime) -> None:
    """Do what is next: contest, scan, tell the source, ask it, look for the row that it promised.

    Nothing stays open across the network.
    """
    terms = configuration.current()
    files.scan_waiting(dispute_id, now)
    with db.transaction("worker") as session:
        dispute = _locked(session, dispute_id)
        if dispute is None or answers.see(session, dispute, now):
            return
        if dispute.state == "filed":
            service.queue_contest(session, dispute_id)
        if dispute.state == "promised":
            answers.await_row(session, dispute, terms, now)
            if dispute.state == "promised":
                service.queue_work(session, dispute_id, at=answers.next_talk(dispute, now))
            return
        case = _case(session, dispute, terms, now)
    if case is not None:
        _talk(dispute_id, case, terms, now)


def _locked(session: Session, dispute_id: UUID) -> Dispute | None:
    return session.scalars(select(Dispute).where(Dispute.id == dispute_id).with_for_update()).one_or_none()


def _case(session: Session, dispute: Dispute, terms: DisputeTerms, now: datetime) -> dict[str, object] | None:
    """Return what a source is told of a dispute; None: it is not told now, or a person tells it."""
    if dispute.channel != "wire" or dispute.state not in ("filed", "sent"):
        return None
    if dispute.state == "filed" and files.wait(session, dispute, now, hours=terms.settings.scan_hours):
        return None
    firm = session.get_one(Enterprise, dispute.enterprise_id)
    return {
        "case": dispute.wire_id, "level": dispute.level, "uscc": firm.uscc, "frame": dispute.frame,
        "period": f"{dispute.period:%Y-%m}", "key": dispute.subkey, "version": dispute.said_version,
        "claim": dispute.claim, "statement": _statement(session, dispute), "wanted": dispute.wanted,
        "answer_by": day_of(dispute.due_at - _INSTANT).isoformat(),
        "files": [
            {"name": one.row.name, "sha256": one.row.sha256, "content": base64.b64encode(one.content).decode()}
            for one in files.served(session, dispute)
        ],
    }  # fmt: skip


def _statement(session: Session, dispute: Dispute) -> str:
    appeals = [one.note for one in service.events_of(session, dispute) if one.step == "appeal" and one.note]
    return appeals[-1] if dispute.level == states.APPEAL and appeals else dispute.statement


def _talk(dispute_id: UUID, case: dict[str, object], terms: DisputeTerms, now: datetime) -> None:
    """Tell the source or ask it, outside of any transaction, and take in what it says."""
    with db.transaction("worker") as session:
        dispute = session.get_one(Dispute, dispute_id)
        state, level, sent_at, name = dispute.state, dispute.level, dispute.sent_at, dispute.source
    source = sources.current().config.sources.get(name)
    verdict, trouble, is_told = None, None, state == "filed"
    try:
        if source is None:
            raise wire.SourceSilent("it is not connected any more")
        if is_told:
            wire.tell(source, case)
        else:
            try:
                verdict = wire.ask(source, str(case["case"]), level, sent_at=sent_at or now, now=now)
            except wire.CaseLost:
                wire.tell(source, case)
                is_told = True
    except wire.SourceSilent as silent:
        trouble, is_told = str(silent), False
    with db.transaction("worker") as session:
        known = _locked(session, dispute_id)
        if known is None or (known.state, known.level) != (state, level):
            return  # withdrawn, answered by hand or seen meanwhile
        # It still looked when it was last asked: an answer that is dated earlier came in after that all the same.
        pending_at = known.tried_at if known.trouble is None and state == "sent" else None
        known.tried_at, known.trouble = now, trouble
        known.tries = 1 if is_told else known.tries + 1
        if is_told:
            service.step(session, known, "send", actor="system", now=now)
            known.sent_at = known.sent_at or now
        if verdict is not None:
            answers.answered(
                session, known, verdict.verdict, verdict.reason,
                answered_at=max(verdict.answered_at, pending_at or verdict.answered_at),
                actor=f"source:{name}", terms=terms, now=now,
            )  # fmt: skip
        else:
            service.queue_work(session, dispute_id, at=answers.next_talk(known, now))
    log.info("dispute_talked", source=name, told=is_told, verdict=None if verdict is None else verdict.verdict,
             trouble=trouble)  # fmt: skip


@jobs.app.periodic(cron="* * * * *", periodic_id="disputes.sweep")
@jobs.app.task(name="disputes.sweep", queue="system", queueing_lock="disputes.sweep")
def sweep_periodically(timestamp: int) -> None:
    """Queue what lost its job, end what its source has corrected, tell of what is overdue."""
    sweep(utc_now())


def sweep(now: datetime) -> None:
    """Do so, each dispute in its own transaction."""
    with db.transaction("worker") as session:
        seen = [one.id for one in answers.changed_since(session)]
        due = [one.id for one in answers.overdue(session, now)]
        late = {*_late(session, now), *files.late(session, now, service.LATE)}
    jobs.each("disputes.see", seen, lambda session, one: _on(session, one, answers.see, now), now=now)
    jobs.each("disputes.overdue", due, lambda session, one: _on(session, one, answers.tell_overdue, now), now=now)
    jobs.each("disputes.late", sorted(late), lambda session, one: service.queue_work(session, one), now=now)
    if due:
        log.warning("disputes_overdue", disputes=len(due))  # the operator's word of it


@jobs.app.periodic(cron="17 2 * * *", periodic_id="disputes.remind")
@jobs.app.task(name="disputes.remind", queue="system", queueing_lock="disputes.remind")
def remind_periodically(timestamp: int) -> None:
    """Remind banks of corrections that they did not acknowledge, in the morning in Shanghai."""
    remind(utc_now())


def remind(now: datetime) -> None:
    """Do so, each in its own transaction."""
    terms = configuration.current()
    before = terms.calendar.before(now, terms.settings.remind_days)
    with db.transaction("worker") as session:
        waiting = corrections.unacknowledged(session, before)
        due = [row.id for row, _ in waiting if row.reminded_at is None]
    jobs.each("disputes.remind_of", due, lambda session, one: corrections.remind(session, one, now), now=now)
    if due:
        log.warning("corrections_unacknowledged", corrections=len(due))


Work = Callable[[Session, Dispute, datetime], object]


def _on(session: Session, dispute_id: UUID, work: Work, now: datetime) -> None:
    dispute = _locked(session, dispute_id)
    if dispute is not None:
        work(session, dispute, now)


def _late(session: Session, now: datetime) -> list[UUID]:
    """Return disputes that somebody should be working on and that nobody has touched for longer than any pause."""
    longest = answers.PAUSES[-1] + service.LATE
    by_wire = (Dispute.channel == "wire") & Dispute.state.in_(("filed", "sent"))
    is_new = Dispute.tried_at.is_(None) & (Dispute.changed_at < now - service.LATE)
    untouched = or_(Dispute.tried_at < now - longest, is_new)
    query = select(Dispute.id).where(by_wire | (Dispute.state == "promised"), untouched)
    return list(session.scalars(query))


@jobs.app.periodic(cron="23 18 * * *", periodic_id="disputes.files")
@jobs.app.task(name="disputes.files", queue="system", queueing_lock="disputes.files")
def empty_files(timestamp: int) -> None:
    """Delete the content of evidence whose time is over, at night in Shanghai."""
    with db.transaction("worker") as session:
        ending.empty_files(session, utc_now(), kept_days=configuration.current().settings.files_kept_days)
