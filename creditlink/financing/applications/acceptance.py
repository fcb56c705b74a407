"""Who may accept an offer for a firm: a debt needs what granting data needs, and as many people."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.enterprises import second_signatures
from creditlink.enterprises.service import may_act, outside_limits
from creditlink.enterprises.tables import Account, Enterprise, FirmAct, Representation
from creditlink.financing.applications import applications
from creditlink.financing.configuration import Clocks
from creditlink.financing.tables import Application, Offer
from creditlink.kit.errors import ConsentRefused

ACT = "accept"


def accept(
    session: Session,
    application_id: UUID,
    *,
    account: Account,
    enterprise: Enterprise,
    offer_sha256: str,
    clocks: Clocks,
    now: datetime,
) -> bool:
    """Accept the open offer, or sign it first of two; return whether it is accepted now.

    An agent is bound by the limits under which it could have given the application's consent, and to the largest loan
    that it may accept. The first signature lapses with the offer, and with its signer's right to act.

    Raises
    ------
    ConsentRefused
        The account may not act for the firm, or not so far; `beyond` says in what.
    Conflict, StepRefused
        There is no such offer to accept any more.
    """
    right = may_act(session, account, enterprise, now)
    if right is None:
        raise ConsentRefused("this account does not act for the firm", reason="not_representative")
    _, application, _ = applications.acceptable(session, application_id, offer_sha256=offer_sha256, now=now)
    offer = applications.latest_offer(session, application)
    if application.state == "offered" and offer is not None:
        beyond = _beyond(session, application, offer, right)
        if beyond is not None:
            raise ConsentRefused(
                f"beyond what the agent may decide: {beyond}", reason="beyond_agent_limits", beyond=beyond
            )
        if not second_signatures.sign(
            session,
            enterprise,
            ACT,
            subject_of(application, offer),
            account=account,
            now=now,
            until=offer.valid_until,
            may=lambda first: _beyond(session, application, offer, first) is None,
        ):
            return False
    applications.accept(
        session, application.id, offer_sha256=offer_sha256, clocks=clocks, actor=f"account:{account.id}", now=now
    )
    return True


def subject_of(application: Application, offer: Offer) -> dict[str, str]:
    """Return what exactly two people sign: this offer, under its hash."""
    return {"application": application.wire_id, "offer_sha256": offer.sha256}


def waiting(
    session: Session, enterprise: Enterprise, application: Application, offer: Offer, now: datetime
) -> FirmAct | None:
    """Return the first signature under an offer, where it waits for the second."""
    wanted = second_signatures.subject_sha256(subject_of(application, offer))
    found = second_signatures.waiting(
        session, enterprise, now, may=lambda first: _beyond(session, application, offer, first) is None
    )
    return next((one for one in found if (one.act, one.subject_sha256) == (ACT, wanted)), None)


def _beyond(session: Session, application: Application, offer: Offer, right: Representation) -> str | None:
    consent = session.get_one(Consent, application.consent_id)
    since = consent.starts_at or consent.requested_at
    return outside_limits(
        right,
        purpose=consent.purpose,
        categories=consent.categories or consent.details().required_categories,
        runs_days=consent.runs_days(since),
        loan_fen=int(offer.terms["amount_fen"]),
    )
