"""`/v1/consents`: an institution's own consents, living and dead."""

from __future__ import annotations

from creditlink.access.guard import current_access, require_access
from creditlink.consents import listing
from creditlink.consents.agreement.categories import PURPOSE_ACTIONS, USUAL_ACTIONS
from creditlink.consents.agreement.limits import FairUse
from creditlink.consents.schemas import (
    ConsentInFullSchema,
    ConsentPageSchema,
    ConsentQuerySchema,
    KeySetSchema,
    PurposesSchema,
)
from creditlink.kit import ids, keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint, public
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

blueprint = Blueprint(
    "consents", __name__, url_prefix="/v1/consents", description="What firms agreed to, and what became of it"
)

purposes = Blueprint(
    "purposes", __name__, url_prefix="/v1/purposes", description="What may be asked of a firm, and for what"
)

receipt_keys = Blueprint("receipts", __name__, url_prefix="/v1/receipt-keys", description="Keys of consent receipts")


@receipt_keys.route("", methods=["GET"])
@public
@receipt_keys.response(200, KeySetSchema)
def show_receipt_keys() -> dict[str, object]:
    """Return the JWK set that verifies the receipts of this server, offline and for good: keep a copy."""
    return keyring.public_keys(runtime.part(Settings).secret_key)


@purposes.route("", methods=["GET"])
@public
@purposes.response(200, PurposesSchema)
def list_purposes() -> dict[str, object]:
    """List the purposes that a lender may name, each with the most that it may ask for.

    What exceeds a limit is refused with 412 when it is pushed; `attribute` names the member.
    """
    fair_use = runtime.part(FairUse)
    items = [
        {**vars(template), "actions": list(PURPOSE_ACTIONS.get(purpose, USUAL_ACTIONS))}
        for purpose, template in fair_use.for_lenders.items()
    ]
    return {"version": fair_use.version, "items": items, "next_cursor": None}


@blueprint.route("", methods=["GET"])
@require_access("consent:read")
@blueprint.arguments(ConsentQuerySchema, location="query")
@blueprint.response(200, ConsentPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope)
def list_consents(query: listing.ConsentQuery) -> dict[str, object]:
    """List the institution's consents, newest first; ended ones stay in the list."""
    institution_id = current_access().institution_id
    with db.transaction(viewer=db.Viewer(institution_id=institution_id)) as session:
        page, cursor = listing.page_of(session, institution_id, query, now=utc_now())
    return {"items": page, "next_cursor": cursor}


@blueprint.route("/<consent_id>", methods=["GET"])
@require_access("consent:read")
@blueprint.response(200, ConsentInFullSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def show_consent(consent_id: str) -> dict[str, object]:
    """Show one consent of the institution with every change of its state."""
    known = ids.internal("cns", consent_id)
    institution_id = current_access().institution_id
    with db.transaction(viewer=db.Viewer(institution_id=institution_id)) as session:
        return listing.consent_in_full(session, institution_id, known, now=utc_now())
