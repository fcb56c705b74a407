"""`/v1/registry`: what the registry says of firms, handed in by the operator's client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import flask
from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.enterprises.registry import loads, tasks
from creditlink.enterprises.registry.feed_file import row_of
from creditlink.enterprises.registry.loads import Opening
from creditlink.enterprises.registry.tables import RegistryLoad
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import (
    Conflict,
    IdempotencyInProgress,
    IdempotencyMismatch,
    InsufficientScope,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from creditlink.kit.http import idempotency
from creditlink.kit.http.api import Blueprint
from creditlink.operations.operator import operator_transaction
from creditlink.operations.registry.schemas import (
    LoadRequest,
    LoadRequestSchema,
    LoadSchema,
    RefusedQuery,
    RefusedQuerySchema,
    RefusedRowsSchema,
    RowsRequest,
    RowsRequestSchema,
)

blueprint = Blueprint(
    "registry",
    __name__,
    url_prefix="/v1/registry",
    description="The registry's feed. For the operator",
)

HandedIn = tuple[dict[str, object], int, dict[str, str]]
"""A load, the status, and where it is."""


@blueprint.route("/loads", methods=["POST"])
@require_access("registry:write")
@blueprint.arguments(LoadRequestSchema)
@blueprint.response(202, LoadSchema)
@blueprint.problems(
    InvalidRequest, Unauthorized, InsufficientScope, NotFound, IdempotencyMismatch, IdempotencyInProgress
)
@blueprint.reads("Idempotency-Key")
def open_load(wanted: LoadRequest) -> HandedIn:
    """Hand in what the registry says: a whole list, or changes. A worker takes it once it is complete.

    With `complete: false` more rows may follow. `Idempotency-Key` makes a repeated request give the same load.
    """
    access, now = current_access(), utc_now()
    key = idempotency.checked_key(flask.request.headers.get("Idempotency-Key"))
    with operator_transaction() as session:
        if key is not None:
            earlier = idempotency.claim(session, access.institution_id, key, vars(wanted), now=now)
            if earlier is not None:
                return _handed_in(session, session.get_one(RegistryLoad, earlier))
        opening = Opening(wanted.source, wanted.kind, wanted.region, None, wanted.most_unlisted_bps)
        load = loads.open_load(session, opening, actor=f"institution:{access.client_id}", now=now)
        if key is not None:
            idempotency.settle(session, access.institution_id, key, load.id)
        return _filled(session, load, wanted.rows, complete=wanted.complete)


@blueprint.route("/loads/<load_id>/rows", methods=["POST"])
@require_access("registry:write")
@blueprint.arguments(RowsRequestSchema)
@blueprint.response(202, LoadSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound, Conflict)
def add_rows(wanted: RowsRequest, load_id: str) -> HandedIn:
    """Hand in further rows of an open load; a row that is sent twice counts once, by its number."""
    with operator_transaction() as session:
        return _filled(session, loads.load_of(session, load_id), wanted.rows, complete=wanted.complete)


def _filled(session: Session, load: RegistryLoad, rows: Sequence[Mapping[str, object]], *, complete: bool) -> HandedIn:
    first = loads.next_position(session, load)
    loads.stage(session, load, [row_of(first + place, row) for place, row in enumerate(rows)])
    if complete:
        loads.mark_ready(load, utc_now())
        tasks.queue(session, load.id)
    return _handed_in(session, load)


def _handed_in(session: Session, load: RegistryLoad) -> HandedIn:
    session.flush()
    return loads.as_json(session, load), 202, {"Location": f"/v1/registry/loads/{load.wire_id}"}


@blueprint.route("/loads/<load_id>", methods=["GET"])
@require_access("registry:read")
@blueprint.response(200, LoadSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def read_load(load_id: str) -> dict[str, object]:
    """Say what became of a load."""
    with operator_transaction() as session:
        return loads.as_json(session, loads.load_of(session, load_id))


@blueprint.route("/loads/<load_id>/refused", methods=["GET"])
@require_access("registry:read")
@blueprint.arguments(RefusedQuerySchema, location="query")
@blueprint.response(200, RefusedRowsSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound)
def list_refused(query: RefusedQuery, load_id: str) -> dict[str, object]:
    """List the rows that were kept aside, each with everything that is wrong with it."""
    with operator_transaction() as session:
        load = loads.load_of(session, load_id)
        rows = loads.refused_rows(session, load, after=query.after, limit=query.limit + 1)
    page = rows[: query.limit]
    return {"items": page, "next_cursor": str(page[-1]["row"]) if len(rows) > query.limit else None}
