"""What happened, kept three ways in the same transaction: history, evidence, and a webhook to the lender."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.financing.tables import Application, FinancingEvent, FinancingRequest
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.messages.service import tell_firm
from creditlink.notifications.service import notify

SIDES = {"account": "firm", "bank": "bank", "system": "system"}
"""Kind of actor -> the side that it is on."""

WEBHOOKS: Mapping[str, str] = {
    "apply": "applied",
    "amend": "amended",
    "receive": "received",
    "review": "reviewing",
    "offer": "offered",
    "revise": "revised",
    "decline": "declined",
    "accept": "accepted",
    "refuse": "refused",
    "withdraw": "withdrawn",
    "lapse": "lapsed",
    "expire": "expired",
    "escalate": "reminder",
    "sign": "signed",
    "draw": "drawn",
    "report": "reported",
    "close": "closed",
    "write_off": "written_off",
}
"""Event -> the webhook's type after `financing.`; the lender's own steps are sent too, for its other systems."""


def side_of(actor: str) -> str:
    """Return `firm`, `bank` or `system`: which side an actor is on, and never who it is."""
    return SIDES.get(actor.partition(":")[0], "system")


def of_application(
    session: Session,
    application: Application,
    event: str,
    *,
    actor: str,
    now: datetime,
    from_state: str | None,
    detail: Mapping[str, object],
) -> None:
    """Record what happened to an application, which is in its new state already."""
    session.add(
        FinancingEvent(
            request_id=application.request_id,
            application_id=application.id,
            enterprise_id=application.enterprise_id,
            institution_id=application.institution_id,
            at=now,
            actor=actor,
            event=event,
            from_state=from_state,
            to_state=application.state,
            detail=dict(detail),
        )
    )
    session.flush()
    audit.record(
        session,
        action=f"financing.{event}",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=application.enterprise_id,
        institution_id=application.institution_id,
        client_id=application.client_id,
        consent_id=application.consent_id,
        detail={"application": application.wire_id, "state": application.state},
    )
    notify_lender(session, application, event, actor=actor, now=now)
    if event in ("offer", "revise"):
        page = f"/portal/financing/{ids.external('fin', application.request_id)}"
        about = f"{application.id} {now.isoformat()}"
        tell_firm(session, application.enterprise_id, "offer_arrived", now, page=page, about=about)


def of_request(
    session: Session, request: FinancingRequest, event: str, *, actor: str, now: datetime, detail: Mapping[str, object]
) -> None:
    """Record what happened to a request as a whole; no lender hears of it."""
    session.add(
        FinancingEvent(
            request_id=request.id,
            application_id=None,
            enterprise_id=request.enterprise_id,
            institution_id=None,
            at=now,
            actor=actor,
            event=event,
            from_state=None,
            to_state=None,
            detail=dict(detail),
        )
    )
    session.flush()
    audit.record(
        session,
        action=f"financing.{event}",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=request.enterprise_id,
        detail={"request": request.wire_id, "version": request.version},
    )


def notify_lender(session: Session, application: Application, event: str, *, actor: str, now: datetime) -> None:
    """Queue the webhook to the lender of an application."""
    salt = session.get_one(Institution, application.institution_id).pairwise_salt
    data = {
        "application_id": application.wire_id,
        "enterprise_id": ids.pairwise(salt, application.enterprise_id),
        "event": event,
        "by": side_of(actor),
        "state": application.state,
    }
    notify(session, application.institution_id, f"financing.{WEBHOOKS[event]}", data, now)
