"""`/v1/webhook-deliveries`: what was sent to an institution, what failed, and sending it again."""

from __future__ import annotations

from creditlink.access.guard import current_access, require_access
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.notifications import service
from creditlink.notifications.schemas import DeliveryPageSchema, DeliveryQuerySchema, DeliverySchema

blueprint = Blueprint(
    "webhooks", __name__, url_prefix="/v1/webhook-deliveries", description="Webhooks sent to your clients"
)


@blueprint.route("", methods=["GET"])
@require_access("notification:read")
@blueprint.arguments(DeliveryQuerySchema, location="query")
@blueprint.response(200, DeliveryPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope)
def list_deliveries(query: service.DeliveryQuery) -> dict[str, object]:
    """List the institution's deliveries, newest first; `state=failed` shows those that were given up."""
    access = current_access()
    with db.transaction(viewer=db.Viewer(institution_id=access.institution_id)) as session:
        page, cursor = service.page_of(
            session,
            access.institution_id,
            state=query.get("state"),
            cursor=query.get("cursor"),
            limit=query["limit"],
        )
    return {"items": [service.as_json(*row) for row in page], "next_cursor": cursor}


@blueprint.route("/<delivery_id>", methods=["GET"])
@require_access("notification:read")
@blueprint.response(200, DeliverySchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def show_delivery(delivery_id: str) -> dict[str, object]:
    """Show how one delivery stands."""
    access = current_access()
    with db.transaction(viewer=db.Viewer(institution_id=access.institution_id)) as session:
        return service.as_json(*service.delivery_of(session, access.institution_id, delivery_id))


@blueprint.route("/<delivery_id>/replay", methods=["POST"])
@require_access("notification:replay")
@blueprint.response(202, DeliverySchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound, Conflict)
def replay_delivery(delivery_id: str) -> dict[str, object]:
    """Send a delivered or failed webhook anew, under its old `webhook-id`, with eight new tries."""
    access = current_access()
    with db.transaction(viewer=db.Viewer(institution_id=access.institution_id)) as session:
        delivery, notification = service.delivery_of(session, access.institution_id, delivery_id)
        service.replay(session, delivery, actor=f"bank:{access.client_id}", now=utc_now())
        return service.as_json(delivery, notification)
