"""An application as its lender sees it: the firm under the id that is this institution's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.financing.applications import applications, states
from creditlink.financing.applications.events import side_of
from creditlink.financing.requests.warnings import WARNINGS
from creditlink.financing.tables import Application, FinancingEvent, FinancingRequest, LoanFact, Offer
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import to_second
from creditlink.kit.errors import NotFound
from creditlink.kit.http import paging


@dataclass(frozen=True)
class ApplicationQuery:
    """Which applications to list, and a place in their list; None lets all through."""

    limit: int
    state: str | None = None
    request: str | None = None
    changed_from: datetime | None = None
    cursor: str | None = None


def page_of(
    session: Session, institution_id: UUID, query: ApplicationQuery
) -> tuple[list[dict[str, object]], str | None]:
    """Return one page of the applications before the institution, newest first, and the cursor of the next.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    wanted = select(Application).where(Application.institution_id == institution_id)
    if query.state is not None:
        wanted = wanted.where(Application.state == query.state)
    if query.request is not None:
        salt = session.get_one(Institution, institution_id).pairwise_salt
        wanted = wanted.where(Application.request_id == ids.pairwise_internal("fin", salt, query.request))
    if query.changed_from is not None:
        wanted = wanted.where(Application.changed_at >= query.changed_from)
    own = Application.institution_id == institution_id
    after = paging.row_of(session, Application, "app", query.cursor, own)
    rows, more = paging.newest_first(
        session, wanted, Application.made_at, Application.id, after=after, limit=query.limit
    )
    page = [application for (application,) in rows]
    return as_wire(session, page), page[-1].wire_id if more else None


def own(session: Session, institution_id: UUID, application_id: str, *, lock: bool = False) -> Application:
    """Return one application before the institution, locked if it is about to change.

    Raises
    ------
    NotFound
        There is none: unknown and another institution's look the same.
    """
    wanted = select(Application).where(
        Application.id == applications.internal(application_id), Application.institution_id == institution_id
    )
    if lock:
        wanted = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    application = session.scalars(wanted).one_or_none()
    if application is None:
        raise NotFound
    return application


def as_wire(session: Session, rows: Sequence[Application]) -> list[dict[str, object]]:
    """Return applications of one institution as it sees them."""
    if not rows:
        return []
    salt = session.get_one(Institution, rows[0].institution_id).pairwise_salt
    offers = applications.latest_offers(session, rows)
    wanted = [row.request_id for row in rows]
    requests = {one.id: one for one in session.scalars(select(FinancingRequest).where(FinancingRequest.id.in_(wanted)))}
    consents: dict[UUID, str] = dict(
        session.execute(select(Consent.id, Consent.state).where(Consent.id.in_([row.consent_id for row in rows]))).all()
    )
    return [
        _one(row, requests[row.request_id], offers.get(row.id), consents[row.consent_id], salt=salt) for row in rows
    ]


def _one(
    application: Application, request: FinancingRequest, offer: Offer | None, consent_state: str, *, salt: str
) -> dict[str, object]:
    return {
        "id": application.wire_id,
        "state": application.state,
        "allowed": list(states.allowed(application.state, "bank")),
        "enterprise_id": ids.pairwise(salt, application.enterprise_id),
        "request": {
            "id": ids.pairwise_external("fin", salt, request.id),  # several lenders may have it before them
            "version": request.version,
            "amount_fen": request.amount_fen,
            "term_months": request.term_months,
            "use": request.use,
            "collateral": request.collateral,
            "expires_at": to_second(request.expires_at),
        },
        "product": {"code": application.product_code, "version": application.product_version},
        "first_loan": application.first_loan,
        "warnings": [
            {"code": code, "text_zh": WARNINGS[code][2], "text_en": WARNINGS[code][3]}
            for code in application.warnings
            if code in WARNINGS
        ],
        "consent_id": ids.external("cns", application.consent_id),
        "consent_state": consent_state,
        "made_at": to_second(application.made_at),
        "changed_at": to_second(application.changed_at),
        "answer_due_at": to_second(application.answer_due_at),
        "escalated_at": to_second(application.escalated_at) if application.escalated_at else None,
        "answered_at": to_second(application.answered_at) if application.answered_at else None,
        "due_at": to_second(application.due_at) if application.due_at else None,
        "offer": None if offer is None else offer_as_wire(offer),
        "declined_for": application.decline_weighed,
    }


def offer_as_wire(offer: Offer) -> dict[str, object]:
    """Return an offer: its terms, what follows from them, and the hash that freezes it."""
    return {
        "id": offer.wire_id,
        "revision": offer.revision,
        **offer.terms,
        "valid_until": offer.valid_until,
        "made_at": offer.made_at,
        "sha256": offer.sha256,
    }


def history(session: Session, application: Application) -> list[dict[str, object]]:
    """Return what happened to an application, oldest first; of persons only which side they are on."""
    query = select(FinancingEvent).where(FinancingEvent.application_id == application.id).order_by(FinancingEvent.id)
    return [
        {
            "at": to_second(event.at),
            "event": event.event,
            "by": side_of(event.actor),
            "from_state": event.from_state,
            "to_state": event.to_state,
            "detail": event.detail,
        }
        for event in session.scalars(query)
    ]


def loan(facts: Sequence[LoanFact]) -> list[dict[str, object]]:
    """Return the facts of a loan, by day."""
    return [
        {
            "kind": fact.kind,
            "on": fact.about_on,
            "reference": fact.reference,
            "amount_fen": fact.amount_fen,
            "days_past_due": fact.days_past_due,
            "known_at": fact.known_at,
        }
        for fact in facts
    ]
