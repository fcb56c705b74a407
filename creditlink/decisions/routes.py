"""`/v1/decisions`: the risk team replays what was decided. No bank comes here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from sqlalchemy.orm import Session

from creditlink.decisions import service
from creditlink.decisions.archive import Archive, RecordDamaged
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.policy.bundle import PolicyDamaged
from creditlink.decisions.record import RecordInvalid
from creditlink.decisions.schemas import ReplayRequestSchema, ReplaySchema
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InsufficientRole, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.processes import runtime
from creditlink.staff.access import current_staff, require_role, staff_transaction

blueprint = Blueprint(
    "decisions",
    __name__,
    url_prefix="/v1/decisions",
    description="Decisions that last: replay of anything ever decided. For the platform's risk team",
)


@contextmanager
def _looking(stated: Mapping[str, str]) -> Iterator[tuple[Session, Reader]]:
    """Open the transaction of the member of staff who signed the request, in the role and for the purpose they state.

    Raises
    ------
    InsufficientRole
        They do not hold the role that they state.
    """
    staff = current_staff()
    request = structlog.contextvars.get_contextvars().get("request_id")
    with staff_transaction() as session:
        role = staff.acting_as(stated["role"])
        yield session, Reader(staff.name, role, stated["purpose"], request_id=request)


@blueprint.route("/<decision_id>/replay", methods=["POST"])
@require_role("risk", "auditor")
@blueprint.arguments(ReplayRequestSchema)
@blueprint.response(200, ReplaySchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientRole, NotFound, Conflict)
def replay_decision(stated: dict[str, str], decision_id: str) -> dict[str, object]:
    """Make a decision again from its sealed record, by the model, rules and products of its day.

    It needs neither the facts nor the consent, which may be gone. The look is in the firm's log. 409 when the record or
    its policy is damaged: the detail says how.
    """
    known = ids.internal("dec", decision_id)
    with _looking(stated) as (session, reader):
        try:
            (found,) = service.replay(session, [known], reader, kept=runtime.part(Archive), now=utc_now())
        except (RecordDamaged, PolicyDamaged, RecordInvalid, LookupError) as error:
            raise Conflict(str(error)) from error
    return found.to_json()
