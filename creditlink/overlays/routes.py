"""`/v1/overlays`: an institution's own overlay on the score, written, checked with four eyes, published and retired."""

from __future__ import annotations

import re

import flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.engine.matching.products.terms import Flaw
from creditlink.engine.overlay.check import grades_crossed, reach
from creditlink.engine.overlay.limits import OverlayLimits
from creditlink.engine.overlay.terms import OverlayTerms
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.scale import Scale
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import (
    Conflict,
    InsufficientScope,
    InvalidRequest,
    NotFound,
    Unauthorized,
    UnsupportedMediaType,
)
from creditlink.kit.files.textfile import decode
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.overlays import uploads, versions
from creditlink.overlays.schemas import (
    OverlayCheck,
    OverlayCheckSchema,
    OverlayTermsSchema,
    OverlayVersionInFullSchema,
    OverlayVersionsSchema,
    UploadedColumnsSchema,
)
from creditlink.overlays.tables import Overlay
from creditlink.overlays.versions import OverlayInvalid, Step
from creditlink.products.catalogue import lifecycle
from creditlink.products.catalogue.lifecycle import Hands
from creditlink.products.catalogue.schemas import StepNote, StepNoteSchema

blueprint = Blueprint(
    "overlays",
    __name__,
    url_prefix="/v1/overlays",
    description="Your own overlay on the score: draft → checked → live → retired. Who wrote a version cannot check it. "
    "Nobody else ever sees it, your columns, or what they said of a firm",
)

_REFUSALS = (Unauthorized, InsufficientScope, NotFound, Conflict)


@blueprint.route("", methods=["GET"])
@require_access("overlay:read")
@blueprint.response(200, OverlayVersionsSchema)
@blueprint.problems(Unauthorized, InsufficientScope)
def list_versions() -> dict[str, object]:
    """List the versions of your overlay, the newest first."""
    with db.transaction(viewer=_viewer()) as session:
        own = Overlay.institution_id == current_access().institution_id
        found = session.scalars(select(Overlay).where(own).order_by(Overlay.version.desc())).all()
        return {"items": [_summary(one) for one in found]}


@blueprint.route("", methods=["PUT"])
@require_access("overlay:write")
@blueprint.arguments(OverlayTermsSchema)
@blueprint.response(200, OverlayVersionInFullSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, Conflict)
def write_overlay(terms: OverlayTerms) -> dict[str, object]:
    """Write a draft: a first version, or the next one; while one is being prepared, writing again changes it.

    Refused: what no catalogue and no column of yours has, a weight against its indicator's direction without a reason,
    weights that together could move a firm too many grades, and protected or personal attributes.
    """
    with db.transaction(viewer=_viewer()) as session:
        try:
            overlay = versions.write(
                session,
                current_access().institution_id,
                terms,
                scale=_scale(),
                limits=runtime.part(OverlayLimits),
                hands=_hands(session),
                now=utc_now(),
            )
        except OverlayInvalid as error:
            raise InvalidRequest(errors=[_pointed(flaw) for flaw in error.flaws]) from None
        return _in_full(session, overlay)


def _pointed(flaw: Flaw) -> dict[str, str]:
    return {"pointer": "/" + re.sub(r"\[(\d+)\]", r"/\1", flaw.field).replace(".", "/"), "detail": str(flaw)}


