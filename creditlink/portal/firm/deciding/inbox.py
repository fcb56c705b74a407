"""The inbox: requests that came while the firm was away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from creditlink.consents.life import approval
from creditlink.consents.tables import Consent, ConsentSignature
from creditlink.enterprises.registry.codes import codes_of
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.portal.firm import acts, overview
from creditlink.portal.firm.deciding import decision
from creditlink.portal.firm.firms import firms_of
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, signed_in


@blueprint.get("/inbox")
@signed_in
def inbox(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the requests that wait for an answer, and whatever else of the firm waits for a second signature."""
    firms = firms_of(session, account, now)
    waiting = waiting_for(session, firms, now)
    return page(
        "consents/inbox.html",
        rows=[overview.row_of(session, consent, now, lang=lang(), fair_use=fair_use()) for consent in waiting],
        signed={c.id for c in waiting if decision.signed_for(session, account, c, now) is not None},
        acts=acts.waiting_for(session, account, now),
        half_signed={c.id for c in waiting if approval.signatures_of(session, c.id)},
    )


def waiting_for(session: Session, firms: list[Enterprise], now: datetime) -> Sequence[Consent]:
    """Return the requests that wait for an answer of these firms: sent to the inbox, or signed by one of two.

    A request that the bank sent through a browser is here only once somebody has signed it there.
    """
    codes = codes_of(session, [firm.id for firm in firms])
    signed = select(ConsentSignature.consent_id).where(ConsentSignature.enterprise_id.in_([f.id for f in firms]))
    return session.scalars(
        select(Consent)
        .where(
            Consent.state == "REQUESTED",
            Consent.answer_until > now,
            or_(
                and_(Consent.channel.in_(("inbox", "financing")), Consent.asked_uscc.in_(codes)),
                Consent.id.in_(signed),
            ),
        )
        .order_by(Consent.answer_until, Consent.id)
    ).all()


@blueprint.get("/inbox/<consent_id>")
@signed_in
def answer(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Show one request."""
    consent = _waiting(session, account, consent_id, now)
    return decision.show(session, account, consent, now, answer_until=consent.answer_until)


@blueprint.post("/inbox/<consent_id>")
@signed_in
def answer_decide(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Record the decision; the bank learns of it when it next asks."""
    consent = _waiting(session, account, consent_id, now)
    form = flask.request.form
    if decision.is_declined(form):
        decision.decline(session, account, consent, form, now)
        return see_other(flask.url_for("portal.inbox"))
    wanted = decision.read(session, account, consent, form, now)
    if wanted.error:
        return decision.show(session, account, consent, now, answer_until=consent.answer_until, wrong=wanted, kept=form)
    granted = decision.grant(session, account, consent, wanted, form, now)
    if granted.state == "REQUESTED":  # a second person must sign
        return see_other(flask.url_for("portal.answer", consent_id=granted.wire_id))
    return see_other(flask.url_for("portal.consent", consent_id=granted.wire_id))


def _waiting(session: Session, account: Account, consent_id: str, now: datetime) -> Consent:
    """Return a waiting request to one of the account's firms; any other is not found."""
    consent = session.get(Consent, ids.internal("cns", consent_id))
    if consent is None or not decision.firms_for(session, account, consent, now):
        raise NotFound
    firms = firms_of(session, account, now)
    if consent.id not in {waiting.id for waiting in waiting_for(session, firms, now)}:
        raise NotFound
    return consent
