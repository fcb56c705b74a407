"""`/v1/reviews`: the queue, decisions and the monitor, for the platform's reviewers. No bank comes here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InsufficientRole, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.processes import runtime
from creditlink.reviews import decide, monitor, queue
from creditlink.reviews.decide import ReviewDecided
from creditlink.reviews.notices import service as notices
from creditlink.reviews.queue import CaseQuery
from creditlink.reviews.rules.settings import ReviewSettings
from creditlink.reviews.schemas import (
    CaseQuerySchema,
    CasesSchema,
    DecisionBody,
    DecisionBodySchema,
    MonitorQuery,
    MonitorQuerySchema,
    MonitorSchema,
    NoticeClocksSchema,
    NoticeQuery,
    NoticeQuerySchema,
    ReviewDecidedSchema,
    WhoseCaseSchema,
)
from creditlink.reviews.tables import ReviewCase
from creditlink.staff.access import current_staff, require_role, staff_transaction

blueprint = Blueprint(
    "reviews",
    __name__,
    url_prefix="/v1/reviews",
    description="Decisions that a person looks at: the queue, overrides, their monitor. For the platform's risk team",
)

_REFUSALS = (InvalidRequest, Unauthorized, InsufficientRole, NotFound, Conflict)


@contextmanager
def _reviewing() -> Iterator[tuple[Session, datetime]]:
    """Open a transaction that sees the queue, whoever's the cases are."""
    with staff_transaction() as session:
        yield session, utc_now()


def cases_json(session: Session, cases: Sequence[ReviewCase], now: datetime) -> list[dict[str, object]]:
    """Return cases as reviewers see them."""
    overrides = decide.overrides_of_cases(session, [case.id for case in cases])
    claimed = {case.claimed_by for case in cases if case.claimed_by is not None}
    rows = session.execute(select(Account.id, Account.login).where(Account.id.in_(claimed)))
    logins = {row.id: row.login for row in rows}
    shown = ("state", "causes", "opened_at", "due_at", "decision", "ended_at", "refuses_automation", "note", "result")
    return [
        {
            "id": case.wire_id,
            "profile_id": ids.external("prf", case.profile_id),
            "asked_for": case.asked_by is not None,
            "reason": case.reason,
            "claimed_by": None if case.claimed_by is None else logins[case.claimed_by],
            "override": None if case.id not in overrides else decide.override_json(overrides[case.id], now),
            **{name: getattr(case, name) for name in shown},
        }
        for case in cases
    ]


@blueprint.route("", methods=["GET"])
@require_role("risk", "auditor")
@blueprint.arguments(CaseQuerySchema, location="query")
@blueprint.response(200, CasesSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole)
def list_cases(query: CaseQuery) -> dict[str, object]:
    """List cases, what is due first first."""
    with _reviewing() as (session, now):
        page, cursor = queue.listed(session, query)
        return {"items": cases_json(session, page, now), "next_cursor": cursor}


@blueprint.route("/monitor", methods=["GET"])
@require_role("risk", "auditor", "model_owner")
@blueprint.arguments(MonitorQuerySchema, location="query")
@blueprint.response(200, MonitorSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole)
def show_monitor(query: MonitorQuery) -> dict[str, object]:
    """Show how often people depart from the model, who does, in what way, and whether they were right."""
    limits = runtime.part(ReviewSettings).limits
    with _reviewing() as (session, _):
        return monitor.report(session, limits=limits, since=query.since, until=query.until).to_dict()


@blueprint.route("/notices", methods=["GET"])
@require_role("risk", "operator", "auditor")
@blueprint.arguments(NoticeQuerySchema, location="query")
@blueprint.response(200, NoticeClocksSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole)
def list_notices(query: NoticeQuery) -> dict[str, object]:
    """List notices of adverse action with their clocks and receipts, what is due first first."""
    with _reviewing() as (session, now):
        overdue_at = now if query.overdue else None
        rows, cursor = notices.listed(session, overdue_at=overdue_at, limit=query.limit, cursor=query.cursor)
        return {"items": [notices.clock_json(row, now) for row in rows], "next_cursor": cursor}


@blueprint.route("/<case_id>", methods=["GET"])
@require_role("risk", "auditor")
@blueprint.response(200, WhoseCaseSchema)
@blueprint.problems(Unauthorized, InsufficientRole, NotFound)
def show_case(case_id: str) -> dict[str, object]:
    """Show one case."""
    with _reviewing() as (session, now):
        return cases_json(session, [queue.case_of(session, case_id)], now)[0]


@blueprint.route("/<case_id>/claim", methods=["POST"])
@require_role("risk")
@blueprint.response(200, WhoseCaseSchema)
@blueprint.problems(*_REFUSALS)
def claim_case(case_id: str) -> dict[str, object]:
    """Take a case. 409 where another reviewer was quicker, or its time is over."""
    with _reviewing() as (session, now):
        case = queue.case_of(session, case_id, lock=True)
        queue.claim(session, case, by=current_staff(), now=now)
        return cases_json(session, [case], now)[0]


@blueprint.route("/<case_id>/release", methods=["POST"])
@require_role("risk", "operator")
@blueprint.response(200, WhoseCaseSchema)
@blueprint.problems(*_REFUSALS)
def release_case(case_id: str) -> dict[str, object]:
    """Give a case back to the queue: one's own, or as an operator anybody's."""
    with _reviewing() as (session, now):
        case = queue.case_of(session, case_id, lock=True)
        queue.release(session, case, by=current_staff(), now=now)
        return cases_json(session, [case], now)[0]


@blueprint.route("/<case_id>/decision", methods=["POST"])
@require_role("risk")
@blueprint.arguments(DecisionBodySchema)
@blueprint.response(200, ReviewDecidedSchema)
@blueprint.problems(*_REFUSALS)
def decide_case(body: DecisionBody, case_id: str) -> dict[str, object]:
    """Decide a case that you claimed. What loosens waits for a second person, who approves exactly the same."""
    if (body.decision == "override") != (body.override is not None):
        raise InvalidRequest(errors=[{"pointer": "/override", "detail": "belongs to `override`, and only there"}])
    with _reviewing() as (session, now):
        case = queue.case_of(session, case_id, lock=True)
        decided = _decided(session, case, body, now)
        waits = None if decided.waits is None else decided.waits.wire_id
        return {"case": cases_json(session, [case], now)[0], "waits_for": waits}


def _decided(session: Session, case: ReviewCase, body: DecisionBody, now: datetime) -> ReviewDecided:
    by = current_staff()
    if body.override is None:
        return decide.confirm(session, case, by=by, reason=body.reason, now=now)
    return decide.override(session, case, body.override, by=by, now=now)
