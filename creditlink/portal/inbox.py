"""The inbox: requests that came while the firm was away."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink import ids
from creditlink.consents.tables import Consent
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account
from creditlink.errors import NotFound
from creditlink.portal import decision, overview
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, signed_in


@blueprint.get("/inbox")
@signed_in
def inbox(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the requests that wait for an answer."""
    codes = [enterprise.uscc for enterprise, _ in represented_by(session, account, now)]
    waiting = session.scalars(
        select(Consent)
        .where(
            Consent.state == "REQUESTED",
            Consent.channel.in_(("inbox", "financing")),
            Consent.asked_uscc.in_(codes),
            Consent.answer_until > now,
        )
        .order_by(Consent.answer_until, Consent.id)
    ).all()
    rows = [overview.row_of(session, consent, now, lang=lang(), fair_use=fair_use()) for consent in waiting]
    return page("inbox.html", rows=rows)


@blueprint.get("/inbox/<consent_id>")
@signed_in
def answer(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Show one request."""
    consent = _waiting(session, account, consent_id, now)
    return decision.show(session, account, consent, now, answer_until=consent.answer_until)


@blueprint.post("/inbox/<consent_id>")
@signed_in
def answer_decide(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Record the decision; the bank learns it when it asks next."""
    consent = _waiting(session, account, consent_id, now)
    form = flask.request.form
    if decision.is_declined(form):
        decision.decline(session, account, consent, form, now)
        return see_other(flask.url_for("portal.inbox"))
    wanted = decision.read(session, account, consent, form, now)
    if wanted.error:
        return decision.show(
            session,
            account,
            consent,
            now,
            answer_until=consent.answer_until,
            error=wanted.error,
            status=wanted.status,
            kept=form,
        )
    granted = decision.grant(session, account, consent, wanted, now)
    return see_other(flask.url_for("portal.consent", consent_id=granted.wire_id))


def _waiting(session: Session, account: Account, consent_id: str, now: datetime) -> Consent:
    """Return a waiting request to one of the account's firms; any other is not there."""
    consent = session.get(Consent, ids.internal("cns", consent_id))
    if (
        consent is None
        or consent.channel not in ("inbox", "financing")
        or consent.state != "REQUESTED"
        or now >= consent.answer_until
        or not decision.firms_for(session, account, consent, now)
    ):
        raise NotFound
    return consent
