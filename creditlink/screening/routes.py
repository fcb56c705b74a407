"""`/v1/discovery`: how many firms of the screened city one of your products is for. Counts, never firms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flask
from flask import g

from creditlink import db
from creditlink.api import Blueprint
from creditlink.config import Settings
from creditlink.errors import InsufficientScope, NotFound, Unauthorized
from creditlink.institutions.tables import Institution
from creditlink.oauth.access import require_access
from creditlink.products import service
from creditlink.screening.discovery import told_to
from creditlink.screening.schemas import DiscoverySchema

blueprint = Blueprint(
    "discovery",
    __name__,
    url_prefix="/v1/discovery",
    description="How many firms your products are for: counts of firms that agreed to be counted, never firms",
)


@blueprint.route("/products/<code>", methods=["GET"])
@require_access("discovery:count")
@blueprint.response(200, DiscoverySchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def count_for_product(code: str) -> Any:
    """Count the firms that qualify for one of your products, and how many more would if one rule moved.

    The firms are those of the last screening that agreed to be counted. Counts are given in tens, and of fewer than
    ten firms none is. Only products of your own that are on offer can be asked about.
    """
    settings = flask.current_app.extensions["settings"]
    with db.transaction() as session:
        own = session.get_one(Institution, g.access.institution_id).code
        terms = service.listing(session, settings).by_code.get(code)
    if terms is None or terms.institution_code != own:
        raise NotFound
    return told_to(results_folder(settings), terms)


def results_folder(settings: Settings) -> Path:
    """Return where the screening lies that banks are answered from."""
    return settings.var_dir / "screening"
