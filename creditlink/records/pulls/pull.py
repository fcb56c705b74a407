"""Pulls: which sources must be asked for a consent, and the session that a bank polls meanwhile.

A pull belongs to one consent. The request side (`ensure_fresh`) decides and queues; the worker side
is in `fetching.py`. The two meet in the tables, so that any process may die at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.kit import ids, jobs
from creditlink.kit.clock import add_months, day_of, month_start
from creditlink.records import sources
from creditlink.records.pulls.delivery import FAILED, OPEN_STATUSES, StoredResult
from creditlink.records.pulls.freshness import LastAnswer, Patience, State, is_due, is_stale, is_whole, state_of
from creditlink.records.pulls.reuse import USABLE, WHOLE
from creditlink.records.sources import SourcesConfig
from creditlink.records.tables import Pull, PullPart

PREFIX = "pul"
ENDED = "creditlink_pull_ended"  # the channel that announces it

PUBLIC_MONTHS = 120
"""How far back public records are asked for: a listing or an enforcement of years ago may be in force today.

It is no part of any consent, which bounds what a firm grants.
"""


@dataclass(frozen=True)
class SourceState:
    """The state of one granted source."""

    source: str
    status: str  # of its last answer; READY or PENDING while it is being asked
    finished_at: datetime | None = None
    usable_at: datetime | None = None
    stale: bool = True
    error: str | None = None
    rejected: int = 0  # rows kept aside at the last answer
    withheld_months: tuple[str, ...] = ()
    whole: bool = False  # it answered in full, and not longer ago than its facts may be old

    def as_json(self) -> dict[str, object]:
        """Return it as banks see it."""
        return {
            "status": self.status,
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "stale": self.stale,
            "error": self.error,
        }


@dataclass(frozen=True)
class PullState:
    """Whether a profile can be computed now, and from what.

    fresh: every granted source has answered (perhaps with a failure that the profile then reports).
    pending: `pull_id` is being worked on. failed: no granted source has ever given anything. A source of public records
    that has failed is asked again, and not waited for.
    """

    state: State
    pull_id: UUID | None
    sources: dict[str, SourceState]
    holders: Mapping[str, str]  # category -> the source that holds it for this firm

    @property
    def wire_id(self) -> str | None:
        """Return the id of the session to poll."""
        return ids.external(PREFIX, self.pull_id) if self.pull_id else None


def look_back(consent: Consent, now: datetime) -> tuple[date, date]:
    """Return the first month that the consent opens, and the last day."""
    today = day_of(now)
    began = day_of(consent.starts_at) if consent.starts_at else today
    return add_months(month_start(began), -consent.history_months), today


def look_back_of(config: SourcesConfig, source: str, *, since: date, until: date) -> date:
    """Return the first month that a source is asked for: the consent's, or that of public records."""
    return add_months(month_start(until), -(PUBLIC_MONTHS - 1)) if config.is_public(source) else since


def ensure_fresh(
    session: Session, consent: Consent, now: datetime, *, categories: Collection[str] | None = None
) -> PullState:
    """Return the state of the consent's records, and queue a pull where a source must be asked.

    The caller has checked that the consent is live, in this transaction. `categories` are those that the bank's
    token opens, all of the consent where it is None: no other source is waited for.
    """
    opened = consent.categories if categories is None else categories
    while True:
        state, due = _judge(session, consent, opened, now)
        if state.state != "pending":
            if due:
                start(session, consent, due, trigger="profile", now=now)
            return state
        # Also where a pull is open: it may have lost its job, and one that waits already is not doubled.
        pull_id = start(session, consent, due, trigger="profile", now=now)
        if pull_id is not None:
            return replace(state, pull_id=pull_id)
        # The pull that was waited for has ended since: what it brought is judged again.


def state_now(session: Session, consent: Consent, now: datetime) -> PullState:
    """Return the state of the consent's records; changes nothing."""
    return _judge(session, consent, consent.categories, now)[0]


def _judge(
    session: Session, consent: Consent, categories: Collection[str], now: datetime
) -> tuple[PullState, list[str]]:
    config = sources.serving(sources.current().config, session, consent.enterprise_id)
    needed = config.for_categories(categories)
    answers = last_answers(session, consent.id)
    due = due_sources(categories, answers, config, now)
    running = session.execute(
        select(Pull.id, PullPart.source, PullPart.status)
        .join(PullPart, PullPart.pull_id == Pull.id)
        .where(Pull.consent_id == consent.id, Pull.status == "OPEN")
    ).all()
    open_parts = {row.source: row.status for row in running if row.status in OPEN_STATUSES}
    unwaited = {name for name in due if config.is_public(name) and name in answers and answers[name].status in FAILED}
    found: dict[str, SourceState] = {}
    for name in needed:
        answer = answers.get(name)
        if name in due and name not in unwaited:
            found[name] = SourceState(name, open_parts.get(name, "READY"))
        elif answer is not None:
            stale = is_stale(answer, patience(config, name), now)
            found[name] = SourceState(
                name,
                answer.status,
                answer.finished_at,
                answer.usable_at,
                stale,
                answer.error,
                answer.rejected,
                answer.withheld_months,
                is_whole(answer, patience(config, name), now),
            )
    granted = {name: answers.get(name) for name in needed if not config.is_public(name)}
    state = state_of(granted, set(due) - unwaited)
    # A pull that is under way for something else does not answer what is due here.
    pull_id = next((row.id for row in running if set(due) <= {r.source for r in running}), None)
    holders = {category: name for name, source in config.sources.items() for category in source.categories}
    return PullState(state, pull_id, found, holders), due


