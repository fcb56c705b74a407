"""The worker's side of a pull: ask all granted sources at once, commit each answer by itself.

A source that is slow holds its own slots only: a pull that finds none free asks the others and comes again.

Nothing stays open across the network. A part is written in the transaction of its facts, so
that a worker killed at any moment leaves either all of a part or nothing of it; the worker that takes
the job over asks for the unfinished parts again, and the facts' unique key makes repetition harmless.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.consents.service import live_for_work
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import ids, jobs
from creditlink.kit.errors import ConsentRefused
from creditlink.kit.postgres import db
from creditlink.kit.processes.metrics import PULL_SECONDS, PULLS
from creditlink.records import store
from creditlink.records.connectors.wire import PullStopped
from creditlink.records.offices import gate
from creditlink.records.offices.configuration import SourceConfig
from creditlink.records.pulls import pull as pulls
from creditlink.records.pulls import reuse
from creditlink.records.pulls.conversation import Clock, Task, converse
from creditlink.records.pulls.delivery import FAILED, OPEN_STATUSES, Delivery
from creditlink.records.pulls.freshness import later
from creditlink.records.pulls.reuse import EarlierAnswer, WantedCall
from creditlink.records.sources import Sources, serving
from creditlink.records.tables import Pull, PullPart, SourceHealth

log = structlog.get_logger()

CameTo = Literal["answered", "stopped", "busy"]

# How long a pull waits that found no slot of a source free.
_BUSY = timedelta(seconds=3)


def run_pull(consent_id: UUID, sources: Sources, clock: Clock, *, trigger: str = "consent") -> None:
    """Bring the records of a consent up to date; safe to run again at any time."""
    try:
        task = _begin(consent_id, sources, clock(), trigger)
    except ConsentRefused as refused:
        _stop(consent_id, clock(), str(refused.extra.get("reason")))
        return
    if task is None:
        return
    with ThreadPoolExecutor(max_workers=max(1, len(task.sources)), thread_name_prefix="pull") as pool:
        futures = [pool.submit(_ask, task, name, sources, clock) for name in task.sources]
    came_to = {future.result() for future in futures}
    if "stopped" in came_to:
        _stop(consent_id, clock(), "consent")
    elif "busy" in came_to:
        with db.transaction("worker") as session:
            pulls.queue_work(session, consent_id, at=clock() + _BUSY)
    else:
        _finish(task, sources, clock())


def _begin(consent_id: UUID, sources: Sources, now: datetime, trigger: str) -> Task | None:
    """Return what is left to ask: of the open pull, or of a new one where a source is due."""
    with db.transaction("worker") as session:
        is_open = Pull.consent_id == consent_id, Pull.status == "OPEN"
        puts_right = session.scalar(select(Pull.trigger).where(*is_open)) == "dispute"
        consent = live_for_work(session, consent_id, now=now, spent_too=puts_right)
        config = serving(sources.config, session, consent.enterprise_id)
        pull_id = None
        while pull_id is None:  # again where another worker has just ended the open one
            answers = pulls.last_answers(session, consent_id)
            due = pulls.due_sources(consent.categories, answers, config, now)
            is_open = session.scalar(select(Pull.id).where(Pull.consent_id == consent_id, Pull.status == "OPEN"))
            if is_open is None and not due:
                return None
            pull_id = pulls.open_pull(session, consent, due, trigger=trigger, now=now)
        opened = session.get_one(Pull, pull_id)
        # Parts that a dead worker had begun are among them.
        left = session.scalars(
            select(PullPart.source).where(PullPart.pull_id == opened.id, PullPart.status.in_(OPEN_STATUSES))
        ).all()
        firm = session.get_one(Enterprise, opened.enterprise_id)
        return Task(
            opened.id, consent_id, firm.id, firm.uscc, opened.since, opened.until, tuple(sorted(left)),
            frozenset(consent.categories), puts_right,
        )  # fmt: skip


def _ask(task: Task, name: str, sources: Sources, clock: Clock) -> CameTo:
    """Ask one source and store what it says."""
    began = time.perf_counter()
    with sources.slots.take(name) as free:
        if not free:
            return "busy"
        came_to = _begin_part(task, name, sources, clock())
        if came_to is not None:
            return came_to
        try:
            delivery = converse(task, name, sources, clock)
        except PullStopped:
            return "stopped"
    try:
        delivery, new_rows = _store(task, delivery, clock, sources.circuits[name].rests_until())
    except ConsentRefused:
        return "stopped"
    PULLS.labels(name, delivery.status).inc()
    PULL_SECONDS.labels(name).observe(time.perf_counter() - began)
    log.info(
        "source_answered",
        pull_id=str(task.pull_id),
        source=name,
        status=delivery.status,
        rows=delivery.rows,
        new_rows=new_rows,
        rejected=len(delivery.rejects),
        error=delivery.error,
    )
    return "answered"


def _store(task: Task, delivery: Delivery, clock: Clock, rests_until: datetime | None) -> tuple[Delivery, int]:
    """Store a source's answer; one that cannot be stored is that source's failure, and ends nothing else.

    Raises
    ------
    ConsentRefused
        The consent has ended meanwhile.
    sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError
        The database is away: the job runs again.
    """
    try:
        return delivery, _stored(task, delivery, clock(), rests_until)
    except (ConsentRefused, OperationalError, PoolTimeout):
        raise
    except Exception as error:
        log.exception("answer_not_stored", source=delivery.source, pull_id=str(task.pull_id))
        failed = Delivery.failed(delivery.source, "DOWN", f"the answer could not be stored ({type(error).__name__})")
        return failed, _stored(task, failed, clock(), rests_until)


def _stored(task: Task, delivery: Delivery, now: datetime, rests_until: datetime | None) -> int:
    with db.transaction("worker") as session:
        # The consent is locked in share mode until the facts are in: a revocation comes before or after.
        consent = live_for_work(session, task.consent_id, now=now, spent_too=task.puts_right)
        new_rows = store.save_delivery(
            session, delivery, enterprise_id=task.enterprise_id, pull_id=task.pull_id, now=now
        )
        _mark_finished(session, task, delivery, new_rows, now)
        _note_health(session, delivery, rests_until, now)
        _record(session, consent, delivery, new_rows, now)
    return new_rows


def _begin_part(task: Task, name: str, sources: Sources, now: datetime) -> CameTo | None:
    """Mark a part as being asked for; an earlier answer that serves as well ends it at once. None: ask the source."""
    source = sources.config.sources[name]
    wanted = WantedCall(
        task.consent_id, task.enterprise_id, name, _opened(source, task.categories), task.since, source.fresh,
        source.calls.equal_per_day,
    )  # fmt: skip
    try:
        with db.transaction("worker") as session:
            earlier = None if task.puts_right else reuse.find(session, wanted, now)
            consent = live_for_work(session, task.consent_id, now=now, spent_too=task.puts_right)
            if earlier is not None:
                _use_again(session, task, consent, earlier, now)
                return "answered"
            if not task.puts_right and reuse.is_under_way(
                session, wanted, now, timedelta(seconds=sources.config.limits.firm_seconds)
            ):
                return "busy"
            session.execute(
                update(PullPart)
                .where(PullPart.pull_id == task.pull_id, PullPart.source == name)
                .values(status="PENDING", attempt=PullPart.attempt + 1, began_at=now)
            )
    except ConsentRefused:
        return "stopped"
    return None


def _opened(source: SourceConfig, granted: frozenset[str]) -> tuple[str, ...]:
    """Return the source's categories that the consent or the law opens."""
    opened = tuple(c for c in source.categories if c in granted or reuse.is_public(c))
    return opened or source.categories


