"""An application as its lender sees it: the firm under the id that is this institution's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.financing.applications import applications, states
from creditlink.financing.applications.events import side_of
from creditlink.financing.tables import Application, FinancingEvent, FinancingRequest, LoanFact, Offer
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import to_second
from creditlink.kit.errors import NotFound
from creditlink.kit.http import paging


def page_of(session: Session, institution_id: UUID, query: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """Return one page of the applications before the institution, newest first, and the cursor of the next.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    wanted = select(Application).where(Application.institution_id == institution_id)
    if "state" in query:
        wanted = wanted.where(Application.state == query["state"])
    if "request" in query:
        salt = session.get_one(Institution, institution_id).pairwise_salt
        wanted = wanted.where(Application.request_id == ids.pairwise_internal("fin", salt, query["request"]))
    if query.get("changed_from"):
        wanted = wanted.where(Application.changed_at >= query["changed_from"])
    own = Application.institution_id == institution_id
    after = paging.row_of(session, Application, "app", query.get("cursor"), own)
    rows, more = paging.newest_first(
        session, wanted, Application.made_at, Application.id, after=after, limit=query["limit"]
    )
    page = told(session, [application for (application,) in rows])
    return page, page[-1]["id"] if more else None


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
    held = session.scalars(wanted).one_or_none()
    if held is None:
        raise NotFound
    return held


def told(session: Session, rows: Sequence[Application]) -> list[dict[str, Any]]:
    """Return applications of one institution as told to it."""
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
    held: Application, request: FinancingRequest, offer: Offer | None, consent_state: str, *, salt: str
) -> dict[str, Any]:
    return {
        "id": held.wire_id,
        "state": held.state,
        "allowed": list(states.allowed(held.state, "bank")),
        "enterprise_id": ids.pairwise(salt, held.enterprise_id),
        "request": {
            "id": ids.pairwise_external("fin", salt, request.id),  # several lenders may have it before them
            "version": request.version,
            "amount_fen": request.amount_fen,
            "term_months": request.term_months,
            "use": request.use,
            "collateral": request.collateral,
            "expires_at": to_second(request.expires_at),
        },
        "product": {"code": held.product_code, "version": held.product_version},
        "consent_id": ids.external("cns", held.consent_id),
        "consent_state": consent_state,
        "made_at": to_second(held.made_at),
        "changed_at": to_second(held.changed_at),
        "answer_due_at": to_second(held.answer_due_at),
        "escalated_at": to_second(held.escalated_at) if held.escalated_at else None,
        "answered_at": to_second(held.answered_at) if held.answered_at else None,
        "due_at": to_second(held.due_at) if held.due_at else None,
        "offer": None if offer is None else as_told(offer),
        "declined_for": held.decline_weighed,
    }


def as_told(offer: Offer) -> dict[str, Any]:
    """Return an offer: its terms, what follows from them, and the hash that freezes it."""
    return {
        "id": offer.wire_id,
        "revision": offer.revision,
        **offer.terms,
        "valid_until": offer.valid_until,
        "made_at": offer.made_at,
        "sha256": offer.sha256,
    }


def history(session: Session, held: Application) -> list[dict[str, Any]]:
    """Return what happened to an application, oldest first; of persons only which side they are on."""
    query = select(FinancingEvent).where(FinancingEvent.application_id == held.id).order_by(FinancingEvent.id)
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


def loan(facts: Sequence[LoanFact]) -> list[dict[str, Any]]:
    """Return what holds of a loan, by day."""
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
