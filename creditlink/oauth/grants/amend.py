"""Requesting more, or something else, under an existing grant (Grant Management draft 03, `merge` and `replace`).

Either becomes an amendment: a new version of the consent that the firm sees next to the one in force. Until it
agrees the old version stays; when it agrees the old one ends, and the token response names the new version's
`grant_id` (the draft would keep the old id; here an id names one signed text).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.access.errors import InvalidGrantId, InvalidRequestError
from creditlink.consents.agreement.categories import CATEGORIES, SERVED_ACTIONS
from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.served import ServedCategories
from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.kit.errors import NotFound
from creditlink.kit.ids import internal

ACTIONS_SUPPORTED = ["query", "revoke", "create", "merge", "replace"]


def amended_consent(session: Session, form: Mapping[str, str], client_id: str, *, now: datetime) -> Consent | None:
    """Return the consent that the request amends, or None if it asks for a new one.

    Raises
    ------
    InvalidRequestError
        Action and id do not fit.
    InvalidGrantId
        The grant is unknown, another client's or over.
    """
    action, grant_id = form.get("grant_management_action", "create"), form.get("grant_id")
    if action not in ("create", "merge", "replace"):
        raise InvalidRequestError("grant_management_action must be create, merge or replace")
    if (grant_id is None) != (action == "create"):
        raise InvalidRequestError("grant_id goes with merge and replace, and only with them")
    if grant_id is None:
        return None
    try:
        consent = session.get(Consent, internal("cns", grant_id))
    except NotFound:
        raise InvalidGrantId from None
    if consent is None or consent.client_id != client_id or consent.state_at(now) not in ALIVE:
        raise InvalidGrantId
    return consent


def merged(details: AuthorizationDetails, consent: Consent, served: ServedCategories) -> AuthorizationDetails:
    """Return `details` plus the categories and actions that the consent already grants, as far as they are served."""
    kept = {c for c in consent.categories if c in served or c in PUBLIC_CATEGORIES}
    categories = {*details.categories, *kept}
    actions = {*details.actions, *consent.actions}
    return replace(
        details,
        categories=tuple(c for c in CATEGORIES if c in categories),
        # What the consent already grants stays optional for the firm; public records are no choice.
        optional_categories=tuple(
            c
            for c in CATEGORIES
            if c in details.optional_categories or c in kept - {*details.categories, *PUBLIC_CATEGORIES}
        ),
        actions=tuple(a for a in SERVED_ACTIONS if a in actions),
        # Only what this bank itself sent: it may know the firm only by the pairwise id.
        uscc=details.uscc or consent.details().uscc,
    )
