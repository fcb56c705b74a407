"""Choosing lenders, by the firm or the platform: what each would see, and with the firm's yes a consent for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from creditlink.consents.agreement.statement import Statement
from creditlink.consents.service import text_for
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing.applications import applications
from creditlink.financing.requests import requests
from creditlink.financing.requests.proposals import Proposal
from creditlink.financing.requests.warnings import WARNINGS
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.kit.clock import day_of
from creditlink.portal.firm.deciding.examples import examples_for
from creditlink.portal.firm.financing.page import proposals, show, warnings
from creditlink.portal.firm.financing.papers import shown_papers
from creditlink.portal.firm.financing.words import clocks, label, own_request, words
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, signed_in

PROPOSED_LENDERS = 3


@dataclass(frozen=True)
class Share:
    """One chosen product and the text of the consent that its lender would get."""

    proposal: Proposal
    shown: Statement


@blueprint.post("/financing/<request_id>/lenders")
@signed_in
def financing_lenders(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Show what each chosen lender would see; with the firm's yes, give the consents and ask the lenders."""
    firm, request = own_request(session, account, request_id, now)
    form = flask.request.form
    agreed, here = form.get("decision") == "approve", flask.url_for("portal.financing_request", request_id=request_id)
    asked = {one.product_code for one in requests.of_request(session, request.id)}
    wanted = form.getlist("product")
    if agreed and wanted and asked.issuperset(wanted):
        return see_other(here)  # the same yes again, as a browser sends it after a broken connection
    found = proposals(session, firm, request, now)
    if "propose" in form:
        chosen = list(found.of_different_lenders(PROPOSED_LENDERS))
    else:
        chosen = [one for one in (*found.open, *found.near) if one.terms.code in wanted]
    if not chosen:
        return show(session, account, firm, request, now, error=gettext("Choose at least one product."), status=422)
    shares = [_share(one, firm, now) for one in chosen]
    warned = warnings(session, request, found)
    error, status = None, 200
    if agreed and not _read_as_shown(shares, form):
        error, status = gettext("The text has changed since you opened the page. Read it again."), 409
    elif agreed and (missing := stepup.missing(session, account, form, now)):
        error, status = missing.text, missing.status
    if not agreed or error:
        return page(
            "financing/shares.html",
            status=status,
            firm=firm,
            request_=request,
            shares=shares,
            examples=examples_for([firm], {item.category for share in shares for item in share.shown.data}),
            kept=form.getlist("category") if agreed else None,
            error=error,
            warned=[label(WARNINGS[code][:2]) for code in warned],
            papers=shown_papers(session, request),
            first_loan=found.need.first_loan,
            ask_code=stepup.needs_code(account, now),
            **words(),
        )
    for share in shares:
        requests.apply(
            session,
            request,
            share.proposal.terms,
            share.proposal.desk,
            account=account,
            enterprise=firm,
            categories=_categories_for(share, form),
            fair_use=fair_use(),
            lang=lang(),
            clocks=clocks(),
            now=now,
            referred_from=_referral(session, request, form.get("referred_from")),
            warnings=warned,
        )
    return see_other(here)


def _share(proposal: Proposal, firm: Enterprise, now: datetime) -> Share:
    details = requests.details_for(proposal.terms, firm, proposal.desk.client, fair_use=fair_use(), now=now)
    bank = proposal.desk.institution
    return Share(proposal, text_for(details, bank, fair_use=fair_use(), lang=lang(), asked_on=day_of(now)))


def _read_as_shown(shares: list[Share], form: MultiDict[str, str]) -> bool:
    """Return whether each text that the form names is still what would be signed."""
    current = {f"{share.proposal.terms.code}:{share.shown.sha256}" for share in shares}
    return set(form.getlist("text")) <= current


def _categories_for(share: Share, form: MultiDict[str, str]) -> list[str]:
    """Return the categories that this lender gets: what it requires, and what stayed ticked under its name."""
    ticked, code = form.getlist("category"), share.proposal.terms.code
    return [i.category for i in share.shown.data if not i.is_optional or f"{code}:{i.category}" in ticked]


def _referral(session: Session, request: FinancingRequest, wire_id: str | None) -> Application | None:
    if not wire_id:
        return None
    found = session.get(Application, applications.internal(wire_id))
    return found if found is not None and found.request_id == request.id else None
