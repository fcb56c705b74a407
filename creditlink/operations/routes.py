"""`/v1/operations`: failed background work, for the operator alone."""

from __future__ import annotations

from typing import Any

from creditlink.access.guard import current_access, require_access
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.jobs import dead_letters
from creditlink.operations import service
from creditlink.operations.operator import operator_transaction
from creditlink.operations.schemas import DeadLetterPageSchema, DeadLetterQuerySchema, DeadLetterSchema

blueprint = Blueprint(
    "operations",
    __name__,
    url_prefix="/v1/operations",
    description="Background work that failed: what, why, and doing it again. For the operator",
)


@blueprint.route("/dead-letters", methods=["GET"])
@require_access("operation:read")
@blueprint.arguments(DeadLetterQuerySchema, location="query")
@blueprint.response(200, DeadLetterPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound)
def list_dead_letters(query: dict[str, Any]) -> dict[str, object]:
    """List failed work, the last failure first: jobs that were given up, items that their sweep tries again."""
    with operator_transaction() as session:
        page, cursor = dead_letters.page_of(
            session, task=query.get("task"), is_open=query["open"], cursor=query.get("cursor"), limit=query["limit"]
        )
    return {"items": [dead_letters.as_json(letter) for letter in page], "next_cursor": cursor}


@blueprint.route("/dead-letters/<letter_id>/retry", methods=["POST"])
@require_access("operation:write")
@blueprint.response(202, DeadLetterSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound, Conflict)
def retry_dead_letter(letter_id: str) -> dict[str, object]:
    """Do failed work again: a job is queued once more, an item is taken by the next sweep."""
    return _act(letter_id, "retry")


@blueprint.route("/dead-letters/<letter_id>/drop", methods=["POST"])
@require_access("operation:write")
@blueprint.response(200, DeadLetterSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound, Conflict)
def drop_dead_letter(letter_id: str) -> dict[str, object]:
    """Close a dead letter without doing its work."""
    return _act(letter_id, "drop")


def _act(letter_id: str, act: service.Act) -> dict[str, object]:
    with operator_transaction() as session:
        letter = dead_letters.letter_of(session, letter_id)
        service.act_on(
            session, letter, act, actor=f"institution:{current_access().client_id}", now=utc_now(),
            institution_id=current_access().institution_id, client_id=current_access().client_id,
        )  # fmt: skip
        return dead_letters.as_json(letter)
