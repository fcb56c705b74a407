"""What is told of consents: to a bank by webhook when a state changes, to the firm's people by a notice."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from creditlink.access import replay
from creditlink.consents.tables import Consent
from creditlink.enterprises.registry.codes import firm_of
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import day_of, start_of_day
from creditlink.messages.service import tell_firm
from creditlink.notifications.service import notify

_TYPES = {
    ("ACTIVE", "PAUSED"): "consent.paused",
    ("PAUSED", "ACTIVE"): "consent.resumed",
    ("ACTIVE", "REVOKED"): "consent.revoked",
    ("PAUSED", "REVOKED"): "consent.revoked",
    ("ACTIVE", "EXPIRED"): "consent.expired",
    ("PAUSED", "EXPIRED"): "consent.expired",
    ("ACTIVE", "EXHAUSTED"): "consent.exhausted",
}


def announce(
    session: Session, consent: Consent, *, from_state: str, reason: str, now: datetime, successor: Consent | None
) -> None:
    """Tell the bank, if it cannot know of the change otherwise; `successor` replaces an amended consent.

    Decisions on a request are not announced: the bank's client waits for them at the authorization server. The firm's
    people are told of an end that was not of their own making.
    """
    _tell_ended(session, consent, from_state, reason, now)
    type_ = _TYPES.get((from_state, consent.state))
    if type_ is None:
        return
    data: dict[str, object] = {"consent_id": consent.wire_id, "enterprise_id": None}
    if consent.enterprise_id is not None:
        salt = session.get_one(Institution, consent.institution_id).pairwise_salt
        data["enterprise_id"] = ids.pairwise(salt, consent.enterprise_id)
    data |= {"state": consent.state, "reason": reason}
    if successor is not None:
        type_ = "consent.amended"
        data["amended_by"] = successor.wire_id
    notify(session, consent.institution_id, type_, data, now)


def tell_asked(session: Session, consent: Consent, now: datetime) -> None:
    """Tell a firm's people that a request waits in their inbox."""
    firm = None if consent.asked_uscc is None else firm_of(session, consent.asked_uscc)
    if firm is not None:
        page = f"/portal/inbox/{consent.wire_id}"
        tell_firm(session, firm, "request_waiting", now, page=page, about=str(consent.id))


def tell_used(session: Session, consent: Consent, now: datetime) -> None:
    """Tell a firm's people that a consent was used for the first time; told again, nothing happens."""
    if consent.enterprise_id is not None:
        tell_firm(session, consent.enterprise_id, "consent_first_used", now, page=_page(consent), about=str(consent.id))


def tell_ends_soon(session: Session, consent: Consent, now: datetime) -> None:
    """Tell a firm's people that a consent will end."""
    if consent.enterprise_id is not None:
        about = f"soon {consent.id}"
        tell_firm(session, consent.enterprise_id, "consent_ending", now, page=_page(consent), about=about)


def tell_refused(session: Session, consent: Consent, reason: str, now: datetime) -> None:
    """Tell a firm's people that somebody asked who should not have: once a day for each consent."""
    if consent.enterprise_id is None or reason not in UNUSUAL:
        return
    day = day_of(now)
    ends = start_of_day(day + timedelta(days=1))
    if replay.first_use(session, "refusal", f"unusual {consent.id}", day.isoformat(), expires_at=ends):
        about = f"{consent.id} {day.isoformat()}"
        tell_firm(session, consent.enterprise_id, "unusual_access", now, page="/portal/accesses", about=about)


UNUSUAL = frozenset(
    {"revoked", "wrong_institution", "wrong_key", "another_client", "invalid_dpop_proof", "token_revoked",
     "institution_suspended", "client_suspended", "category_not_granted", "action_not_granted"}
)  # fmt: skip
"""Reasons of refusals that a firm should know of at once; a full limit or an end that time brought is none."""


def _tell_ended(session: Session, consent: Consent, from_state: str, reason: str, now: datetime) -> None:
    by_others = consent.state in ("EXPIRED", "EXHAUSTED") or (consent.state, reason) == ("REVOKED", "revoked_by_client")
    if from_state in ("ACTIVE", "PAUSED") and by_others and consent.enterprise_id is not None:
        about = f"ended {consent.id}"
        tell_firm(session, consent.enterprise_id, "consent_ending", now, page=_page(consent), about=about)


def _page(consent: Consent) -> str:
    return f"/portal/consents/{consent.wire_id}"