def _use_again(session: Session, task: Task, consent: Consent, earlier: EarlierAnswer, now: datetime) -> None:
    """End a part with what the office said before, and say so in the evidence: no call was made."""
    part = earlier.part
    session.execute(
        update(PullPart)
        .where(PullPart.pull_id == task.pull_id, PullPart.source == part.source)
        .values(
            status=part.status, rows=part.rows, total=part.total, new_rows=0, rejected=part.rejected,
            resources=part.resources, error=part.error, digest=part.digest, signatures=part.signatures,
            answered_at=earlier.answered_at, reused_pull_id=part.pull_id, finished_at=now,
        )
    )  # fmt: skip
    _append(
        session, consent, "records.reuse", part.status, now,
        {
            "source": part.source, "new_call": False, "answered_at": earlier.answered_at.isoformat(),
            "because": earlier.reason, "digest": part.digest,
        },
    )  # fmt: skip
    log.info("answer_used_again", pull_id=str(task.pull_id), source=part.source, because=earlier.reason)


def _mark_finished(session: Session, task: Task, delivery: Delivery, new_rows: int, now: datetime) -> None:
    session.execute(
        update(PullPart)
        .where(PullPart.pull_id == task.pull_id, PullPart.source == delivery.source)
        .values(
            status=delivery.status,
            rows=delivery.rows,
            total=delivery.total,
            new_rows=new_rows,
            rejected=len(delivery.rejects),
            resources={name: result.as_json() for name, result in delivery.resources.items()},
            error=delivery.error,
            digest=delivery.digest or None,
            signatures=delivery.signatures,
            finished_at=now,
        )
    )