@blueprint.route("/<int:version>", methods=["GET"])
@require_access("overlay:read")
@blueprint.response(200, OverlayVersionInFullSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def show_overlay(version: int) -> dict[str, object]:
    """Show one version: its terms, how far it can move a firm, and what was done to it."""
    with db.transaction(viewer=_viewer()) as session:
        return _in_full(session, versions.own(session, current_access().institution_id, version))


@blueprint.route("/<int:version>/check", methods=["POST"])
@require_access("overlay:check")
@blueprint.arguments(OverlayCheckSchema)
@blueprint.response(200, OverlayVersionInFullSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def check_overlay(body: OverlayCheck, version: int) -> dict[str, object]:
    """Confirm a draft that another client of yours wrote.

    409 when you wrote any of it or hold a key of who did, or when the terms changed since you read them.
    """
    return _step(
        version,
        lambda session, overlay: versions.check(
            session, overlay, terms_sha256=body.terms_sha256, scale=_scale(), limits=runtime.part(OverlayLimits),
            hands=_hands(session), now=utc_now(), note=body.note,
        ),
    )  # fmt: skip


@blueprint.route("/<int:version>/publish", methods=["POST"])
@require_access("overlay:write")
@blueprint.arguments(StepNoteSchema)
@blueprint.response(200, OverlayVersionInFullSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def publish_overlay(body: StepNote, version: int) -> dict[str, object]:
    """Put a checked version to use; the one before it is retired in the same moment."""
    return _step(
        version,
        lambda session, overlay: versions.publish(
            session, overlay, scale=_scale(), limits=runtime.part(OverlayLimits), hands=_hands(session), now=utc_now(),
            note=body.note,
        ),
    )  # fmt: skip


@blueprint.route("/<int:version>/retire", methods=["POST"])
@require_access("overlay:write")
@blueprint.arguments(StepNoteSchema)
@blueprint.response(200, OverlayVersionInFullSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def retire_overlay(body: StepNote, version: int) -> dict[str, object]:
    """Take a version out of use, or drop one that is being prepared; there is no way back."""
    return _step(
        version,
        lambda session, overlay: versions.retire(
            session, overlay, hands=_hands(session), now=utc_now(), note=body.note
        ),
    )


@blueprint.route("/columns", methods=["PUT"])
@require_access("overlay:write")
@blueprint.doc(requestBody={"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}})
@blueprint.response(200, UploadedColumnsSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, Conflict, UnsupportedMediaType)
def upload_columns() -> dict[str, object]:
    """Upload your own data about firms as CSV: `enterprise_id` as you know the firm, and columns of the live overlay.

    A firm that the file names has the file's values and no others from then on; an empty field is not known. One wrong
    line, and nothing is taken.
    """
    if flask.request.mimetype != "text/csv":
        raise UnsupportedMediaType("send text/csv")
    access = current_access()
    with db.transaction(viewer=_viewer()) as session:
        live = versions.live_of(session, access.institution_id)
        if live is None:
            raise Conflict("your institution has no live overlay to take columns for", reason="no_live_overlay")
        file = decode(flask.request.get_data())
        done = uploads.upload(session, access.institution_id, access.client_id, live.to_terms(), file, now=utc_now())
    return dict(vars(done))


def _step(version: int, act: Step) -> dict[str, object]:
    with db.transaction(viewer=_viewer()) as session:
        overlay = versions.own(session, current_access().institution_id, version, lock=True)
        return _in_full(session, act(session, overlay))


def _viewer() -> db.Viewer:
    return db.Viewer(institution_id=current_access().institution_id)


def _scale() -> Scale:
    return runtime.part(LiveModel).model.scale


def _hands(session: Session) -> Hands:
    client = session.scalars(select(Client).where(Client.client_id == current_access().client_id)).one()
    return Hands(f"bank:{client.client_id}", lifecycle.key_marks(client.jwks, client.jwks_uri))


def _summary(overlay: Overlay) -> dict[str, object]:
    names = ("version", "state", "terms_sha256", "written_by", "checked_by", "created_at", "changed_at", "published_at")
    return {name: getattr(overlay, name) for name in names} | {"allowed": sorted(lifecycle.STEPS[overlay.state])}


def _in_full(session: Session, overlay: Overlay) -> dict[str, object]:
    lowest, highest = reach(overlay.to_terms())
    ways = {"safer": -lowest, "riskier": highest}
    return _summary(overlay) | {
        "terms": overlay.terms,
        "reach": {way: {"log_odds": shift, "grades": grades_crossed(_scale(), shift)} for way, shift in ways.items()},
        "steps": [
            {name: getattr(one, name) for name in ("at", "step", "actor", "terms_sha256", "note")}
            for one in versions.steps_of(session, overlay)
        ],
    }
