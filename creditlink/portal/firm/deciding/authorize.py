"""The page on which a firm, sent here by its bank, decides what the bank may see."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Account
from creditlink.oauth import service as oauth
from creditlink.portal.firm.deciding import decision
from creditlink.portal.site import allow_form_target, blueprint, page, see_other, signed_in


@blueprint.get("/authorize/<handle>")
@signed_in
def authorize(session: Session, account: Account, now: datetime, handle: str) -> ResponseReturnValue:
    """Show who asks for what; looking uses nothing up."""
    pending = oauth.load_pending(session, handle, now)
    allow_form_target(pending.redirect_uri)
    consent = session.get_one(Consent, pending.consent_id)
    if _goes_on(session, account, consent):
        return page("consents/go_on.html", agreed=consent.state == "ACTIVE", institution=pending.institution)
    return decision.show(session, account, consent, now, answer_until=pending.expires_at)


@blueprint.post("/authorize/<handle>")
@signed_in
def authorize_decide(session: Session, account: Account, now: datetime, handle: str) -> ResponseReturnValue:
    """Record the decision and send the browser back to the bank."""
    pending = oauth.load_pending(session, handle, now)
    allow_form_target(pending.redirect_uri)
    consent = session.get_one(Consent, pending.consent_id)
    form = flask.request.form
    if _goes_on(session, account, consent):
        if consent.state == "ACTIVE":
            return see_other(oauth.finish_authorization(session, pending, consent, account, now))
        return see_other(oauth.deny_authorization(session, pending, now))
    if decision.is_declined(form):
        decision.decline(session, account, consent, form, now)
        return see_other(oauth.deny_authorization(session, pending, now))
    wanted = decision.read(session, account, consent, form, now)
    if wanted.error:
        return decision.show(session, account, consent, now, answer_until=pending.expires_at, wrong=wanted, kept=form)
    granted = decision.grant(session, account, consent, wanted, form, now)
    if granted.state == "REQUESTED":  # a second person must sign, in the inbox; this browser then goes on from here
        return see_other(flask.url_for("portal.authorize", handle=handle))
    return see_other(oauth.finish_authorization(session, pending, granted, account, now))


def _goes_on(session: Session, account: Account, consent: Consent) -> bool:
    """Return whether the second person has decided since this one signed: only that browser may take the answer."""
    if consent.state not in ("ACTIVE", "REJECTED"):
        return False
    return any(signature.account_id == account.id for signature in approval.signatures_of(session, consent.id))
