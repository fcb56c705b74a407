"""`/v1/registry/clearing`: codes to be cleared, listed, settled and handed to the registrar. For the operator."""

from __future__ import annotations

from dataclasses import replace

import flask
import polars as pl

from creditlink.access.guard import current_access, require_access
from creditlink.audit import service as audit
from creditlink.enterprises.registry import clearing, tasks
from creditlink.enterprises.registry.clearing import ClearingQuery
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import Conflict, InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.files.csvexport import csv_of
from creditlink.kit.http.api import Blueprint
from creditlink.operations.operator import operator_transaction
from creditlink.operations.registry.schemas import (
    ClearingAct,
    ClearingActSchema,
    ClearingExportQuerySchema,
    ClearingPageSchema,
    ClearingQuerySchema,
    ClearingSchema,
)

blueprint = Blueprint(
    "clearing",
    __name__,
    url_prefix="/v1/registry/clearing",
    description="Codes of firms that cannot be right, until they are settled. For the operator",
)

_PAGE = 200


@blueprint.route("", methods=["GET"])
@require_access("registry:read")
@blueprint.arguments(ClearingQuerySchema, location="query")
@blueprint.response(200, ClearingPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound)
def list_clearings(query: ClearingQuery) -> dict[str, object]:
    """List the codes that are wrong, shared by two firms, or a slip away from another's."""
    today = day_of(utc_now())
    with operator_transaction() as session:
        page, cursor = clearing.page_of(session, query, today=today)
        return {"items": [clearing.as_json(item, today=today) for item in page], "next_cursor": cursor}


@blueprint.route("/<clearing_id>", methods=["POST"])
@require_access("registry:write")
@blueprint.arguments(ClearingActSchema)
@blueprint.response(200, ClearingSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound, Conflict)
def settle_clearing(wanted: ClearingAct, clearing_id: str) -> dict[str, object]:
    """Claim an entry, confirm or end an exception, or close what was corrected at the source."""
    access, now = current_access(), utc_now()
    actor = f"institution:{access.client_id}"
    with operator_transaction() as session:
        item = clearing.clearing_of(session, clearing_id)
        match wanted:
            case ClearingAct("claim", who):
                clearing.assign(session, item, who, actor=actor, now=now)
            case ClearingAct("except", evidence, ends_on) if ends_on is not None:
                clearing.confirm_exception(
                    session, item, evidence, ends_on=ends_on, actor=actor, now=now, in_request=True
                )
                tasks.queue_exceptions(session)
            case ClearingAct("expire", why):
                clearing.expire(session, item, why, actor=actor, now=now)
            case ClearingAct(_, how):
                clearing.close(session, item, how, actor=actor, now=now)
        session.flush()
        return clearing.as_json(item, today=day_of(now))


@blueprint.route("/export", methods=["GET"])
@require_access("registry:read")
@blueprint.arguments(ClearingExportQuerySchema, location="query")
@blueprint.response(200, content_type="text/csv", description="UTF-8 with a mark: a header, then rows")
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound)
def export_clearings(query: ClearingQuery) -> flask.Response:
    """Write the list as CSV, for the registrar; no text in it is a formula."""
    access, now = current_access(), utc_now()
    with operator_transaction() as session:
        rows = clearing.rows_of(session, replace(query, limit=_PAGE), today=day_of(now))
        audit.record(
            session,
            action="clearing.export",
            result="done",
            actor=f"institution:{access.client_id}",
            now=now,
            institution_id=access.institution_id,
            client_id=access.client_id,
            detail={"count": len(rows), "state": query.state, "kind": query.kind},
        )
    body = "\ufeff" + csv_of(pl.DataFrame(rows, schema=dict.fromkeys(clearing.COLUMNS, pl.String)))
    headers = {"Content-Disposition": 'attachment; filename="codes.csv"'}
    return flask.Response(body, content_type="text/csv; charset=utf-8", headers=headers)
