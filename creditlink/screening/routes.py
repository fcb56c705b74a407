"""`/v1/discovery`: how many firms of the screened city a product is for; `/v1/screening`: who, for the operator."""

from __future__ import annotations

from pathlib import Path
from typing import NotRequired, TypedDict

from creditlink.access.guard import current_access, require_access
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InsufficientScope, InvalidRequest, NotFound, TooManyRequests, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.products import service
from creditlink.screening.discovery import DiscoveryAnswer, OperatorAnswer, answer_for_operator, counts_for_bank
from creditlink.screening.questions import note_question, note_read
from creditlink.screening.schemas import DiscoverySchema, ScreenedProductSchema, ScreenedQuerySchema


class ScreenedQuery(TypedDict):
    """The query of `read_product`, as its schema checks it."""

    move: NotRequired[str]
    to: NotRequired[float]
    limit: int
    cursor: NotRequired[str]


blueprint = Blueprint(
    "discovery",
    __name__,
    url_prefix="/v1/discovery",
    description="How many firms your products are for: counts of firms that agreed to be counted, never firms",
)

operator = Blueprint(
    "screening",
    __name__,
    url_prefix="/v1/screening",
    description="Reverse matching for the operator: who of the screened city a product is for",
)


@blueprint.route("/products/<code>", methods=["GET"])
@require_access("discovery:count")
@blueprint.response(200, DiscoverySchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound, TooManyRequests)
def count_for_product(code: str) -> DiscoveryAnswer:
    """Count the firms that qualify for one of your products, and how many more would if one rule moved.

    The firms are those of the last screening that agreed to be counted. Counts are given in tens, and of fewer than
    ten firms none is. Only products of your own that are on offer can be asked about, and of one screening so many
    different sets of rules and no more (429): counts are not for subtracting. Each answer leaves evidence.
    """
    settings = runtime.part(Settings)
    with db.transaction() as session:
        own = session.get_one(Institution, current_access().institution_id).code
        terms = service.listing(session, settings).by_code.get(code)
        if terms is None or terms.institution_code != own:
            raise NotFound
        counts, screening = counts_for_bank(results_folder(settings), terms)
        access = current_access()
        note_question(session, access.institution_id, access.client_id, terms, screening, now=utc_now())
        return counts


@operator.route("/products/<code>", methods=["GET"])
@require_access("screening:read")
@operator.arguments(ScreenedQuerySchema, location="query")
@operator.response(200, ScreenedProductSchema)
@operator.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound)
def read_product(query: ScreenedQuery, code: str) -> OperatorAnswer:
    """Read who of the last screening qualifies for a product on offer, and how many more if one rule moved.

    For the operator: exact counts over all firms, and the firms, page by page. `move` and `to` try another limit of one
    rule. Each answer leaves evidence.
    """
    settings = runtime.part(Settings)
    move = (query["move"], query["to"]) if "move" in query else None
    with db.transaction() as session:
        if session.get_one(Institution, current_access().institution_id).kind != "operator":
            raise NotFound  # as if there were nothing here for a lender
        terms = service.listing(session, settings).by_code.get(code)
        if terms is None:
            raise NotFound
        answer, screening = answer_for_operator(
            results_folder(settings), terms, move=move, limit=query["limit"], after=query.get("cursor")
        )
        detail = {"move": move[0], "to": move[1]} if move else {}
        note_read(
            session, current_access().institution_id, current_access().client_id, terms, screening, now=utc_now(),
            action="screening.read", detail={**detail, "firms": len(answer["firms"])},
        )  # fmt: skip
        return answer


def results_folder(settings: Settings) -> Path:
    """Return the folder of the screening that answers banks."""
    return settings.var_dir / "screening"
