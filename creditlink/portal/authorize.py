"""The page on which a firm decides what a bank may see."""

from __future__ import annotations

from datetime import datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from creditlink import db
from creditlink.consents import limits
from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.enterprises import accounts
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.errors import InvalidRequest
from creditlink.oauth import service as oauth
from creditlink.oauth.service import PendingAuthorization
from creditlink.portal.site import (
    allow_form_target,
    blueprint,
    browser,
    fair_use,
    lang,
    page,
    see_other,
    settings,
    signed_in,
)

# A one-time code given this recently counts for a decision.
STRONG_FOR = timedelta(minutes=5)


@blueprint.get("/authorize/<handle>")
@signed_in
def authorize(session: Session, account: Account, now: datetime, handle: str) -> ResponseReturnValue:
    """Show who asks for what. Looking uses nothing up."""
    pending = oauth.load_pending(session, handle, now)
    return _show(session, account, now, pending)


@blueprint.post("/authorize/<handle>")
@signed_in
def authorize_decide(session: Session, account: Account, now: datetime, handle: str) -> ResponseReturnValue:
    """Record the decision and send the browser back to the bank.

    What was asked comes from the stored request; the form only says which firm, which of the optional
    categories, and yes or no.
    """
    pending = oauth.load_pending(session, handle, now)
    allow_form_target(pending.redirect_uri)
    form = flask.request.form
    consent = session.get_one(Consent, pending.consent_id)
    if form.get("decision") == "decline":
        consents.reject(session, consent, actor=f"account:{account.id}", reason="declined", now=now)
        return see_other(oauth.deny_authorization(session, pending, now))
    if form.get("decision") != "approve":
        raise InvalidRequest(gettext("Choose whether to agree or to decline."))
    firms = firms_for(session, account, consent, now)
    enterprise = next((f for f in firms if str(f.id) == form.get("enterprise", "")), None)
    if enterprise is None and len(firms) == 1 and "enterprise" not in form:
        enterprise = firms[0]
    if enterprise is None:
        return _show(session, account, now, pending, error=gettext("Choose the firm that you decide for."))
    chosen = set(form.getlist("category")) | set(consent.details().required_categories)
    if needs_code(account, now):
        if not accounts.spend_totp(session, account, form.get("totp", ""), key=settings().secret_key, now=now):
            return _show(
                session, account, now, pending, error=gettext("The one-time code is wrong or was used."), kept=form
            )
        browser().strengthen(now)
    shown = consents.statement_for(session, consent, fair_use=fair_use(), lang=lang())
    db.enter(session, enterprise_id=enterprise.id)
    granted = consents.approve(
        session, consent, account=account, enterprise=enterprise, categories=chosen, shown=shown, now=now
    )
    return see_other(oauth.finish_authorization(session, pending, granted, account, now))


def firms_for(session: Session, account: Account, consent: Consent, now: datetime) -> list[Enterprise]:
    """Return the firms that `account` may decide for, of those that the request can be about."""
    firms = [enterprise for enterprise, _ in represented_by(session, account, now)]
    return [f for f in firms if consent.asked_uscc in (None, f.uscc)]


def needs_code(account: Account, now: datetime) -> bool:
    """Return whether a fresh one-time code is asked for: who has enrolled one confirms decisions with it."""
    strong_at = browser().strong_at
    return account.totp_secret is not None and (strong_at is None or now >= strong_at + STRONG_FOR)


def _show(
    session: Session,
    account: Account,
    now: datetime,
    pending: PendingAuthorization,
    *,
    error: str | None = None,
    kept: MultiDict[str, str] | None = None,
) -> ResponseReturnValue:
    allow_form_target(pending.redirect_uri)
    consent = session.get_one(Consent, pending.consent_id)
    details = consent.details()
    firms = firms_for(session, account, consent, now)
    template = fair_use().templates.get(details.purpose)
    unticked = set(details.optional_categories) - set(kept.getlist("category")) if kept else set()
    return page(
        "authorize.html",
        status=200 if error is None else 422,
        consent=consent,
        shown=consents.statement_for(session, consent, fair_use=fair_use(), lang=lang()),
        details=details,
        firms=firms,
        chosen_firm=kept.get("enterprise") if kept else None,
        unticked=unticked,
        unusual=limits.unusual(details, fair_use()),
        usual=template.usual_pulls if template else None,
        ask_code=needs_code(account, now),
        answer_until=min(pending.expires_at, consent.answer_until),
        error=error,
    )
