"""`/v1/financing`: the applications before an institution, its answers, and what became of the loans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import flask
from marshmallow import Schema
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.consents.tables import Consent
from creditlink.financing import configuration, wire
from creditlink.financing.applications import adverse, applications, disagreement
from creditlink.financing.applications.basis import last_profile
from creditlink.financing.applications.terms import OfferTerms, TermsInvalid
from creditlink.financing.bodies import DeclineBody, FunnelQuery, OfferBody, OutcomeBody, SignatureBody
from creditlink.financing.funnel import learning
from creditlink.financing.funnel.funnel import OTHER
from creditlink.financing.loans import outcomes, reporting
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.financing.schemas import (
    ApplicationInFullSchema,
    ApplicationPageSchema,
    ApplicationQuerySchema,
    DeclineBodySchema,
    DeclineReasonsSchema,
    DisagreementSchema,
    FunnelQuerySchema,
    FunnelSchema,
    HandoverSchema,
    OfferBodySchema,
    OutcomeBodySchema,
    OutcomeFileSchema,
    SignatureBodySchema,
)
from creditlink.financing.tables import Application, FunnelRow
from creditlink.financing.wire import ApplicationQuery
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import (
    Conflict,
    IdempotencyMismatch,
    InsufficientScope,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from creditlink.kit.files import textfile
from creditlink.kit.http import idempotency
from creditlink.kit.http.api import Blueprint, public
from creditlink.kit.http.fields import given
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.oauth.grants.handover import hand_over
from creditlink.products.service import inherited

blueprint = Blueprint(
    "financing",
    __name__,
    url_prefix="/v1/financing",
    description="Requests that firms bring before your institution, your answers, and what became of the loans",
)
decline_reasons = Blueprint(
    "decline_reasons", __name__, url_prefix="/v1/decline-reasons", description="Why lenders decline, as codes"
)

_REFUSALS = (Unauthorized, InsufficientScope, NotFound, Conflict, InvalidRequest, IdempotencyMismatch)
_HANDED = ("profile:create", "profile:read")
_FORMS = {"text/csv": "csv", "application/x-ndjson": "ndjson"}


def _settings() -> Settings:
    return runtime.part(Settings)


View = Callable[..., object]


class _Act(Protocol):
    """What a step does to the locked application."""

    def __call__(self, session: Session, application: Application, /, *, actor: str, now: datetime) -> object:
        """Do it, or raise the problem that forbids it."""


def _step(path: str, schema: type[Schema] | None = None, scope: str = "financing:write") -> Callable[[View], View]:
    """Make a view the route of one step on an application: what every step has in common."""

    def decorate(view: View) -> View:
        view = blueprint.reads("Idempotency-Key")(view)
        view = blueprint.response(200, ApplicationInFullSchema)(blueprint.problems(*_REFUSALS)(view))
        if schema is not None:
            view = blueprint.arguments(schema)(view)
        route = f"/applications/<application_id>/{path}"
        routed: View = blueprint.route(route, methods=["POST"])(require_access(scope)(view))
        return routed

    return decorate


def _take_step(application_id: str, body: Mapping[str, object], act: _Act) -> dict[str, object]:
    """Run one step on the locked application and return it; a repeated Idempotency-Key runs nothing."""
    key = idempotency.checked_key(flask.request.headers.get("Idempotency-Key"))
    now, institution_id = utc_now(), current_access().institution_id
    with db.transaction(viewer=db.Viewer(institution_id=institution_id)) as session:
        application = wire.own(session, institution_id, application_id, lock=True)
        request = {"route": str(flask.request.url_rule), "application": application.wire_id, **body}
        earlier = key and idempotency.claim(session, institution_id, key, request, now=now)
        if not earlier:
            act(session, application, actor=f"bank:{current_access().client_id}", now=now)
            if key:
                idempotency.settle(session, institution_id, key, application.id)
        return _in_full(session, application)


def _in_full(session: Session, application: Application) -> dict[str, object]:
    (summary,) = wire.as_wire(session, [application])
    facts = outcomes.facts_of(session, application)
    return summary | {"history": wire.history(session, application), "loan": wire.loan(facts)}


@blueprint.route("/applications", methods=["GET"])
@require_access("financing:read")
@blueprint.arguments(ApplicationQuerySchema, location="query")
@blueprint.response(200, ApplicationPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope)
def list_applications(query: ApplicationQuery) -> dict[str, object]:
    """List the applications before your institution, newest first."""
    with db.transaction(viewer=db.Viewer(institution_id=current_access().institution_id)) as session:
        page, cursor = wire.page_of(session, current_access().institution_id, query)
    return {"items": page, "next_cursor": cursor}


@blueprint.route("/applications/<application_id>", methods=["GET"])
@require_access("financing:read")
@blueprint.response(200, ApplicationInFullSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def show_application(application_id: str) -> dict[str, object]:
    """Show one application with its history and what became of the loan."""
    with db.transaction(viewer=db.Viewer(institution_id=current_access().institution_id)) as session:
        return _in_full(session, wire.own(session, current_access().institution_id, application_id))


@blueprint.route("/applications/<application_id>/authorization", methods=["POST"])
@require_access("financing:read")
@blueprint.response(201, HandoverSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound, Conflict)
def authorize_application(application_id: str) -> dict[str, object]:
    """Get the way to tokens for the firm's data, under the consent that it gave with its application.

    The answer's `auth_req_id` is good once, for minutes, and with your client's keys only; asking again voids the
    one before.
    """
    now = utc_now()
    with db.transaction(viewer=db.Viewer(institution_id=current_access().institution_id)) as session:
        application = wire.own(session, current_access().institution_id, application_id)
        if application.client_id != current_access().client_id:
            raise NotFound
        consent = session.get_one(Consent, application.consent_id)
        if consent.state not in ("ACTIVE", "REQUESTED"):
            raise Conflict(f"the consent is {consent.state}", reason=consent.state.lower())
        client = session.scalars(select(Client).where(Client.client_id == application.client_id)).one()
        scopes = [scope for scope in _HANDED if scope in client.scopes]
        if not scopes:
            raise Conflict("your client is registered for no scope of a firm's data", reason="no_scope")
        auth_req_id, expires_at = hand_over(session, client=client, consent=consent, scopes=scopes, now=now)
    return {
        "auth_req_id": auth_req_id,
        "expires_at": expires_at,
        "scope": " ".join(scopes),
        "consent_id": consent.wire_id,
    }


@_step("receipt")
def confirm_receipt(application_id: str) -> dict[str, object]:
    """Say that the application arrived."""
    return _take_step(application_id, {}, applications.receive)


@_step("review")
def begin_review(application_id: str) -> dict[str, object]:
    """Say that somebody is looking at it."""
    return _take_step(application_id, {}, applications.review)


@_step("offers", OfferBodySchema)
def make_offer(body: OfferBody, application_id: str) -> dict[str, object]:
    """Make an offer, or a better one in its place. Its terms are frozen by their hash.

    The subsidy is that of the product applied for, and so are the repayment and the fees unless you say others.
    """

    def act(session: Session, application: Application, *, actor: str, now: datetime) -> None:
        try:
            product = inherited(
                session, application.product_code, application.product_version, amount_fen=body.amount_fen
            )
            terms = OfferTerms(
                body.amount_fen,
                body.term_months,
                body.rate_bps,
                fee_fen=product.fee_fen if body.fee_fen is None else body.fee_fen,
                repayment=product.repayment if body.repayment is None else body.repayment,
                cooling_off_days=body.cooling_off_days,
                conditions=body.conditions,
                subsidy_bps=product.subsidy_bps,
            )
        except TermsInvalid as wrong:
            raise InvalidRequest(errors=[{"pointer": f"/{wrong.field}", "detail": str(wrong)}]) from None
        profile = last_profile(session, application)
        if application.answered_at is None:
            learning.remember(session, application, profile, approved=True, now=now)
        applications.offer(
            session,
            application,
            terms,
            valid_until=body.valid_until,
            clocks=configuration.clocks(_settings().config_dir),
            actor=actor,
            now=now,
        )
        adverse.tell_worse(session, application, profile, terms, now)

    return _take_step(application_id, {**given(body), "valid_until": body.valid_until.isoformat()}, act)


@_step("decline", DeclineBodySchema)
def decline_application(body: DeclineBody, application_id: str) -> dict[str, object]:
    """Decline with typed reasons; the firm sees them, and how they agree with the explanation that you had.

    A notice in Chinese and English is on its page at once; the webhooks `notice.seen` and `notice.overdue` tell whether
    it was opened in time.
    """
    known = configuration.declines(_settings().config_dir)
    for k, code in enumerate(body.reasons):
        if code not in known:
            raise InvalidRequest(
                errors=[{"pointer": f"/reasons/{k}", "detail": f"{code!r} is not a code of /v1/decline-reasons"}]
            )
    reasons = [known[code] for code in dict.fromkeys(body.reasons)]

    def act(session: Session, application: Application, *, actor: str, now: datetime) -> None:
        profile = last_profile(session, application)
        adverse.must_be_a_persons(
            session, application, by_a_person=body.decided_by_person or False, actor=actor, now=now
        )
        if application.answered_at is None:
            learning.remember(session, application, profile, approved=False, now=now)
        applications.decline(
            session,
            application,
            reasons,
            note=body.note,
            weighed=disagreement.weighed(profile, reasons),
            actor=actor,
            now=now,
        )
        adverse.tell_declined(session, application, profile, reasons, now)

    return _take_step(application_id, given(body), act)


@_step("signature", SignatureBodySchema)
def sign_contract(body: SignatureBody, application_id: str) -> dict[str, object]:
    """Say that the contract was signed, on exactly the offer that the firm accepted."""

    def act(session: Session, application: Application, *, actor: str, now: datetime) -> None:
        applications.sign(
            session,
            application,
            offer_sha256=body.offer_sha256,
            clocks=configuration.clocks(_settings().config_dir),
            actor=actor,
            now=now,
        )

    return _take_step(application_id, given(body), act)


@_step("outcomes", OutcomeBodySchema, scope="outcome:write")
def report_outcome(body: OutcomeBody, application_id: str) -> dict[str, object]:
    """Report one thing that became of the loan. A different one for the same day and reference corrects it."""
    if (body.kind == "repayment") != (body.days_past_due is not None):
        raise InvalidRequest(errors=[{"pointer": "/days_past_due", "detail": "belongs to a repayment, and only there"}])
    if body.kind == "repayment" and body.on.day != 1:
        raise InvalidRequest(errors=[{"pointer": "/on", "detail": "of a repayment is the first day of its month"}])
    outcome = LoanOutcome(body.kind, body.on, body.amount_fen, body.days_past_due, body.reference)
    return _take_step(
        application_id, given(body), lambda s, application, **by: outcomes.record(s, application, outcome, **by)
    )


@blueprint.route("/outcomes", methods=["POST"])
@require_access("outcome:write")
@blueprint.response(200, OutcomeFileSchema)
@blueprint.problems(Unauthorized, InsufficientScope, InvalidRequest)
def report_outcomes() -> dict[str, object]:
    """Report a file of outcomes, `text/csv` or `application/x-ndjson`: good lines are in, each wrong one is named.

    Sending a file again, whole or in part, records nothing twice.
    """
    form = _FORMS.get(flask.request.mimetype)
    if form is None:
        raise InvalidRequest(
            errors=[{"pointer": "/headers/Content-Type", "detail": f"must be one of {', '.join(_FORMS)}"}]
        )
    file = textfile.decode(flask.request.get_data())
    taken, actor = reporting.OutcomeReport(), f"bank:{current_access().client_id}"
    for lines in reporting.portions(file, form=form):
        with db.transaction(viewer=db.Viewer(institution_id=current_access().institution_id)) as session:
            taken += reporting.take_lines(session, current_access().institution_id, lines, actor=actor, now=utc_now())
    return taken.to_dict()


@blueprint.route("/disagreements", methods=["GET"])
@require_access("financing:read")
@blueprint.response(200, DisagreementSchema)
@blueprint.problems(Unauthorized, InsufficientScope)
def show_disagreements() -> dict[str, object]:
    """Show how your declines agree with the explanations: you declined for X, the explanation said Y."""
    with db.transaction(viewer=db.Viewer(institution_id=current_access().institution_id)) as session:
        return disagreement.report(session, current_access().institution_id)


@blueprint.route("/funnel", methods=["GET"])
@public
@blueprint.arguments(FunnelQuerySchema, location="query")
@blueprint.response(200, FunnelSchema)
@blueprint.problems(InvalidRequest)
def show_funnel(query: FunnelQuery) -> dict[str, object]:
    """Show how many applied, were approved, drew and repaid in one period: separate facts, never of under ten firms.

    A period is one or more whole months; it is told once, when it is over, and never changes.
    """
    with db.transaction() as session:
        periods, rows = _period(session, query.by, query.until)
    return _funnel(query.by, periods, sorted(rows, key=lambda row: (row.key == OTHER, -row.applied, row.key)))


@blueprint.route("/answer-times", methods=["GET"])
@public
@blueprint.response(200, FunnelSchema)
def show_answer_times() -> dict[str, object]:
    """Show the institutions by how soon they answered in the last period that is over, the quickest first."""
    with db.transaction() as session:
        periods, rows = _period(session, "institution", None)
    timed = [row for row in rows if row.key != OTHER and row.median_answer_hours is not None]
    return _funnel("institution", periods, sorted(timed, key=lambda row: (row.median_answer_hours, row.key)))


def _period(session: Session, by: str, until: datetime | None) -> tuple[list[datetime], list[FunnelRow]]:
    """Return the ends of all periods, newest first, and the rows of one of them: the newest by default."""
    query = select(FunnelRow.period_until).distinct().order_by(FunnelRow.period_until.desc())
    periods = list(session.scalars(query))
    wanted = until or (periods[0] if periods else None)
    rows = session.scalars(select(FunnelRow).where(FunnelRow.dimension == by, FunnelRow.period_until == wanted))
    return periods, list(rows)


def _funnel(by: str, periods: list[datetime], rows: list[FunnelRow]) -> dict[str, object]:
    first = rows[0] if rows else None
    return {
        "by": by,
        "computed_at": first.computed_at if first else None,
        "period_from": first.period_from if first else None,
        "period_until": first.period_until if first else None,
        "periods": periods,
        "rows": rows,
    }


@decline_reasons.route("", methods=["GET"])
@public
@decline_reasons.response(200, DeclineReasonsSchema)
def list_decline_reasons() -> dict[str, object]:
    """List the decline reasons in both languages, and the reason codes of the score that speak of the same."""
    return {"items": [reason.to_dict() for reason in configuration.declines(_settings().config_dir).values()]}
