"""`creditlink reviews …`: decisions that a person looks at, overrides and their monitor, notices and their clocks."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import click

from creditlink.cli.acting import named, operators_transaction, person_for
from creditlink.cli.output import iso, print_json
from creditlink.kit.clock import start_of_day
from creditlink.reviews import decide, monitor, queue
from creditlink.reviews.notices import service as notices
from creditlink.reviews.queue import CaseQuery
from creditlink.reviews.routes import cases_json
from creditlink.reviews.rules.causes import CAUSES
from creditlink.reviews.rules.overrides import KINDS, REASONS, WantedOverride
from creditlink.reviews.rules.states import STATES

_DAY = click.DateTime(["%Y-%m-%d"])
_LIMIT = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many."
)
_transaction = partial(operators_transaction, nothing="there is no such case: creditlink reviews list")


@click.group()
def reviews() -> None:
    """Decisions that a person looks at: the queue, overrides and their monitor, notices of adverse action.

    open → claimed → decided, or expired when the clock runs out. An override stands beside the model's result; what
    loosens takes a second reviewer, at the desk or with creditlink staff approve.
    """


@reviews.command("list")
@click.option("--state", type=click.Choice(list(STATES)), help="Only cases in this state.")
@click.option("--cause", type=click.Choice(list(CAUSES)), help="Only cases with this cause.")
@_LIMIT
def list_cases(state: str | None, cause: str | None, limit: int) -> None:
    """List cases, what is due first first."""
    with _transaction() as (session, now):
        print_json(cases_json(session, queue.listed(session, CaseQuery(state, cause, limit))[0], now), default=iso)


@reviews.command()
@click.argument("case")
def show(case: str) -> None:
    """Show one case: why it is here, the model's result, what was decided."""
    with _transaction() as (session, now):
        print_json(cases_json(session, [queue.case_of(session, case)], now)[0], default=iso)


@reviews.command()
@click.argument("case")
@named
def claim(case: str, who: str | None) -> None:
    """Take a case; who was quicker keeps it."""
    with _transaction() as (session, now):
        found = queue.case_of(session, case, lock=True)
        queue.claim(session, found, by=person_for(session, who, *queue.REVIEWERS, now=now), now=now)
        print_json({"case": found.wire_id, "state": found.state, "due_at": found.due_at}, default=iso)


@reviews.command()
@click.argument("case")
@named
def release(case: str, who: str | None) -> None:
    """Give a case back to the queue: one's own, or as an operator anybody's."""
    with _transaction() as (session, now):
        found = queue.case_of(session, case, lock=True)
        queue.release(session, found, by=person_for(session, who, *queue.REVIEWERS, "operator", now=now), now=now)
        print_json({"case": found.wire_id, "state": found.state})


@reviews.command("confirm")
@click.argument("case")
@click.option("--reason", required=True, help="Why the result stands.")
@named
def confirm_case(case: str, reason: str, who: str | None) -> None:
    """Decide that the model's result stands."""
    with _transaction() as (session, now):
        found = queue.case_of(session, case, lock=True)
        by = person_for(session, who, *queue.REVIEWERS, now=now)
        decide.confirm(session, found, by=by, reason=reason, now=now)
        print_json({"case": found.wire_id, "state": found.state, "decision": found.decision})


@reviews.command("override")
@click.argument("case")
@click.option("--kind", type=click.Choice(list(KINDS)), required=True, help="In what way.")
@click.option("--notches", type=int, help="Of grade_notch: 1 is a grade up, -1 a grade down.")
@click.option("--grade", help="Of scorable_despite: which grade.")
@click.option("--knock-out", help="Of knock_out_set_aside: which code.")
@click.option("--reason-code", type=click.Choice(list(REASONS)), required=True, help="Why, typed.")
@click.option("--reason", required=True, help="Why, in words.")
@click.option("--evidence", default="", help="What proves it; needed wherever it loosens.")
@click.option("--days", type=click.IntRange(1), default=30, show_default=True, help="How long it holds.")
@named
def override_case(
    case: str,
    kind: str,
    notches: int | None,
    grade: str | None,
    knock_out: str | None,
    reason_code: str,
    reason: str,
    evidence: str,
    days: int,
    who: str | None,
) -> None:
    """Depart from the model's result. What loosens is proposed, and waits for a second reviewer."""
    with _transaction() as (session, now):
        found = queue.case_of(session, case, lock=True)
        wanted = WantedOverride(
            kind, reason_code, reason, now + timedelta(days=days), evidence, notches, grade, knock_out
        )
        by = person_for(session, who, *queue.REVIEWERS, now=now)
        done = decide.override(session, found, wanted, by=by, now=now)
        waits = None if done.waits is None else done.waits.wire_id
        print_json({"case": found.wire_id, "state": found.state, "waits_for": waits})


@reviews.command("monitor")
@click.option("--since", type=_DAY, help="Only cases that ended on this day or later.")
@click.option("--until", type=_DAY, help="Only cases that ended before this day.")
def show_monitor(since: datetime | None, until: datetime | None) -> None:
    """Show how often people depart from the model, who does, in what way, and how often they were right."""
    with _transaction() as (session, _):
        found = monitor.report(
            session,
            limits=queue.settings_in_use().limits,
            since=None if since is None else start_of_day(since.date()),
            until=None if until is None else start_of_day(until.date()),
        )
        print_json(found.to_dict())


@reviews.command("notices")
@click.option("--overdue", is_flag=True, help="Only those that the firm has not opened in time.")
@_LIMIT
def list_notices(overdue: bool, limit: int) -> None:
    """List notices of adverse action with their clocks and receipts, what is due first first."""
    with _transaction() as (session, now):
        rows, _ = notices.listed(session, overdue_at=now if overdue else None, limit=limit)
        print_json([notices.clock_json(row, now) for row in rows], default=iso)
