"""`/v1/corrections`: data that an institution's profiles were computed from was corrected, and its receipt."""

from __future__ import annotations

from creditlink.access.guard import current_access, require_access
from creditlink.disputes.corrections import service
from creditlink.disputes.corrections.schemas import (
    Acknowledgement,
    AcknowledgementSchema,
    CorrectionPageSchema,
    CorrectionQuery,
    CorrectionQuerySchema,
    CorrectionSchema,
)
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db

blueprint = Blueprint(
    "corrections", __name__, url_prefix="/v1/corrections",
    description="Data that your profiles were computed from was disputed and corrected",
)  # fmt: skip


@blueprint.route("", methods=["GET"])
@require_access("correction:read")
@blueprint.arguments(CorrectionQuerySchema, location="query")
@blueprint.response(200, CorrectionPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope)
def list_corrections(query: CorrectionQuery) -> dict[str, object]:
    """List what was corrected of the data behind your profiles, newest first, whatever became of the consents."""
    access = current_access()
    with db.transaction(viewer=db.Viewer(institution_id=access.institution_id)) as session:
        page, cursor = service.page_of(
            session, access.institution_id, open_only=query.open, cursor=query.cursor, limit=query.limit
        )
    return {"items": [service.as_json(row, access.pairwise_salt) for row in page], "next_cursor": cursor}


@blueprint.route("/<correction_id>/acknowledgement", methods=["POST"])
@require_access("correction:acknowledge")
@blueprint.arguments(AcknowledgementSchema)
@blueprint.response(200, CorrectionSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound)
def acknowledge_correction(said: Acknowledgement, correction_id: str) -> dict[str, object]:
    """Say that you know of a correction and what you did; once: a second time changes nothing. The firm sees it."""
    access = current_access()
    with db.transaction(viewer=db.Viewer(institution_id=access.institution_id)) as session:
        row = service.acknowledge(
            session, access.institution_id, correction_id, action=said.action, client_id=access.client_id,
            now=utc_now(),
        )  # fmt: skip
    return service.as_json(row, access.pairwise_salt)
