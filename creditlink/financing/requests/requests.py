"""A firm's request: asked, amended, brought before lenders each under a consent of its own, withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents import service as consents
from creditlink.consents.agreement.categories import CATEGORIES, USUAL_ACTIONS
from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.limits import FairUse
from creditlink.consents.life.approval import approve
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, SUPPLIES
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing.applications import applications, events, states
from creditlink.financing.configuration import Clocks
from creditlink.financing.requests import standing
from creditlink.financing.requests.ask import MOST_LENDERS, FinancingAsk
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import day_of, start_of_day
from creditlink.kit.errors import Conflict
from creditlink.records import sources

DESK_SCOPE = "financing:read"
PURPOSE = "underwriting"
CORE = ("tax", "social_security", *SUPPLIES)
"""What a lender is offered beside what its product needs, as far as it may ask for it."""


@dataclass(frozen=True)
class LenderDesk:
    """Where a lender takes requests: its client that may read them."""

    institution: Institution
    client: Client


def ask(
    session: Session, enterprise: Enterprise, account: Account, wanted: FinancingAsk, *, clocks: Clocks, now: datetime
) -> FinancingRequest:
    """Record what a firm asks for; no lender knows of it yet."""
    request = FinancingRequest(
        enterprise_id=enterprise.id,
        asked_by=account.id,
        **asdict(wanted),
        version=1,
        made_at=now,
        changed_at=now,
        expires_at=now + clocks.after("request_days"),
    )
    session.add(request)
    session.flush()
    events.of_request(session, request, "ask", actor=f"account:{account.id}", now=now, detail=asdict(wanted))
    return request


def amend(
    session: Session, request: FinancingRequest, wanted: FinancingAsk, *, account: Account, now: datetime
) -> FinancingRequest:
    """Ask for something else; lenders that have not answered see the new version.

    Raises
    ------
    Conflict
        The request ended, or a lender offered or declined already: what it answered to must not change.
    """
    request = applications.locked_request(session, request.id)
    if request.ended_at is not None:
        raise Conflict("the request has ended", reason=request.end_reason)
    before = of_request(session, request.id)
    if any(one.state not in states.UNANSWERED for one in before):
        raise Conflict("a lender answered already: withdraw and ask anew", reason="answered")
    if request.ask() == wanted:
        return request
    for name, value in asdict(wanted).items():
        setattr(request, name, value)
    request.version, request.changed_at = request.version + 1, now
    session.flush()
    actor = f"account:{account.id}"
    events.of_request(
        session, request, "amend", actor=actor, now=now, detail=asdict(wanted) | {"version": request.version}
    )
    for one in before:
        events.notify_lender(session, one, "amend", actor=actor, now=now)
    return request


def apply(
    session: Session,
    request: FinancingRequest,
    product: ProductTerms,
    desk: LenderDesk,
    *,
    account: Account,
    enterprise: Enterprise,
    categories: Sequence[str],
    fair_use: FairUse,
    lang: str,
    clocks: Clocks,
    now: datetime,
    referred_from: Application | None = None,
    warnings: Sequence[str] = (),
) -> Application:
    """Bring the request before one lender, with a consent for that lender given in the same step.

    Asking the same lender for the same product again returns the application that exists. The lender reads the
    `warnings` that the firm was shown, and whether this would be the firm's first loan here.

    Raises
    ------
    Conflict
        The request ended, found its lender, or is before too many lenders.
    ConsentRefused, InvalidRequest
        The account may not decide this, or a required category is left out.
    """
    request = applications.locked_request(session, request.id)
    if request.ended_at is not None or now >= request.expires_at:
        raise Conflict("the request has ended", reason=request.end_reason or "expired")
    earlier = of_request(session, request.id)
    for one in earlier:
        if (one.institution_id, one.product_code) == (desk.institution.id, product.code):
            return one
    if sum(one.state not in states.FINAL for one in earlier) >= MOST_LENDERS:
        raise Conflict(f"at most {MOST_LENDERS} lenders are asked at once", reason="too_many_lenders")
    details = details_for(product, enterprise, desk.client, fair_use=fair_use, now=now)
    consent = consents.request_consent(
        session,
        client=desk.client,
        details=details,
        now=now,
        channel="financing",
        answer_until=now + clocks.after("answer_days"),
    )
    shown = consents.statement_for(session, consent, fair_use=fair_use, lang=lang)
    consent = approve(
        session, consent, account=account, enterprise=enterprise, categories=categories, statement=shown, now=now
    )
    application = Application(
        request_id=request.id,
        enterprise_id=enterprise.id,
        institution_id=desk.institution.id,
        client_id=desk.client.client_id,
        consent_id=consent.id,
        product_code=product.code,
        product_version=product.version,
        referred_from=referred_from.id if referred_from else None,
        state="requested",
        made_at=now,
        changed_at=now,
        answer_due_at=now + clocks.after("answer_days"),
        decline_codes=[],
        decline_note="",
        decline_weighed=[],
        warnings=list(warnings),
        first_loan=standing.had_no_loan(session, enterprise.id),
    )
    session.add(application)
    session.flush()
    actor, detail = f"account:{account.id}", {"product": product.code}
    events.of_application(session, application, "apply", actor=actor, now=now, from_state=None, detail=detail)
    return application


def details_for(
    product: ProductTerms, enterprise: Enterprise, client: Client, *, fair_use: FairUse, now: datetime
) -> AuthorizationDetails:
    """Return the consent that an application for `product` asks the firm for: what the product says it needs.

    Categories that the lender may read but the product does not need are offered as optional; one without a source
    here is not asked for. It ends at the beginning of a day, so that what is shown and what is signed on one day are
    the same text.
    """
    template = fair_use.templates[PURPOSE]
    served = sources.current().config.categories
    open_here = {name for name in client.categories if name in served and name not in PUBLIC_CATEGORIES}
    needed = [name for name in product.required_categories if name in open_here]
    core = [name for name in CORE if name in open_here]
    named = {*(needed or core[:1]), *core}
    return AuthorizationDetails(
        uscc=enterprise.uscc,
        categories=tuple(name for name in CATEGORIES if name in named),
        optional_categories=tuple(name for name in CATEGORIES if name in named - set(needed or core[:1])),
        purpose=PURPOSE,
        access=template.access,
        history_months=min(36, template.history_months),
        valid_until=start_of_day(day_of(now)) + timedelta(days=template.consent_days),
        data_life_days=template.data_life_days,
        pulls_per_month=template.usual_pulls,
        pulls_per_day=None,
        actions=USUAL_ACTIONS,
        fair_use_version=fair_use.version,
    )


def desks(session: Session) -> dict[str, LenderDesk]:
    """Return institution code -> where it takes requests; lenders without such a client are not in it."""
    rows = session.execute(
        select(Institution, Client)
        .join(Client, Client.institution_id == Institution.id)
        .where(Institution.status == "active", Client.status == "active", Client.scopes.contains([DESK_SCOPE]))
        .order_by(Client.created_at, Client.client_id)
    )
    found: dict[str, LenderDesk] = {}
    for institution, client in rows:
        found.setdefault(institution.code, LenderDesk(institution, client))
    return found


def withdraw(session: Session, request: FinancingRequest, *, account: Account, now: datetime) -> None:
    """Take the whole request back from every lender that has not lent yet; those consents end with it.

    Raises
    ------
    StepRefused, Conflict
        It was lent already, or the cooling-off period is over.
    """
    actor = f"account:{account.id}"
    request = applications.locked_request(session, request.id)
    for one in of_request(session, request.id, lock=True):
        if one.state not in states.FINAL:
            applications.withdraw(session, one, actor=actor, now=now)
    if request.ended_at is None:
        request.ended_at, request.end_reason, request.changed_at = now, "withdrawn", now
        session.flush()
        events.of_request(session, request, "withdraw", actor=actor, now=now, detail={})


def of_request(session: Session, request_id: UUID, *, lock: bool = False) -> list[Application]:
    """Return a request's applications in the order they were created."""
    query = select(Application).where(Application.request_id == request_id).order_by(Application.id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return sorted(session.scalars(query), key=lambda one: (one.made_at, one.id))
