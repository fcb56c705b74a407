"""The firm's home: every consent and its state, who read what, and how to stop it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.consents import service as consents
from creditlink.consents.agreement import receipts
from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.messages import service as messages
from creditlink.portal.firm import acts, overview
from creditlink.portal.firm.deciding import inbox
from creditlink.portal.firm.firms import chosen, enter, firms_of
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, settings, signed_in
from creditlink.retention import certificates
from creditlink.reviews.notices import service as notices

PAGE_OF_ACCESSES = 50
_CHANGES = {"pause": consents.pause, "revoke": consents.revoke}


@blueprint.get("/")
@signed_in
def home(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the consents of the chosen firm."""
    firms = firms_of(session, account, now)
    waiting = len(inbox.waiting_for(session, firms, now)) + len(acts.waiting_for(session, account, now))
    firm = chosen(session, firms, flask.request.args.get("enterprise"))  # last: the acts are seen as each of the firms
    if firm is None:
        return page("consents/home.html", firms=firms, firm=None, active=[], past=[], waiting=0)
    rows = overview.consents_of(session, firm, now, lang=lang(), fair_use=fair_use())
    return page(
        "consents/home.html",
        firms=firms,
        firm=firm,
        waiting=waiting,
        unseen=notices.unseen(session, firm.id),
        unread=messages.unread(session, account.id),
        active=[row for row in rows if not row.is_over],
        past=[row for row in rows if row.is_over],
    )


@blueprint.get("/consents/<consent_id>")
@signed_in
def consent(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Show one consent in full: what was agreed, what happened to it, who read what under it."""
    firm, consent = own_consent(session, account, consent_id, now)
    return page(
        "consents/consent.html",
        firm=firm,
        row=overview.row_of(session, consent, now, lang=lang(), fair_use=fair_use()),
        shown=consents.statement_for(session, consent, fair_use=fair_use(), lang=lang()),
        events=overview.events_of(session, consent),
        deletions=certificates.of_consent(session, consent.id),
        signatures=overview.signatures_of(session, consent),
        accesses=overview.accesses_of(
            session, firm, lang=lang(), fair_use=fair_use(), consent_id=consent.id, limit=PAGE_OF_ACCESSES
        ),
    )


@blueprint.post("/consents/<consent_id>/<change>")
@signed_in
def change(session: Session, account: Account, now: datetime, consent_id: str, change: str) -> ResponseReturnValue:
    """Pause, resume or take back a consent, at once."""
    if change not in (*_CHANGES, "resume"):
        raise NotFound
    firm, consent = own_consent(session, account, consent_id, now)
    if change == "resume":  # the only change that lets data flow again; pausing and taking back stay one step
        missing = stepup.missing(session, account, flask.request.form, now)
        if missing:
            row = overview.row_of(session, consent, now, lang=lang(), fair_use=fair_use())
            return page("consents/resume.html", status=missing.status, row=row, firm=firm, error=missing.text)
        acts.carry_out(session, account, firm, change, {"consent": consent.wire_id}, now)
    else:
        _CHANGES[change](session, consent, actor=f"account:{account.id}", reason="by_the_firm", now=now)
    return see_other(flask.url_for("portal.consent", consent_id=ids.external("cns", consent.id)))


@blueprint.get("/consents/<consent_id>/receipt")
@signed_in
def receipt(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Give the firm the signed receipt of a consent, with all that happened to it until now."""
    firm, consent = own_consent(session, account, consent_id, now)
    if consent.text_shown is None:
        raise NotFound
    claims = receipts.claims_of(
        consent,
        issuer=settings().issuer,
        institution=session.get_one(Institution, consent.institution_id),
        enterprise=firm,
        events=overview.events_of(session, consent)[::-1],
        signatures=approval.signatures_of(session, consent.id),
    )
    return download(receipts.sign(claims, secret=settings().secret_key) + "\n", f"{consent.wire_id}.jws")


def download(text: str, name: str) -> ResponseReturnValue:
    """Return a text as a file to keep."""
    response = flask.Response(text, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def own_consent(session: Session, account: Account, consent_id: str, now: datetime) -> tuple[Enterprise, Consent]:
    """Return a consent of a firm that the account acts for, and the firm."""
    known: UUID = ids.internal("cns", consent_id)
    consent = session.get(Consent, known)
    firms = {firm.id: firm for firm in firms_of(session, account, now)}
    if consent is None or consent.enterprise_id is None or consent.enterprise_id not in firms:
        raise NotFound
    firm = firms[consent.enterprise_id]
    enter(session, firm)
    return firm, consent
