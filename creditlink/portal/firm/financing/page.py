"""The page of one request: the offers side by side, each lender's answer, and what else could be asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.engine.facts.relief_policies import ReliefBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing.applications import acceptance
from creditlink.financing.applications.states import FINAL
from creditlink.financing.requests import requests
from creditlink.financing.requests.proposals import Proposals, proposals_for
from creditlink.financing.requests.standing import warnings_of
from creditlink.financing.requests.warnings import WARNINGS
from creditlink.financing.tables import FinancingRequest
from creditlink.kit.clock import day_of
from creditlink.kit.processes import runtime
from creditlink.portal.firm.financing.answers import ApplicationView, answers_to, cheapest
from creditlink.portal.firm.financing.papers import shown_papers
from creditlink.portal.firm.financing.words import label, words
from creditlink.portal.person import stepup
from creditlink.portal.site import page, settings
from creditlink.products import approval_store
from creditlink.products.service import live_book
from creditlink.profiles.reliance.rules import ProfileRules


@dataclass(frozen=True)
class OfferSignature:
    """The first of two signatures under an offer."""

    by: str
    is_own: bool


def show(
    session: Session,
    account: Account,
    firm: Enterprise,
    request: FinancingRequest,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """Return the page."""
    answers = answers_to(session, request)
    is_open = request.ended_at is None and now < request.expires_at
    declined = [one.application.wire_id for one in answers if one.application.state == "declined"]
    found = proposals(session, firm, request, now) if is_open else Proposals((), ())
    warned = warnings(session, request, found) if is_open else []
    return page(
        "financing/request.html",
        status=status,
        firm=firm,
        request_=request,
        answers=answers,
        offers=[one for one in answers if one.is_open],
        cheapest=cheapest(answers),
        proposals=found,
        warned=[label(WARNINGS[code][:2]) for code in warned],
        bearable=found.capacity.suggested_fen if found.capacity and "over_capacity" in warned else None,
        first_loan=found.need.first_loan,
        papers=shown_papers(session, request),
        lenders_have_it=any(one.application.state not in FINAL for one in answers),
        is_open=is_open,
        can_amend=is_open and all(one.is_waiting for one in answers),
        can_withdraw=any(one.application.state not in FINAL for one in answers) or is_open,
        referred_from=declined[-1] if declined else None,
        error=error,
        ask_code=stepup.needs_code(account, now),
        two_signatures=firm.two_signatures,
        signed=_signatures(session, account, firm, answers, now),
        **words(),
    )


def _signatures(
    session: Session, account: Account, firm: Enterprise, answers: list[ApplicationView], now: datetime
) -> dict[UUID, OfferSignature]:
    """Return application -> who has signed its open offer, where a second person must."""
    found = {}
    for one in answers:
        if one.offer is None or not one.is_open:
            continue
        act = acceptance.waiting(session, firm, one.application, one.offer, now)
        if act is not None:
            by = session.get_one(Account, act.signed_by).display_name
            found[one.application.id] = OfferSignature(by, act.signed_by == account.id)
    return found


def warnings(session: Session, request: FinancingRequest, found: Proposals) -> list[str]:
    """Return the codes of what the firm is warned of, and what its lenders are told with the request."""
    return warnings_of(
        session, request, bearable_fen=found.capacity.suggested_fen if found.capacity is not None else None
    )


def proposals(session: Session, firm: Enterprise, request: FinancingRequest, now: datetime) -> Proposals:
    """Return what the firm could get, best first, without what it has asked for already."""
    before = {one.product_code for one in requests.of_request(session, request.id)}
    return proposals_for(
        session,
        firm,
        request.ask(),
        live=runtime.part(LiveModel),
        relief=runtime.part(ReliefBook),
        book=live_book(session, settings()),
        desks=requests.desks(session),
        as_of=day_of(now),
        without=frozenset(before),
        approval=approval_store.live(session),
        capacity=runtime.part(ProfileRules).capacity,
    )
