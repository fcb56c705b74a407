"""Sources, pulls and the data catalogue over HTTP."""

from __future__ import annotations

import flask
from sqlalchemy import select

from creditlink.access.guard import current_access, require_access
from creditlink.consents import service as consents
from creditlink.consents.life import counters
from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.engine.facts.relief_policies import ReliefBook
from creditlink.kit import ids
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import ConsentRefused, InsufficientScope, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint, public
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.records import sources
from creditlink.records.coverage import REGISTRY
from creditlink.records.pulls import health, pull
from creditlink.records.schemas import CatalogueSchema, PullSchema, ReliefBookSchema, SourcesSchema
from creditlink.records.tables import Pull, PullPart

blueprint = Blueprint("records", __name__, url_prefix="/v1", description="Sources, pulls and the data catalogue")


@blueprint.route("/sources", methods=["GET"])
@public
@blueprint.response(200, SourcesSchema)
def list_sources() -> dict[str, object]:
    """Say how each office has answered lately; nothing here is about any firm."""
    with db.transaction() as session:
        found = health.source_health(session, utc_now())
    return {"window_hours": health.WINDOW_HOURS, "items": found}


@blueprint.route("/data-categories", methods=["GET"])
@public
@blueprint.response(200, CatalogueSchema)
def list_categories() -> dict[str, object]:
    """List what each data category holds, whose it is, and what opens it; `source` is null where none is connected."""
    config = sources.current().config
    connected = {code: config.of_category(code) for code in CATEGORIES} | {"registration": REGISTRY}
    return {"items": [category.as_json() | {"source": connected[code]} for code, category in CATEGORIES.items()]}


@blueprint.route("/reference/relief", methods=["GET"])
@public
@blueprint.response(200, ReliefBookSchema)
def list_relief() -> dict[str, object]:
    """List the relief policies under which a late payment does not count, with the hash that names their version."""
    book, today = runtime.part(ReliefBook), day_of(utc_now())
    return {
        "sha256": book.sha256,
        "items": [
            {**policy.to_dict(), "state": policy.state_on(today), "text_zh": zh, "text_en": en}
            for policy in book.policies
            for zh, en in [policy.words()]
        ],
    }


@blueprint.after_request
def tell_uses_left(response: flask.Response) -> flask.Response:
    """Tell whoever polls how many new computations the consent has left."""
    if "uses_left" in flask.g:
        response.headers.update(counters.header_of(flask.g.uses_left))
    return response


@blueprint.route("/pulls/<pull_id>", methods=["GET"])
@require_access("profile:create")
@blueprint.response(200, PullSchema)
@blueprint.problems(Unauthorized, InsufficientScope, ConsentRefused, NotFound)
def show_pull(pull_id: str) -> dict[str, object]:
    """Say how the fetching of records stands; poll it after a 202."""
    wanted = ids.internal(pull.PREFIX, pull_id)
    now = utc_now()
    with db.transaction() as session:
        access = current_access()
        consent = consents.live_consent(session, access.consent_id, access=access, action="profile", now=now)
        found = session.scalars(select(Pull).where(Pull.id == wanted, Pull.consent_id == consent.id)).one_or_none()
        if found is None:
            raise NotFound
        opened = consent.terms().narrowed(access.authorization_details).categories
        config = sources.serving(sources.current().config, session, consent.enterprise_id)
        own = select(PullPart).where(PullPart.pull_id == found.id, PullPart.source.in_(config.for_categories(opened)))
        parts = session.scalars(own.order_by(PullPart.source)).all()
        flask.g.uses_left = counters.left(session, consent, now)
        return {
            "id": ids.external(pull.PREFIX, found.id),
            "consent_id": consent.wire_id,
            "status": "PENDING" if found.status == "OPEN" else found.status,
            "requested_at": found.requested_at,
            "finished_at": found.finished_at,
            "sources": parts,
        }
