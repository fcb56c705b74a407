"""Grant Management for OAuth 2.0 (OpenID draft 03): a client queries and revokes its own grants.

A grant is a consent; `grant_id` is the consent's id on the wire. As the draft has it, the endpoint is a
resource: it takes an access token of the client with the scope of the action.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.access.guard import Access
from creditlink.access.tables import AccessToken
from creditlink.consents import service as consents
from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent
from creditlink.kit.errors import NotFound
from creditlink.kit.ids import internal

QUERY = "grant_management_query"
REVOKE = "grant_management_revoke"


def query(session: Session, access: Access, grant_id: str, *, now: datetime) -> dict[str, object]:
    """Return the scopes and details of the client's own live grant.

    Raises
    ------
    NotFound
        Unknown, another client's or over: the three look the same.
    """
    consent = _own(session, access, grant_id)
    grant = consents.grant_of(session, consent.id, now=now)
    if grant is None:
        raise NotFound
    issued = session.scalars(
        select(AccessToken.scopes).where(AccessToken.consent_id == consent.id).order_by(AccessToken.created_at).limit(1)
    ).first()
    return {
        "scopes": [{"scope": " ".join(issued or access.scopes)}],
        "authorization_details": grant.authorization_details,
    }


def revoke(session: Session, access: Access, grant_id: str, *, now: datetime) -> None:
    """Revoke the client's own grant and everything issued under it.

    Raises
    ------
    NotFound
        As `query`; a paused grant can be revoked.
    """
    # Locked before it is checked: of two revocations at once, the second finds the grant over.
    consent = consents.lock_consent(session, _own(session, access, grant_id).id)
    if consent.state_at(now) not in ALIVE:
        raise NotFound
    consents.revoke(session, consent, actor=f"bank:{access.client_id}", reason="revoked_by_client", now=now)


def _own(session: Session, access: Access, grant_id: str) -> Consent:
    consent = session.get(Consent, internal("cns", grant_id))
    if consent is None or consent.client_id != access.client_id:
        raise NotFound
    return consent
