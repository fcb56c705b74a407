"""`/v1/reports`: a bank has a report made of a profile, under a consent for reports, and reads it."""

from __future__ import annotations

from uuid import UUID

import flask
from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.decisions.kept import classes_of
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import (
    Conflict,
    ConsentRefused,
    IdempotencyMismatch,
    InsufficientScope,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    Unauthorized,
)
from creditlink.kit.http import idempotency
from creditlink.kit.http.api import Blueprint
from creditlink.kit.http.fields import given
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.reports import files, looks, rules, service
from creditlink.reports.rules import AskedWrongly, WantedReport
from creditlink.reports.schemas import ReportRequest, ReportRequestSchema, ReportSchema
from creditlink.reports.service import Means, OpenedReport

blueprint = Blueprint(
    "reports",
    __name__,
    url_prefix="/v1/reports",
    description="Signed credit reports of firms that agreed, to be handed on and verified by anybody",
)


def means_of(settings: Settings) -> Means:
    """Return what making a report needs in this process."""
    return Means(
        settings=settings.parsed(rules.FILE, rules.parse),
        scale=runtime.part(LiveModel).rules.scale,
        issuer=settings.issuer,
        secret=settings.secret_key,
        classes=classes_of(settings),
    )


@blueprint.route("", methods=["POST"])
@require_access("report:create")
@blueprint.arguments(ReportRequestSchema)
@blueprint.response(201, ReportSchema)
@blueprint.problems(
    InvalidRequest,
    Unauthorized,
    InsufficientScope,
    ConsentRefused,
    LimitExceeded,
    NotFound,
    Conflict,
    IdempotencyMismatch,
)
@blueprint.reads("Idempotency-Key")
def create_report(wanted: ReportRequest) -> tuple[dict[str, object], int, dict[str, str]]:
    """Have a report made of a profile, under a consent of purpose `report` that allows the action `report`.

    `Idempotency-Key` makes a repeated request give the same report.
    """
    access, means = current_access(), means_of(runtime.part(Settings))
    key = idempotency.checked_key(flask.request.headers.get("Idempotency-Key"))
    now = utc_now()
    with db.transaction() as session:
        if key is not None and (made := _made_before(session, wanted, key)):
            whole = service.read(session, access, ids.external("rpt", made), secret=means.secret, now=now)
        else:
            profile = ids.internal("prf", wanted.profile_id)
            whole = service.make(session, access, profile, _asked(wanted, means), means=means, now=now)
            if key is not None:
                idempotency.settle(session, access.institution_id, key, whole.report.id)
        answer = _as_json(session, whole)
    return answer, 201, {"Location": f"/v1/reports/{answer['id']}"}


def _made_before(session: Session, wanted: ReportRequest, key: str) -> UUID | None:
    access = current_access()
    asked = {"consent": access.consent_id, "report": given(wanted)}
    return idempotency.claim(session, access.institution_id, key, asked, now=utc_now())


@blueprint.route("/<report_id>", methods=["GET"])
@require_access("report:read")
@blueprint.response(200, ReportSchema)
@blueprint.problems(Unauthorized, InsufficientScope, ConsentRefused, NotFound, Conflict)
@blueprint.reads("Accept")
def read_report(report_id: str) -> dict[str, object] | flask.Response:
    """Read a report while its consent lives: as JSON, or with `Accept: application/pdf` as the sealed PDF."""
    settings = runtime.part(Settings)
    best = flask.request.accept_mimetypes.best_match([files.JSON, files.PDF], files.JSON)
    with db.transaction() as session:
        whole = service.read(session, current_access(), report_id, secret=settings.secret_key, now=utc_now())
        if best == files.JSON:
            return _as_json(session, whole)
    # The pages are made when the transaction is over: no connection waits for them.
    content = files.pdf_of(whole, secret=settings.secret_key)
    return flask.Response(content, mimetype=files.PDF, headers={"Cache-Control": "no-store"})


def _asked(wanted: ReportRequest, means: Means) -> WantedReport:
    try:
        return rules.asked_of(
            recipient=wanted.recipient, purpose=wanted.purpose, language=wanted.language, days=wanted.valid_days,
            left_out=wanted.leave_out, settings=means.settings,
        )  # fmt: skip
    except AskedWrongly as wrong:
        raise InvalidRequest(errors=[{"pointer": f"/{wrong.field}", "detail": wrong.detail}]) from None


def _as_json(session: Session, whole: OpenedReport) -> dict[str, object]:
    report = whole.report
    return {
        "id": report.wire_id,
        "consent_id": ids.external("cns", report.consent_id),
        "profile_id": ids.external("prf", report.profile_id),
        "made_at": report.made_at,
        "valid_until": report.valid_until,
        "state": looks.state_of(session, report, utc_now()),
        "digest": report.digest,
        "verify": whole.claims["verify"],
        "jws": whole.signed,
        "report": whole.claims,
    }
