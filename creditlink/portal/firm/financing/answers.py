"""Applications as the firm sees them: the answer, how it came about, what was lent; and the firm's own steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing import configuration
from creditlink.financing.applications import applications, disagreement
from creditlink.financing.applications.states import ACCEPTED, LENT, UNANSWERED, allowed
from creditlink.financing.loans import outcomes
from creditlink.financing.requests import requests
from creditlink.financing.tables import Application, FinancingEvent, FinancingRequest, LoanFact, Offer
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.portal.firm.financing.words import label, name
from creditlink.portal.firm.firms import first_with
from creditlink.portal.site import blueprint, see_other, settings, signed_in
from creditlink.products.service import book_of


@dataclass(frozen=True)
class LoanView:
    """What the lender has reported about the money; amounts in fen."""

    drawn_fen: int
    outstanding_fen: int | None
    days_past_due: int | None  # the worst of the last month reported

    @classmethod
    def of(cls, facts: list[LoanFact]) -> LoanView:
        """Return it from the loan's current facts, by day."""
        months = [fact for fact in facts if fact.kind == "repayment"]
        return cls(
            sum(fact.amount_fen for fact in facts if fact.kind == "draw"),
            months[-1].amount_fen if months else None,
            months[-1].days_past_due if months else None,
        )


@dataclass(frozen=True)
class ApplicationView:
    """One application as the firm sees it."""

    application: Application
    institution: str
    product: str
    offer: Offer | None
    declined: list[tuple[str, str]]  # each reason, and how it agrees with the explanation
    past: list[tuple[str, datetime]]  # each state that it came to, and when
    loan: LoanView | None
    may: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether there is an offer that the firm can accept."""
        return self.offer is not None and "accept" in self.may

    @property
    def is_waiting(self) -> bool:
        """Whether the lender has still to answer."""
        return self.application.state in UNANSWERED


def answers_to(session: Session, request: FinancingRequest) -> list[ApplicationView]:
    """Return a request's applications: accepted ones, offers by cost, those awaiting an answer, and the rest."""
    rows = requests.of_request(session, request.id)
    if not rows:
        return []
    offers = applications.latest_offers(session, rows)
    lenders = select(Institution).where(Institution.id.in_({row.institution_id for row in rows}))
    names = {one.id: name(one) for one in session.scalars(lenders)}
    products = book_of(session, settings(), sorted({(row.product_code, row.product_version) for row in rows})).products
    titles = {terms.code: name(terms) for terms in products}
    past = _past(session, request.id)
    answers = [
        ApplicationView(
            row,
            names[row.institution_id],
            titles[row.product_code],
            offers.get(row.id),
            _decline_reasons(row),
            past.get(row.id, []),
            LoanView.of(outcomes.facts_of(session, row)) if row.state in LENT else None,
            allowed(row.state, "firm"),
        )
        for row in rows
    ]
    return sorted(answers, key=_rank)


def _rank(answer: ApplicationView) -> tuple[int, bool, int]:
    state = answer.application.state
    order = [state in ACCEPTED, answer.is_open, answer.is_waiting, True]
    return order.index(True), answer.offer is None, _yearly_cost(answer)


def cheapest(answers: list[ApplicationView]) -> ApplicationView | None:
    """Return the open offer with the lowest yearly cost, where there is more than one."""
    offers = [one for one in answers if one.is_open]
    return min(offers, key=_yearly_cost) if len(offers) > 1 else None


def _yearly_cost(answer: ApplicationView) -> int:
    return int(answer.offer.terms["yearly_cost_bps"]) if answer.offer else 0


def _decline_reasons(row: Application) -> list[tuple[str, str]]:
    known = configuration.declines(settings().config_dir)
    return [
        (
            label((known[one["code"]].label_zh, known[one["code"]].label_en)),
            label(disagreement.in_words(one["agreement"])),
        )
        for one in row.decline_weighed
        if one["code"] in known
    ]


def _past(session: Session, request_id: UUID) -> dict[UUID, list[tuple[str, datetime]]]:
    """Return application -> the states that it came to, oldest first."""
    query = (
        select(FinancingEvent)
        .where(FinancingEvent.request_id == request_id, FinancingEvent.application_id.is_not(None))
        .order_by(FinancingEvent.id)
    )
    found: dict[UUID, list[tuple[str, datetime]]] = {}
    for event in session.scalars(query):
        if event.application_id and event.to_state and event.to_state != event.from_state:
            found.setdefault(event.application_id, []).append((event.to_state, event.at))
    return found


@blueprint.post("/financing/applications/<application_id>/<step>")
@signed_in
def financing_step(
    session: Session, account: Account, now: datetime, application_id: str, step: str
) -> ResponseReturnValue:
    """Turn an offer down, or take the application back: one person can do that, without a code."""
    _, application = own_application(session, account, application_id, now)
    if step not in ("refuse", "withdraw"):
        raise NotFound
    act = applications.refuse if step == "refuse" else applications.withdraw
    act(session, applications.locked(session, application.id), actor=f"account:{account.id}", now=now)
    return see_other(flask.url_for("portal.financing_request", request_id=ids.external("fin", application.request_id)))


def own_application(
    session: Session, account: Account, application_id: str, now: datetime
) -> tuple[Enterprise, Application]:
    """Return an application and its firm, if the person acts for it.

    Raises
    ------
    NotFound
        Unknown and another firm's look the same.
    """
    known: UUID = applications.internal(application_id)

    def of(firm: Enterprise) -> Application | None:
        application = session.get(Application, known)
        return application if application is not None and application.enterprise_id == firm.id else None

    return first_with(session, account, now, of)
