"""Asking for a loan: what the firm wants, which lenders, what each of them may see, their answers, one acceptance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from creditlink import db, ids
from creditlink.clock import day_of
from creditlink.consents.statement import Statement, statement
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.errors import NotFound
from creditlink.financing import applications, configuration, disagreement, requests
from creditlink.financing.asking import COLLATERAL, USES, AskInvalid, FinancingAsk
from creditlink.financing.proposals import Proposal, Proposals, proposals_for
from creditlink.financing.states import FINAL, STATES, allowed
from creditlink.financing.tables import Application, FinancingRequest, Offer
from creditlink.financing.terms import REPAYMENTS
from creditlink.institutions.tables import Institution
from creditlink.money import round_half_away
from creditlink.portal import stepup
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, settings, signed_in
from creditlink.products import approval_store
from creditlink.products.service import book_of, live_book
from creditlink.products.terms import KIND_LABELS
from creditlink.profiles.live import LiveModel

_WAN = 10_000


@blueprint.get("/financing")
@signed_in
def financing(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the firm's requests, and the form for a new one."""
    firms, firm = _firms(session, account, now)
    rows = []
    if firm is not None:
        query = select(FinancingRequest).where(FinancingRequest.enterprise_id == firm.id)
        for request in session.scalars(query.order_by(FinancingRequest.made_at.desc(), FinancingRequest.id)):
            rows.append((request, requests.of_request(session, request.id)))
    return page("financing.html", firms=firms, firm=firm, rows=rows, form={}, error=None, **_words())


