"""The notification to a bank when the state of one of its consents changes: the one hook between the two slices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
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

    Decisions on a request are not announced: the bank's client waits for them at the authorization server.
    """
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