def _note_health(session: Session, delivery: Delivery, rests_until: datetime | None, now: datetime) -> None:
    failed = delivery.status in FAILED
    state = "down" if failed else "degraded" if delivery.status == "PARTIAL" else "up"
    health = {
        "state": state,
        "changed_at": now,
        "last_success_at": None if failed else now,
        "last_failure_at": now if failed else None,
        "last_error": delivery.error,
        "rests_until": rests_until,
    }
    row = insert(SourceHealth).values(name=delivery.source, **health)
    # Last in the transaction: every pull of the source writes this one row.
    session.execute(
        row.on_conflict_do_update(
            index_elements=[SourceHealth.name],
            set_={
                "state": state,
                "changed_at": case(
                    (SourceHealth.state == state, SourceHealth.changed_at), else_=row.excluded.changed_at
                ),
                "last_success_at": func.coalesce(row.excluded.last_success_at, SourceHealth.last_success_at),
                "last_failure_at": func.coalesce(row.excluded.last_failure_at, SourceHealth.last_failure_at),
                "last_error": row.excluded.last_error,
                "rests_until": row.excluded.rests_until,
            },
        )
    )


def _record(session: Session, consent: Consent, delivery: Delivery, new_rows: int, now: datetime) -> None:
    """Leave a trace that the firm sees: which office was asked, and how much it said."""
    _append(
        session, consent, "records.pull", delivery.status, now,
        {
            **delivery.as_evidence(), "new_rows": new_rows, "rejected": len(delivery.rejects),
            "digest": delivery.digest or None,
        },
    )  # fmt: skip


def _append(
    session: Session, consent: Consent, action: str, status: str, now: datetime, detail: dict[str, object]
) -> None:
    audit.record(
        session,
        action=action,
        result=status.lower(),
        actor="system",
        now=now,
        enterprise_id=consent.enterprise_id,
        institution_id=consent.institution_id,
        client_id=consent.client_id,
        consent_id=consent.id,
        purpose=consent.purpose,
        detail=detail,
    )


def _finish(task: Task, sources: Sources, now: datetime) -> None:
    """Close the pull; where a source failed, ask it again later, for as long as the consent lives."""
    with db.transaction("worker") as session:
        _close(session, task.pull_id, "DONE", now)
        failed = session.scalars(
            select(PullPart.source).where(
                PullPart.pull_id == task.pull_id, PullPart.status.in_(("PARTIAL", "TIMEOUT", "DOWN"))
            )
        ).all()
        tried = session.scalar(
            select(func.count()).select_from(Pull).where(Pull.consent_id == task.consent_id, Pull.trigger == "retry")
        )
        delay = later(tried or 0, sources.config.retry_later)
        consent = session.get_one(Consent, task.consent_id)
        if failed and delay is not None:
            delay = max(delay, _held(session, failed, sources, now))
        if failed and delay is not None and now + delay < consent.expires_at:
            # Without a lock: a job that waits would hold up the pulls that a bank asks for meanwhile.
            jobs.defer(
                session, "records.retry_pull", queue="pulls", queueing_lock=f"retry:{task.consent_id}",
                schedule_at=now + delay, consent_id=str(task.consent_id),
            )  # fmt: skip


def _held(session: Session, failed: Sequence[str], sources: Sources, now: datetime) -> timedelta:
    """Return how long all of the failed sources must still be left alone; nothing where one of them may be asked."""
    turns = [gate.refusal(session, name, sources.config.sources[name].calls, now) for name in failed]
    until = [turn.refused_until for turn in turns if turn is not None and turn.refused_until is not None]
    return min(until) - now if len(until) == len(failed) else timedelta(0)


def _stop(consent_id: UUID, now: datetime, reason: str) -> None:
    """End the open pull of a consent that no longer allows it."""
    with db.transaction("worker") as session:
        for pull_id in session.scalars(select(Pull.id).where(Pull.consent_id == consent_id, Pull.status == "OPEN")):
            _close(session, pull_id, "STOPPED", now)
            log.info("pull_stopped", pull_id=str(pull_id), reason=reason)


def _close(session: Session, pull_id: UUID, status: str, now: datetime) -> None:
    session.execute(
        update(Pull).where(Pull.id == pull_id, Pull.status == "OPEN").values(status=status, finished_at=now)
    )
    # Heard when the transaction commits, by the servers whose requests wait for the pull.
    session.execute(select(func.pg_notify(pulls.ENDED, ids.external(pulls.PREFIX, pull_id))))
