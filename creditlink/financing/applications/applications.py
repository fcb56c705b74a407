"""The steps of an application: one locked row, one allowed event, one line of what happened, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.consents import service as consents
from creditlink.consents.life.rules import ALIVE
from creditlink.enterprises.tables import Enterprise
from creditlink.financing.applications import events, states
from creditlink.financing.applications.declines import DeclineReason, ReasonVerdict
from creditlink.financing.applications.states import NotAllowed, Role
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.configuration import Clocks
from creditlink.financing.tables import Application, FinancingEvent, FinancingRequest, Offer
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.products import quota

_ANSWERS = frozenset({"offer", "decline"})


class StepRefused(Conflict):
    """The application's state forbids the step; `allowed` names those that it allows."""


def locked(session: Session, application_id: UUID) -> Application:
    """Return the application, locked until the transaction ends."""
    # Not the key: events and offers that refer to the row are written by others meanwhile, and must not wait for it.
    query = select(Application).where(Application.id == application_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def locked_request(session: Session, request_id: UUID) -> FinancingRequest:
    """Return the request, locked until the transaction ends. Where both are locked, the request comes first."""
    query = select(FinancingRequest).where(FinancingRequest.id == request_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def step(
    session: Session,
    application: Application,
    event: str,
    *,
    role: Role,
    actor: str,
    now: datetime,
    detail: Mapping[str, object] | None = None,
    is_new: bool = False,
) -> bool:
    """Bring about an event of an application that the caller has locked; return whether it was new.

    The very same step a second time, as a client that saw no answer repeats it, changes nothing; a caller that knows
    the step `is_new` skips the search of the history, which grows with the draws and months of a loan.

    Raises
    ------
    StepRefused
        The state or the role forbids it; `allowed` says what is possible.
    """
    about = dict(detail or {})
    if not is_new and _is_repeated(session, application, event, actor, about):
        return False
    try:
        to = states.after(application.state, event, role)
    except NotAllowed as refused:
        raise StepRefused(str(refused), state=application.state, allowed=list(refused.allowed)) from None
    _hold_quota(session, application, to)
    former, application.state, application.changed_at = application.state, to, now
    if event in _ANSWERS and application.answered_at is None:
        application.answered_at = now
    session.flush()
    events.of_application(session, application, event, actor=actor, now=now, from_state=former, detail=about)
    if to in states.OVER:
        _end_consent(session, application, reason=f"financing_{to}", now=now)
    return True


def _hold_quota(session: Session, application: Application, to: str) -> None:
    """Commit what was accepted against the product's quota; free it where nothing comes of it."""
    before, then = application.state in states.ACCEPTED, to in states.ACCEPTED
    if before == then:
        return
    current = latest_offer(session, application)
    amount = int(current.terms["amount_fen"]) if current else 0
    (quota.take if then else quota.give_back)(session, application.product_code, amount)


def _end_consent(session: Session, application: Application, *, reason: str, now: datetime) -> None:
    """End the application's consent, signed or half signed: the lender has no more need of data.

    A request that still waits for its second signature ends too, or that signature would open data to nobody's use.
    """
    consent = consents.lock_consent(session, application.consent_id)
    if consent.state_at(now) in ALIVE:
        consents.revoke(session, consent, actor="system", reason=reason, now=now)
    elif consent.state == "REQUESTED":
        firm = session.get_one(Enterprise, application.enterprise_id)
        consents.reject(session, consent, actor="system", reason=reason, now=now, enterprise=firm)


def _is_repeated(session: Session, application: Application, event: str, actor: str, detail: dict[str, object]) -> bool:
    last = session.scalar(
        select(FinancingEvent)
        .where(FinancingEvent.application_id == application.id)
        .order_by(FinancingEvent.id.desc())
        .limit(1)
    )
    return last is not None and (last.event, last.actor, last.detail) == (event, actor, detail)


# The lender's steps.


def receive(session: Session, application: Application, *, actor: str, now: datetime) -> None:
    """Say that the application arrived."""
    step(session, application, "receive", role="bank", actor=actor, now=now)


def review(session: Session, application: Application, *, actor: str, now: datetime) -> None:
    """Say that somebody is looking at it."""
    step(session, application, "review", role="bank", actor=actor, now=now)


def offer(
    session: Session,
    application: Application,
    terms: OfferTerms,
    *,
    valid_until: datetime,
    clocks: Clocks,
    actor: str,
    now: datetime,
) -> Offer:
    """Make an offer, or a better one in its place; the terms are frozen by their hash.

    Raises
    ------
    StepRefused
        The application is not waiting for one.
    InvalidRequest
        `valid_until` is past or too far ahead.
    """
    latest = now + clocks.after("offer_days_at_most")
    if not now < valid_until <= latest:
        raise InvalidRequest(
            errors=[
                {
                    "pointer": "/valid_until",
                    "detail": f"must lie within {clocks.offer_days_at_most} days from now, "
                    f"got {valid_until.isoformat(timespec='seconds')}",
                }
            ]
        )
    digest = terms.sha256(application=application.wire_id, valid_until=valid_until.isoformat())
    event = "revise" if application.state == "offered" else "offer"
    last = latest_offer(session, application)
    if last is not None and last.sha256 == digest:
        return last
    step(session, application, event, role="bank", actor=actor, now=now, detail={"offer_sha256": digest})
    created = Offer(
        application_id=application.id,
        enterprise_id=application.enterprise_id,
        institution_id=application.institution_id,
        revision=1 if last is None else last.revision + 1,
        terms=terms.to_dict(),
        sha256=digest,
        made_at=now,
        valid_until=valid_until,
    )
    session.add(created)
    session.flush()
    return created


def decline(
    session: Session,
    application: Application,
    reasons: Sequence[DeclineReason],
    *,
    note: str,
    weighed: Sequence[ReasonVerdict],
    actor: str,
    now: datetime,
) -> None:
    """Decline, with typed reasons; `weighed` says how each agrees with the explanation the bank had."""
    codes = [reason.code for reason in reasons]
    if not codes:
        raise InvalidRequest(errors=[{"pointer": "/reasons", "detail": "needs at least one"}])
    if application.state in states.UNANSWERED:
        application.decline_codes, application.decline_note, application.decline_weighed = codes, note, list(weighed)
    with session.no_autoflush:
        step(
            session, application, "decline", role="bank", actor=actor, now=now, detail={"reasons": codes, "note": note}
        )


def sign(
    session: Session, application: Application, *, offer_sha256: str, clocks: Clocks, actor: str, now: datetime
) -> None:
    """Say that the contract was signed, on exactly the offer that the firm accepted.

    Raises
    ------
    StepRefused
        There is nothing to sign.
    Conflict
        The hash is another offer's.
    """
    current = latest_offer(session, application)
    if application.state == "accepted" and (current is None or current.sha256 != offer_sha256):
        raise Conflict("offer_sha256 is not that of the offer the firm accepted", reason="other_offer")
    if step(session, application, "sign", role="bank", actor=actor, now=now, detail={"offer_sha256": offer_sha256}):
        application.signed_at, application.due_at = now, now + clocks.after("draw_days")
        session.flush()


# The firm's steps.


def accept(
    session: Session, application_id: UUID, *, offer_sha256: str, clocks: Clocks, actor: str, now: datetime
) -> Application:
    """Accept the open offer, seen under its hash; whatever other lenders have open lapses with it.

    Whether a person may accept it, and whether a second one must, `acceptance.accept` asks first.

    Raises
    ------
    Conflict
        The offer changed since it was shown, is no longer valid, or another was accepted already.
    StepRefused
        There is no offer to accept.
    """
    request, application, others = acceptable(session, application_id, offer_sha256=offer_sha256, now=now)
    detail = {"offer_sha256": offer_sha256}
    if not step(session, application, "accept", role="firm", actor=actor, now=now, detail=detail):
        return application
    application.due_at = now + clocks.after("sign_days")
    request.ended_at, request.end_reason, request.changed_at = now, "accepted", now
    for other in others:
        if other.state in states.OPEN:
            step(
                session, other, "lapse", role="system", actor="system", now=now, detail={"reason": "accepted_elsewhere"}
            )
    session.flush()
    return application


def acceptable(
    session: Session, application_id: UUID, *, offer_sha256: str, now: datetime
) -> tuple[FinancingRequest, Application, list[Application]]:
    """Return the request, the application and the request's others, locked, if the offer can be accepted.

    Raises
    ------
    Conflict
        The offer changed since it was shown, is no longer valid, or another was accepted already.
    """
    request_id = session.scalars(select(Application.request_id).where(Application.id == application_id)).one()
    request = locked_request(session, request_id)
    application = locked(session, application_id)
    others = _others(session, application)
    if any(one.state in states.ACCEPTED for one in others):
        raise Conflict("an offer of another lender was accepted already", reason="accepted_elsewhere")
    current = latest_offer(session, application)
    if application.state == "offered" and current is not None:
        if current.sha256 != offer_sha256:
            raise Conflict("the offer changed since it was shown", reason="offer_changed")
        if now >= current.valid_until:
            raise Conflict("the offer is no longer valid", reason="offer_lapsed")
    return request, application, others


def refuse(session: Session, application: Application, *, actor: str, now: datetime) -> None:
    """Turn down an offer."""
    step(session, application, "refuse", role="firm", actor=actor, now=now, detail={"reason": "refused_by_the_firm"})


def withdraw(session: Session, application: Application, *, actor: str, now: datetime) -> None:
    """Take the application back; after signing only within the cooling-off period of the offer.

    Raises
    ------
    Conflict
        The cooling-off period is over.
    """
    if application.state == "signed" and application.signed_at is not None:
        current = latest_offer(session, application)
        days = int(current.terms["cooling_off_days"]) if current else 0
        if now >= application.signed_at + timedelta(days=days):
            raise Conflict("the cooling-off period is over", reason="cooling_off_over")
    step(
        session, application, "withdraw", role="firm", actor=actor, now=now, detail={"reason": "withdrawn_by_the_firm"}
    )


# What both sides read.


def latest_offer(session: Session, application: Application) -> Offer | None:
    """Return the open offer, or the one that was accepted: the highest revision."""
    query = select(Offer).where(Offer.application_id == application.id).order_by(Offer.revision.desc()).limit(1)
    return session.scalars(query).first()


def latest_offers(session: Session, applications: Collection[Application]) -> dict[UUID, Offer]:
    """Return application -> its latest offer, for many at once."""
    last = (
        select(Offer.application_id, func.max(Offer.revision).label("revision"))
        .where(Offer.application_id.in_([one.id for one in applications]))
        .group_by(Offer.application_id)
        .subquery()
    )
    query = select(Offer).join(
        last, (Offer.application_id == last.c.application_id) & (Offer.revision == last.c.revision)
    )
    return {offer.application_id: offer for offer in session.scalars(query)}


def _others(session: Session, application: Application) -> list[Application]:
    query = (
        select(Application)
        .where(Application.request_id == application.request_id, Application.id != application.id)
        .order_by(Application.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def internal(text: str) -> UUID:
    """Return the id behind an application's id on the wire."""
    return ids.internal("app", text)
