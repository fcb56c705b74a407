"""`/v1/consents`: an institution's own consents, living and dead."""

from __future__ import annotations

from typing import Any

import flask
from flask import g

from creditlink import db, ids, keyring
from creditlink.api import Blueprint, public
from creditlink.clock import utc_now
from creditlink.consents import listing
from creditlink.consents.schemas import ConsentInFullSchema, ConsentPageSchema, ConsentQuerySchema, KeySetSchema
from creditlink.errors import InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.oauth.access import require_access

blueprint = Blueprint(
    "consents", __name__, url_prefix="/v1/consents", description="What firms agreed to, and what became of it"
)

receipt_keys = Blueprint("receipts", __name__, url_prefix="/v1/receipt-keys", description="Keys of consent receipts")


@receipt_keys.route("", methods=["GET"])
@public
@receipt_keys.response(200, KeySetSchema)
def show_receipt_keys() -> dict[str, Any]:
    """Return the JWK set that verifies the receipts of this server, offline and for good: keep a copy."""
    return keyring.public_keys(flask.current_app.extensions["settings"].secret_key)


@blueprint.route("", methods=["GET"])
@require_access("consent:read")
@blueprint.arguments(ConsentQuerySchema, location="query")
@blueprint.response(200, ConsentPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope)
def list_consents(query: dict[str, Any]) -> dict[str, Any]:
    """List the institution's consents, newest first; ended ones stay in the list."""
    with db.transaction() as session:
        page, cursor = listing.page_of(session, g.access.institution_id, query, now=utc_now())
    return {"items": page, "next_cursor": cursor}


@blueprint.route("/<consent_id>", methods=["GET"])
@require_access("consent:read")
@blueprint.response(200, ConsentInFullSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def show_consent(consent_id: str) -> dict[str, Any]:
    """Show one consent of the institution with every change of its state."""
    known = ids.internal("cns", consent_id)
    with db.transaction() as session:
        return listing.one_of(session, g.access.institution_id, known, now=utc_now())
