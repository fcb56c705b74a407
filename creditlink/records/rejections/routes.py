"""`/v1/sources/{source}/rejections`: rows that did not read, for the operator alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.records import sources
from creditlink.records.rejections import desk
from creditlink.records.rejections.schemas import (
    RejectionMove,
    RejectionMoveSchema,
    RejectionPageSchema,
    RejectionQuery,
    RejectionQuerySchema,
    RejectionSchema,
)

blueprint = Blueprint(
    "rejections",
    __name__,
    url_prefix="/v1/sources",
    description="Rows of a source that did not read, until it corrects them. For the operator",
)


@contextmanager
def _operator(source: str) -> Iterator[Session]:
    with db.transaction(viewer=db.Viewer(actor="operator")) as session:
        if session.get_one(Institution, current_access().institution_id).kind != "operator":
            raise NotFound  # as if there were nothing here for a lender
        if source not in sources.current().config.sources:
            raise NotFound
        yield session


@blueprint.route("/<source>/rejections", methods=["GET"])
@require_access("operation:read")
@blueprint.arguments(RejectionQuerySchema, location="query")
@blueprint.response(200, RejectionPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound)
def list_rejections(query: RejectionQuery, source: str) -> dict[str, object]:
    """List the rows of a source that did not read, the newest first: each once, however often it came."""
    access = current_access()
    with _operator(source) as session:
        page, cursor = desk.page_of(
            session, source, state=query.state, resource=query.resource, cursor=query.cursor, limit=query.limit
        )
        desk.note_reading(
            session, source, len(page), act="read", actor=f"institution:{access.client_id}", now=utc_now(),
            institution_id=access.institution_id, client_id=access.client_id,
        )  # fmt: skip
    return {"items": [entry.as_json() for entry in page], "next_cursor": cursor}


@blueprint.route("/<source>/rejections/<rejection_id>", methods=["POST"])
@require_access("operation:write")
@blueprint.arguments(RejectionMoveSchema)
@blueprint.response(200, RejectionSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound, Conflict)
def move_rejection(wanted: RejectionMove, source: str, rejection_id: str) -> dict[str, object]:
    """Note that the source was told of a row, dismiss it with a reason, or take that back."""
    access = current_access()
    with _operator(source) as session:
        entry = desk.move(
            session, source, rejection_id, wanted.state, note=wanted.note, actor=f"institution:{access.client_id}",
            now=utc_now(), institution_id=access.institution_id, client_id=access.client_id,
        )  # fmt: skip
    return entry.as_json()
