"""Asking for a loan: what the firm needs, its requests, changing and withdrawing them."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from creditlink.enterprises.tables import Account
from creditlink.financing.requests import requests, standing
from creditlink.financing.requests.ask import AskInvalid, FinancingAsk
from creditlink.financing.tables import FinancingRequest
from creditlink.kit.errors import NotFound
from creditlink.kit.money import fen_from_yuan
from creditlink.portal.firm.financing.page import proposals, show, warnings
from creditlink.portal.firm.financing.words import WAN, clocks, own_request, words
from creditlink.portal.firm.firms import chosen, firms_of
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, page, see_other, signed_in


@blueprint.get("/financing")
@signed_in
def financing(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the firm's requests, and the form for a new one."""
    firms = firms_of(session, account, now)
    firm = chosen(session, firms, flask.request.values.get("enterprise") or None)
    rows = []
    if firm is not None:
        query = select(FinancingRequest).where(FinancingRequest.enterprise_id == firm.id)
        for request in session.scalars(query.order_by(FinancingRequest.made_at.desc(), FinancingRequest.id)):
            rows.append((request, requests.of_request(session, request.id)))
    return page(
        "financing/requests.html", status=200, firms=firms, firm=firm, rows=rows, form={}, error=None, **words()
    )


@blueprint.post("/financing")
@signed_in
def financing_ask(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Record what the firm asks for, and show what it could get."""
    firms = firms_of(session, account, now)
    firm = chosen(session, firms, flask.request.values.get("enterprise") or None)
    if firm is None:
        raise NotFound
    form = flask.request.form
    try:
        wanted = _ask_from(form)
    except AskInvalid as wrong:
        return page(
            "financing/requests.html",
            status=422,
            firms=firms,
            firm=firm,
            rows=[],
            form=form,
            error=_problem_text(wrong),
            **words(),
        )
    request = requests.ask(session, firm, account, wanted, clocks=clocks(), now=now)
    return see_other(flask.url_for("portal.financing_request", request_id=request.wire_id))


@blueprint.get("/financing/<request_id>")
@signed_in
def financing_request(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Show one request: the answers so far, and what else could be asked."""
    firm, request = own_request(session, account, request_id, now)
    return show(session, account, firm, request, now)


@blueprint.post("/financing/<request_id>/change")
@signed_in
def financing_amend(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Ask for something else, as long as no lender has answered; where lenders get it, it is confirmed."""
    firm, request = own_request(session, account, request_id, now)
    try:
        wanted = _ask_from(flask.request.form)
    except AskInvalid as wrong:
        return show(session, account, firm, request, now, error=_problem_text(wrong), status=422)
    if requests.of_request(session, request.id):
        missing = stepup.missing(session, account, flask.request.form, now)
        if missing:
            return show(session, account, firm, request, now, error=missing.text, status=missing.status)
    amended = requests.amend(session, request, wanted, account=account, now=now)
    if held := requests.of_request(session, request.id):
        standing.tell_lenders(session, held, warnings(session, amended, proposals(session, firm, amended, now)))
    return see_other(flask.url_for("portal.financing_request", request_id=request.wire_id))


@blueprint.post("/financing/<request_id>/withdraw")
@signed_in
def financing_withdraw(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Take the request back from every lender."""
    _, request = own_request(session, account, request_id, now)
    requests.withdraw(session, request, account=account, now=now)
    return see_other(flask.url_for("portal.financing_request", request_id=request.wire_id))


def _ask_from(form: MultiDict[str, str]) -> FinancingAsk:
    """Return what the form asks for; the amount is in ten thousands of yuan, as people say it."""
    try:
        amount = fen_from_yuan(form.get("amount", "").strip(), unit=WAN)
    except ValueError:
        raise AskInvalid("amount_fen", form.get("amount", ""), "must be a number") from None
    term = form.get("term", "").strip()
    if not (term.isascii() and term.isdigit() and len(term) < 5):
        raise AskInvalid("term_months", term, "must be a whole number of months")
    return FinancingAsk(amount, int(term), form.get("use", ""), form.get("collateral", "none"))


def _problem_text(wrong: AskInvalid) -> str:
    fields = {
        "amount_fen": gettext("The amount must lie between 0.1 and 10,000 (ten thousand yuan)."),
        "term_months": gettext("The term must be a whole number of months between 1 and 360."),
        "use": gettext("Choose what the money is for."),
        "collateral": gettext("Choose what you can give as security."),
    }
    return str(fields[wrong.field])
