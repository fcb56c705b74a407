"""`/v1/financing/applications/<id>/documents` and `/receivables`: what the firm handed in, under its live consent."""

from __future__ import annotations

from datetime import datetime

import flask
from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.audit import service as audit
from creditlink.financing import wire
from creditlink.financing.requests.papers import documents, receivables
from creditlink.financing.requests.papers.receivables import OfferedReceivable
from creditlink.financing.requests.papers.schemas import DocumentsSchema, ReceivablesSchema
from creditlink.financing.requests.papers.tables import FinancingDocument
from creditlink.financing.tables import Application
from creditlink.kit.clock import to_second, utc_now
from creditlink.kit.errors import InsufficientScope, NotFound, Unauthorized
from creditlink.kit.files.documents import KINDS
from creditlink.kit.http.api import Blueprint
from creditlink.kit.http.downloads import handed_out
from creditlink.kit.postgres import db

blueprint = Blueprint(
    "papers", __name__, url_prefix="/v1/financing/applications", description="What firms hand in with their requests"
)


@blueprint.route("/<application_id>/documents", methods=["GET"])
@require_access("financing:read")
@blueprint.response(200, DocumentsSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def list_documents(application_id: str) -> dict[str, object]:
    """List the documents that the firm handed in; none once the consent that came with the application is over."""
    institution_id = current_access().institution_id
    with db.transaction(viewer=db.Viewer(institution_id=institution_id)) as session:
        application = wire.own(session, institution_id, application_id)
        rows = documents.of_request(session, application.request_id)
        if rows:
            _note(session, application, "financing.documents", {"count": len(rows)}, utc_now())
        return {"items": [_document(row) for row in rows]}


@blueprint.route("/<application_id>/documents/<document_id>", methods=["GET"])
@require_access("financing:read")
@blueprint.response(200, content_type="application/octet-stream", description="The document, of its own media type")
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def read_document(application_id: str, document_id: str) -> flask.Response:
    """Download a document that was scanned; the firm sees that you did."""
    institution_id = current_access().institution_id
    with db.transaction(viewer=db.Viewer(institution_id=institution_id)) as session:
        application = wire.own(session, institution_id, application_id)
        found = documents.opened(session, application.request_id, document_id)
        detail: dict[str, object] = {"document": found.row.wire_id, "sha256": found.row.sha256}
        _note(session, application, "financing.document", detail, utc_now())
        response = handed_out(found.content, kind=found.row.kind, name=found.row.name, plain="document")
        response.headers["Cache-Control"] = "no-store"
        return response


@blueprint.route("/<application_id>/receivables", methods=["GET"])
@require_access("financing:read")
@blueprint.response(200, ReceivablesSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def list_receivables(application_id: str) -> dict[str, object]:
    """List the receivables that the firm offers as security, each with whether it is offered elsewhere too."""
    institution_id = current_access().institution_id
    with db.transaction(viewer=db.Viewer(institution_id=institution_id)) as session:
        application = wire.own(session, institution_id, application_id)
        rows = receivables.offered(session, application.request_id)
        if rows:
            _note(session, application, "financing.receivables", {"count": len(rows)}, utc_now())
        return {"items": [_receivable(one) for one in rows]}


def _note(session: Session, application: Application, action: str, detail: dict[str, object], now: datetime) -> None:
    access = current_access()
    audit.record(
        session, action=action, result="done", actor=f"bank:{access.client_id}", now=now,
        enterprise_id=application.enterprise_id, institution_id=application.institution_id,
        client_id=access.client_id, consent_id=application.consent_id, detail=detail,
    )  # fmt: skip


def _document(row: FinancingDocument) -> dict[str, object]:
    return {
        "id": row.wire_id,
        "about": row.about,
        "name": row.name,
        "media_type": KINDS[row.kind],
        "size_bytes": row.size_bytes,
        "sha256": row.sha256,
        "scan": row.scan,
        "added_at": to_second(row.added_at),
    }


def _receivable(one: OfferedReceivable) -> dict[str, object]:
    return {
        "id": one.row.wire_id,
        "known_by": one.row.kind,
        "number": one.identity.number if one.identity else None,
        "debtor_uscc": one.identity.debtor_uscc if one.identity else None,
        "elsewhere": one.elsewhere,
        "added_at": to_second(one.row.added_at),
    }
