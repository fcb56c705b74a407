"""`/v1/watch`: how the models in use are doing, for the platform's own staff. No bank comes here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TypedDict

from sqlalchemy.orm import Session

from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InsufficientRole, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.lifecycle import restraint
from creditlink.lifecycle.steps import ModelStepRefused
from creditlink.staff.access import current_staff, require_role, staff_transaction
from creditlink.watch import acting, reading
from creditlink.watch.counting import WatchedModel
from creditlink.watch.schemas import (
    AlarmCloseSchema,
    AlarmListSchema,
    AlarmQuerySchema,
    AlarmSchema,
    CourseQuerySchema,
    CourseSchema,
    FreezeLiftedSchema,
    FreezeLiftSchema,
    WatchQuerySchema,
    WatchSchema,
)

blueprint = Blueprint(
    "watch",
    __name__,
    url_prefix="/v1/watch",
    description="Models in operation: drift, missing data, outcomes, and what was done. For the platform's staff",
)

_LOOK = ("risk", "auditor", "operator", "model_owner")
_ACT = ("risk", "operator")


class WatchQuery(TypedDict, total=False):
    """Which day and purpose."""

    day: date
    purpose: str


class CourseQuery(TypedDict, total=False):
    """Which series."""

    purpose: str
    model_id: str
    series: str
    until: date


@contextmanager
def _transaction() -> Iterator[Session]:
    try:
        with staff_transaction() as session:
            yield session
    except ModelStepRefused as error:
        raise InvalidRequest(errors=[{"pointer": f"/{error.reason}", "detail": str(error)}]) from None


@blueprint.route("", methods=["GET"])
@require_role(*_LOOK)
@blueprint.arguments(WatchQuerySchema, location="query")
@blueprint.response(200, WatchSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole)
def show_watch(query: WatchQuery) -> dict[str, object]:
    """Show each live model: what moved, the mix of grades, what was missing, outcomes, open alarms, a freeze."""
    with _transaction() as session:
        return reading.overview(session, query.get("day"), query.get("purpose"))


@blueprint.route("/series", methods=["GET"])
@require_role(*_LOOK)
@blueprint.arguments(CourseQuerySchema, location="query")
@blueprint.response(200, CourseSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole)
def show_course(query: CourseQuery) -> dict[str, object]:
    """Show one series day by day."""
    watched = WatchedModel(query["purpose"], query["model_id"])
    with _transaction() as session:
        return {"items": reading.course(session, watched, query["series"], query.get("until"))}


@blueprint.route("/alarms", methods=["GET"])
@require_role(*_LOOK)
@blueprint.arguments(AlarmQuerySchema, location="query")
@blueprint.response(200, AlarmListSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole)
def list_alarms(query: dict[str, bool]) -> dict[str, object]:
    """List alarms: what moved, and what was done about it at once."""
    with _transaction() as session:
        return {"items": reading.alarms(session, is_open=query["open"])}


@blueprint.route("/alarms/<alarm_id>/close", methods=["POST"])
@require_role(*_ACT)
@blueprint.arguments(AlarmCloseSchema)
@blueprint.response(200, AlarmSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole, NotFound)
def close_alarm(body: dict[str, str], alarm_id: str) -> dict[str, object]:
    """Close an alarm. What was done stays: a freeze is lifted, a fall-back rolled back, each by its own act."""
    with _transaction() as session:
        alarm = acting.close(session, alarm_id, by=current_staff(), resolution=body["resolution"], now=utc_now())
        session.flush()  # the answer below is read from the row as it is stored
        return reading.alarm_json(alarm)


@blueprint.route("/freezes/<purpose>/lift", methods=["POST"])
@require_role(*_ACT)
@blueprint.arguments(FreezeLiftSchema)
@blueprint.response(200, FreezeLiftedSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole, NotFound)
def lift_freeze(body: dict[str, str], purpose: str) -> dict[str, object]:
    """Let the live model of a purpose decide alone again."""
    with _transaction() as session:
        model_id = restraint.lift(session, purpose, by=current_staff(), reason=body["reason"], now=utc_now())
        return {"purpose": purpose, "model_id": model_id}