@blueprint.post("/financing")
@signed_in
def financing_ask(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Record what the firm asks for, and show what it could get."""
    firms, firm = _firms(session, account, now)
    if firm is None:
        raise NotFound
    form = flask.request.form
    try:
        wanted = _asked(form)
    except AskInvalid as wrong:
        return page(
            "financing.html", status=422, firms=firms, firm=firm, rows=[], form=form, error=_said(wrong), **_words()
        )
    made = requests.ask(session, firm, account, wanted, clocks=_clocks(), now=now)
    return see_other(flask.url_for("portal.financing_request", request_id=made.wire_id))


@blueprint.get("/financing/<request_id>")
@signed_in
def financing_request(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Show one request: the answers so far, and what else could be asked."""
    firm, request = _own(session, account, request_id, now)
    return _shown(session, firm, request, now)


@blueprint.post("/financing/<request_id>/lenders")
@signed_in
def financing_lenders(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Show what each chosen lender would see; with the firm's yes, give the consents and ask the lenders."""
    firm, request = _own(session, account, request_id, now)
    form = flask.request.form
    proposals = _proposals(session, firm, request, now)
    chosen = [one for one in (*proposals.open, *proposals.near) if one.terms.code in form.getlist("product")]
    if not chosen:
        return _shown(session, firm, request, now, error=gettext("Choose at least one product."), status=422)
    shares = [_share(one, firm, now) for one in chosen]
    agreed = form.get("decision") == "approve"
    missing = stepup.missing(session, account, form, now) if agreed else None
    if not agreed or missing:
        return page(
            "financing_shares.html",
            status=missing.status if missing else 200,
            firm=firm,
            request_=request,
            shares=shares,
            kept=form.getlist("category") if agreed else None,
            error=missing.text if missing else None,
            ask_code=stepup.needs_code(account, now),
            **_words(),
        )
    db.enter(session, enterprise_id=firm.id)
    for share in shares:
        requests.apply(
            session,
            request,
            share.proposal.terms,
            share.proposal.desk,
            account=account,
            enterprise=firm,
            categories=_kept(share, form),
            fair_use=fair_use(),
            lang=lang(),
            clocks=_clocks(),
            now=now,
            referred_from=_referred(session, request, form.get("referred_from")),
        )
    return see_other(flask.url_for("portal.financing_request", request_id=request.wire_id))


@blueprint.post("/financing/<request_id>/change")
@signed_in
def financing_amend(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Ask for something else, as long as no lender has answered."""
    firm, request = _own(session, account, request_id, now)
    try:
        wanted = _asked(flask.request.form)
    except AskInvalid as wrong:
        return _shown(session, firm, request, now, error=_said(wrong), status=422)
    requests.amend(session, request, wanted, account=account, now=now)
    return see_other(flask.url_for("portal.financing_request", request_id=request.wire_id))


@blueprint.post("/financing/<request_id>/withdraw")
@signed_in
def financing_withdraw(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Take the request back from every lender."""
    _, request = _own(session, account, request_id, now)
    requests.withdraw(session, request, account=account, now=now)
    return see_other(flask.url_for("portal.financing_request", request_id=request.wire_id))


@blueprint.post("/financing/applications/<application_id>/<step>")
@signed_in
def financing_step(
    session: Session, account: Account, now: datetime, application_id: str, step: str
) -> ResponseReturnValue:
    """Accept an offer, turn it down, or take the application back."""
    known: UUID = applications.internal(application_id)
    firms = [enterprise.id for enterprise, _ in represented_by(session, account, now)]
    held = None
    for firm_id in firms:
        db.enter(session, enterprise_id=firm_id)
        held = session.get(Application, known)
        if held is not None:
            break
    if held is None or held.enterprise_id not in firms or step not in ("accept", "refuse", "withdraw"):
        raise NotFound
    actor = f"account:{account.id}"
    if step == "accept":
        sha256 = flask.request.form.get("offer_sha256", "")
        applications.accept(session, held.id, offer_sha256=sha256, clocks=_clocks(), actor=actor, now=now)
    else:
        act = applications.refuse if step == "refuse" else applications.withdraw
        act(session, applications.locked(session, held.id), actor=actor, now=now)
    return see_other(flask.url_for("portal.financing_request", request_id=ids.external("fin", held.request_id)))


@dataclass(frozen=True)
class Share:
    """One chosen product and the text of the consent that its lender would get."""

    proposal: Proposal
    shown: Statement


@dataclass(frozen=True)
class Answer:
    """One application as the firm sees it."""

    application: Application
    institution: str
    product: str
    offer: Offer | None
    declined: list[tuple[str, str]]  # the reason, and how it agrees with the explanation
    may: tuple[str, ...]


def _shown(
    session: Session,
    firm: Enterprise,
    request: FinancingRequest,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    answers = _answers(session, request)
    is_open = request.ended_at is None and now < request.expires_at
    declined = [one.application.wire_id for one in answers if one.application.state == "declined"]
    return page(
        "financing_request.html",
        status=status,
        firm=firm,
        request_=request,
        answers=answers,
        proposals=_proposals(session, firm, request, now) if is_open else Proposals((), ()),
        is_open=is_open,
        can_amend=is_open and all(one.application.state in ("requested", "received", "reviewing") for one in answers),
        can_withdraw=any(one.application.state not in FINAL for one in answers) or is_open,
        referred_from=declined[-1] if declined else None,
        error=error,
        **_words(),
    )


def _answers(session: Session, request: FinancingRequest) -> list[Answer]:
    rows = requests.of_request(session, request.id)
    offers = applications.latest_offers(session, rows) if rows else {}
    names = {
        one.id: one
        for one in session.scalars(select(Institution).where(Institution.id.in_({r.institution_id for r in rows})))
    }
    products = book_of(session, settings(), sorted({(r.product_code, r.product_version) for r in rows})).products
    titles = {terms.code: _name(terms) for terms in products}
    known = configuration.declines(settings().config_dir)
    k = 0 if lang() == "zh" else 1
    return [
        Answer(
            row,
            _name(names[row.institution_id]),
            titles[row.product_code],
            offers.get(row.id),
            [
                (
                    (known[one["code"]].label_zh, known[one["code"]].label_en)[k],
                    disagreement.in_words(one["agreement"])[k],
                )
                for one in row.decline_weighed
                if one["code"] in known
            ],
            allowed(row.state, "firm"),
        )
        for row in rows
    ]


def _proposals(session: Session, firm: Enterprise, request: FinancingRequest, now: datetime) -> Proposals:
    before = {(one.product_code) for one in requests.of_request(session, request.id)}
    return proposals_for(
        session,
        firm,
        request.ask(),
        live=cast(LiveModel, flask.current_app.extensions["model"]),
        book=live_book(session, settings()),
        desks=requests.desks(session),
        as_of=day_of(now),
        without=frozenset(before),
        approval=approval_store.live(session),
    )


def _share(proposal: Proposal, firm: Enterprise, now: datetime) -> Share:
    details = requests.details_for(proposal.terms, firm, proposal.desk.client, fair_use=fair_use(), now=now)
    bank = proposal.desk.institution
    template = fair_use().templates[details.purpose]
    return Share(
        proposal,
        statement(details, institution_zh=bank.name_zh, institution_en=bank.name_en, template=template, lang=lang()),
    )


def _kept(share: Share, form: MultiDict[str, str]) -> list[str]:
    """Return the categories that this lender gets: what it requires, and what stayed ticked under its name."""
    ticked, code = form.getlist("category"), share.proposal.terms.code
    return [i.category for i in share.shown.data if not i.is_optional or f"{code}:{i.category}" in ticked]


def _referred(session: Session, request: FinancingRequest, wire_id: str | None) -> Application | None:
    if not wire_id:
        return None
    found = session.get(Application, applications.internal(wire_id))
    return found if found is not None and found.request_id == request.id else None


def _asked(form: MultiDict[str, str]) -> FinancingAsk:
    """Return what the form asks for; the amount is in ten thousands of yuan, as people say it."""
    try:
        amount = round_half_away(Decimal(form.get("amount", "").strip()) * _WAN * 100)
    except (InvalidOperation, ValueError):
        raise AskInvalid("amount_fen", form.get("amount", ""), "must be a number") from None
    term = form.get("term", "").strip()
    if not (term.isascii() and term.isdigit() and len(term) < 5):
        raise AskInvalid("term_months", term, "must be a whole number of months")
    return FinancingAsk(amount, int(term), form.get("use", ""), form.get("collateral", "none"))


def _said(wrong: AskInvalid) -> str:
    fields = {
        "amount_fen": gettext("The amount must lie between 0.1 and 10,000 (ten thousand yuan)."),
        "term_months": gettext("The term must be a whole number of months between 1 and 360."),
        "use": gettext("Choose what the money is for."),
        "collateral": gettext("Choose what you can give as security."),
    }
    return str(fields[wrong.field])


def _firms(session: Session, account: Account, now: datetime) -> tuple[list[Enterprise], Enterprise | None]:
    firms = [enterprise for enterprise, _ in represented_by(session, account, now)]
    named = flask.request.values.get("enterprise")
    firm = next((one for one in firms if str(one.id) == named), None) if named else (firms[0] if firms else None)
    if named and firm is None:
        raise NotFound
    if firm is not None:
        db.enter(session, enterprise_id=firm.id)
    return firms, firm


def _own(session: Session, account: Account, request_id: str, now: datetime) -> tuple[Enterprise, FinancingRequest]:
    known = ids.internal("fin", request_id)
    for enterprise, _ in represented_by(session, account, now):
        db.enter(session, enterprise_id=enterprise.id)
        request = session.get(FinancingRequest, known)
        if request is not None and request.enterprise_id == enterprise.id:
            return enterprise, request
    raise NotFound


def _clocks() -> Any:
    return configuration.clocks(settings().config_dir)


def _name(one: Any) -> str:
    return str(one.name_zh if lang() == "zh" else one.name_en)


def _money(fen: int) -> str:
    """Return an amount as people say it: ten thousands of yuan in Chinese, yuan in English."""
    if lang() == "zh":
        return f"{fen / 100 / _WAN:,.2f}".rstrip("0").rstrip(".") + "万元"
    return f"¥{fen / 100:,.0f}"


def _words() -> dict[str, Any]:
    k = 0 if lang() == "zh" else 1

    def of(table: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        return {key: labels[k] for key, labels in table.items()}

    return {
        "uses": of(USES),
        "collaterals": of(COLLATERAL),
        "states": of(STATES),
        "repayments": of(REPAYMENTS),
        "kinds": of(KIND_LABELS),
        "name": _name,
        "wan": lambda fen: f"{fen / 100 / _WAN:.4f}".rstrip("0").rstrip("."),
        "money": _money,
        "consent_id": lambda consent: ids.external("cns", consent),
        "percent": lambda bps: f"{bps / 100:.2f}%",
    }
