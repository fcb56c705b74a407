"""Accepting an offer on the page: a debt is confirmed like a consent, and signed by as many people."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.financing.tables import FinancingRequest
from creditlink.kit import ids
from creditlink.portal.firm import acts
from creditlink.portal.firm.financing.answers import own_application
from creditlink.portal.firm.financing.page import show
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, see_other, signed_in


@blueprint.post("/financing/applications/<application_id>/accept")
@signed_in
def financing_accept(session: Session, account: Account, now: datetime, application_id: str) -> ResponseReturnValue:
    """Accept the offer that the form names by its hash; where the firm wants two people, sign it first or second."""
    firm, application = own_application(session, account, application_id, now)
    form = flask.request.form
    missing = stepup.missing(session, account, form, now)
    if missing:
        request = session.get_one(FinancingRequest, application.request_id)
        return show(session, account, firm, request, now, error=missing.text, status=missing.status)
    subject = {"application": application.wire_id, "offer_sha256": form.get("offer_sha256", "")}
    acts.carry_out(session, account, firm, "accept", subject, now)
    return see_other(flask.url_for("portal.financing_request", request_id=ids.external("fin", application.request_id)))
