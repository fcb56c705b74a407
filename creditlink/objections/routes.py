"""`/v1/objections`: firms ask why the institution looked; it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import to_second, utc_now
from creditlink.kit.errors import Conflict, InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.objections import service
from creditlink.objections.schemas import (
    ObjectionAnswer,
    ObjectionAnswerSchema,
    ObjectionPageSchema,
    ObjectionQuerySchema,
    ObjectionSchema,
)
from creditlink.objections.service import ObjectionQuery
from creditlink.objections.tables import AccessObjection

blueprint = Blueprint(
    "objections",
    __name__,
    url_prefix="/v1/objections",
    description="Firms ask why you looked at their data; your answer, and what the operator found where it had to",
)


@contextmanager
def _own() -> Iterator[tuple[Session, str]]:
    """Open a transaction that sees the institution's own objections, with the salt of its ids of firms."""
    access = current_access()
    with db.transaction(viewer=db.Viewer(institution_id=access.institution_id)) as session:
        yield session, session.get_one(Institution, access.institution_id).pairwise_salt


@blueprint.route("", methods=["GET"])
@require_access("objection:answer")
@blueprint.arguments(ObjectionQuerySchema, location="query")
@blueprint.response(200, ObjectionPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope)
def list_objections(query: ObjectionQuery) -> dict[str, object]:
    """List the objections to your accesses, the newest first; `state=asked` waits for you."""
    with _own() as (session, salt):
        page, cursor = service.page_of(session, query, current_access().institution_id)
        return {"items": [as_json(one, salt) for one in page], "next_cursor": cursor}


@blueprint.route("/<objection_id>", methods=["GET"])
@require_access("objection:answer")
@blueprint.response(200, ObjectionSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def show_objection(objection_id: str) -> dict[str, object]:
    """Show one objection to an access of yours."""
    with _own() as (session, salt):
        return as_json(service.of_institution(session, current_access().institution_id, objection_id), salt)


@blueprint.route("/<objection_id>/answer", methods=["POST"])
@require_access("objection:answer")
@blueprint.arguments(ObjectionAnswerSchema)
@blueprint.response(200, ObjectionSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound, Conflict)
def answer_objection(body: ObjectionAnswer, objection_id: str) -> dict[str, object]:
    """Say why you looked, once; the firm reads it, and accepts it or asks the operator."""
    access = current_access()
    with _own() as (session, salt):
        one = service.answer(
            session, access.institution_id, objection_id, reason=body.reason, words=body.words,
            actor=f"bank:{access.client_id}", now=utc_now(),
        )  # fmt: skip
        return as_json(one, salt)


def as_json(one: AccessObjection, salt: str) -> dict[str, object]:
    """Return an objection as its bank sees it."""
    shown = (
        "client_id", "action", "words", "state", "answer_reason", "answer", "escalated_for", "finding", "decision",
    )  # fmt: skip
    instants = ("accessed_at", "asked_at", "answer_due_at", "answered_at", "ended_at")
    return {
        "id": one.wire_id,
        "enterprise_id": ids.pairwise(salt, one.enterprise_id),
        "consent_id": None if one.consent_id is None else ids.external("cns", one.consent_id),
        **{name: getattr(one, name) for name in shown},
        **{name: None if (at := getattr(one, name)) is None else to_second(at) for name in instants},
    }
