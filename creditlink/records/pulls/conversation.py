"""One conversation with one office about one firm: asked if it may be, and taken in as far as it may be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import structlog

from creditlink.consents.service import live_for_work
from creditlink.kit.errors import ConsentRefused
from creditlink.kit.postgres import db
from creditlink.records.connectors.wire import Failure, Heard, PullStopped, listening
from creditlink.records.offices import gate
from creditlink.records.offices.admission import Admission, admit
from creditlink.records.offices.configuration import SourceConfig
from creditlink.records.offices.signatures import AnswerForged
from creditlink.records.pulls import pull as pulls
from creditlink.records.pulls.delivery import Delivery
from creditlink.records.sources import Sources

log = structlog.get_logger()

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Task:
    """What a pull asks for, read once at the beginning."""

    pull_id: UUID
    consent_id: UUID
    enterprise_id: UUID
    uscc: str
    since: date
    until: date
    sources: tuple[str, ...]
    categories: frozenset[str] = frozenset()  # of the consent
    puts_right: bool = False  # a source says that it corrected a row: it is asked anew, for no new computation


def converse(task: Task, name: str, sources: Sources, clock: Clock) -> Delivery:
    """Return what a source says of the task's firm; whatever goes wrong is a status of it.

    Raises
    ------
    PullStopped
        The consent no longer allows the pull.
    """
    circuit, source = sources.circuits[name], sources.config.sources[name]
    if circuit.is_open(clock()):
        return Delivery.failed(name, "DOWN", "left alone for a moment after repeated failures")
    with db.transaction("worker") as session:
        held = gate.refusal(session, name, source.calls, clock())
    if held is not None:
        return Delivery.failed(name, "DOWN", held.sentence)

    seconds = sources.config.limits.firm_seconds
    deadline = time.monotonic() + seconds

    def proceed() -> bool:
        if time.monotonic() > deadline:
            raise Failure("TIMEOUT", f"the office took longer than {seconds:.0f} s for one firm")
        try:
            with db.transaction("worker") as session:
                live_for_work(session, task.consent_id, now=clock(), spent_too=task.puts_right)
        except ConsentRefused:
            return False
        return True

    since = pulls.look_back_of(sources.config, name, since=task.since, until=task.until)
    with listening() as heard:
        try:
            delivery = sources.connectors[name].fetch(task.uscc, since=since, until=task.until, proceed=proceed)
            delivery = admit(delivery, Admission(name, sources.frames[name], source.categories, since, task.until))
        except PullStopped:
            raise
        except AnswerForged:
            delivery = Delivery.failed(name, "DENIED", "a signature is wrong")
        except Exception as error:
            # A bug in one connector must not take the other sources' answers with it.
            log.exception("connector_failed", source=name, pull_id=str(task.pull_id))
            delivery = Delivery.failed(name, "DOWN", f"the connector failed ({type(error).__name__})")
    delivery = _signed(delivery, heard, source)
    if heard.held_until is None:
        circuit.report(ok=delivery.status not in ("DOWN", "TIMEOUT"), firm=task.uscc)
    return delivery


def _signed(delivery: Delivery, heard: Heard, source: SourceConfig) -> Delivery:
    """Return a delivery with its signatures; of a source that signs, one without them is refused as a whole."""
    if heard.forged is not None:
        return Delivery.failed(source.name, "DENIED", f"nothing is taken in: {heard.forged}")
    if source.signed_by is not None and delivery.rows and heard.signatures is None:
        return Delivery.failed(source.name, "DENIED", "nothing is taken in: the connector shows no signature")
    delivery.signatures = heard.signatures
    return delivery