def due_sources(
    categories: Iterable[str], answers: dict[str, LastAnswer], config: SourcesConfig, now: datetime
) -> list[str]:
    """Return the sources that hold the granted categories and must be asked; `config` has those that serve the firm."""
    return [
        name for name in config.for_categories(categories) if is_due(answers.get(name), patience(config, name), now)
    ]


def patience(config: SourcesConfig, source: str) -> Patience:
    """Return how long the source's answers stay good."""
    first_retry = config.retry_later[0] if config.retry_later else timedelta(minutes=5)
    return Patience(config.sources[source].fresh, first_retry, config.retry_soon)


def last_answers(session: Session, consent_id: UUID) -> dict[str, LastAnswer]:
    """Return what each source last answered under a consent."""
    answered_at = func.coalesce(PullPart.answered_at, PullPart.finished_at)  # by the office, for whichever consent
    usable_at = func.max(answered_at).filter(PullPart.status.in_(USABLE)).over(partition_by=PullPart.source)
    whole_at = func.max(answered_at).filter(PullPart.status.in_(WHOLE)).over(partition_by=PullPart.source)
    query = (
        select(
            PullPart.source,
            PullPart.status,
            PullPart.finished_at,
            PullPart.error,
            PullPart.rejected,
            PullPart.resources,
            usable_at.label("usable_at"),
            whole_at.label("whole_at"),
        )
        .join(Pull, Pull.id == PullPart.pull_id)
        .where(Pull.consent_id == consent_id, PullPart.finished_at.is_not(None))
        .ext(distinct_on(PullPart.source))
        .order_by(PullPart.source, PullPart.finished_at.desc())
    )
    return {
        row.source: LastAnswer(
            row.source,
            row.status,
            row.finished_at,
            row.error,
            row.usable_at,
            row.rejected,
            _withheld(row.resources),
            row.whole_at,
        )
        for row in session.execute(query)
    }


def _withheld(resources: Mapping[str, StoredResult]) -> tuple[str, ...]:
    return tuple(sorted({month for one in resources.values() for month in one.get("withheld_months", ())}))


def start(session: Session, consent: Consent, names: Iterable[str], *, trigger: str, now: datetime) -> UUID | None:
    """Open a pull of the named sources and queue its work; return the open one if there is one already.

    None where the open one ended meanwhile: what is due must be judged again.
    """
    pull_id = open_pull(session, consent, names, trigger=trigger, now=now)
    if pull_id is not None:
        queue_work(session, consent.id)
    return pull_id


def queue_work(session: Session, consent_id: UUID, *, at: datetime | None = None) -> None:
    """Queue the work of a consent's pull, now or later, unless it waits already."""
    jobs.defer(
        session, "records.pull_consent", queue="pulls", lock=f"consent:{consent_id}",
        queueing_lock=f"pull:{consent_id}", schedule_at=at, consent_id=str(consent_id),
    )  # fmt: skip


def open_pull(session: Session, consent: Consent, names: Iterable[str], *, trigger: str, now: datetime) -> UUID | None:
    """Return the consent's open pull, opened now unless there is one; the named sources take part in it.

    None where the open one ended meanwhile: what is due must be judged again.
    """
    since, until = look_back(consent, now)
    # The partial index lets one of several that try at once open the pull; the others join it.
    session.execute(
        insert(Pull)
        .values(
            id=uuid4(),
            consent_id=consent.id,
            enterprise_id=consent.enterprise_id,
            trigger=trigger,
            status="OPEN",
            since=since,
            until=until,
            requested_at=now,
        )
        .on_conflict_do_nothing(index_elements=["consent_id"], index_where=text("status = 'OPEN'"))
    )
    pull_id = session.scalar(select(Pull.id).where(Pull.consent_id == consent.id, Pull.status == "OPEN"))
    if pull_id is None:  # the one that was in the way has ended between the two statements
        return None
    rows = [
        {
            "pull_id": pull_id,
            "source": name,
            "status": "READY",
            "attempt": 0,
            "rows": 0,
            "new_rows": 0,
            "rejected": 0,
            "resources": {},
        }
        for name in names
    ]
    if rows:
        session.execute(insert(PullPart).values(rows).on_conflict_do_nothing())
    return pull_id
