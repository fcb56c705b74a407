"""`/v1/relations`: the group of the firm that the token's consent is about, and the bank's own loans to it."""

from __future__ import annotations

from creditlink.access.guard import current_access, require_access
from creditlink.financing.loans.relations import answer
from creditlink.financing.loans.relations.answer import RelationsQuery
from creditlink.financing.loans.relations.schemas import RelationsQuerySchema, RelationsSchema
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import ConsentRefused, InsufficientScope, InvalidRequest, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db

blueprint = Blueprint(
    "relations", __name__, url_prefix="/v1/relations", description="What ties a firm that agreed to others"
)


@blueprint.route("", methods=["GET"])
@require_access("profile:read")
@blueprint.arguments(RelationsQuerySchema, location="query")
@blueprint.response(200, RelationsSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, ConsentRefused)
def read_relations(query: RelationsQuery) -> dict[str, object]:
    """Read the firm's group, its ways to revoked firms, your own loans to the group, and granted guarantees.

    What the register publishes needs the consent like everything else; guarantees need the category `contract` too.
    """
    with db.transaction() as session:
        return answer.relations_for(session, current_access(), query, now=utc_now())
