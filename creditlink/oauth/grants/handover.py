"""Tokens for a consent that the firm gave on one of our own pages, without a request of the bank.

The bank gets an `auth_req_id` for it and polls as after a request in the inbox (`grants.poll`): client, key and
single use are checked there, and so is the consent.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from creditlink.access.opaque import AUTH_REQ_ID, hash_of, new_secret
from creditlink.consents.tables import Consent
from creditlink.institutions.tables import Client
from creditlink.oauth.tables import PushedRequest

FETCH_WITHIN = timedelta(minutes=10)


def hand_over(
    session: Session, *, client: Client, consent: Consent, scopes: Collection[str], now: datetime
) -> tuple[str, datetime]:
    """Return a new `auth_req_id` for the client's own consent, and until when it is valid.

    Earlier unused ones for this consent become void: only one is valid at a time.

    Raises
    ------
    ValueError
        The consent is another client's.
    """
    if consent.client_id != client.client_id:
        raise ValueError("the consent is another client's")
    session.execute(
        update(PushedRequest)
        .where(
            PushedRequest.consent_id == consent.id,
            PushedRequest.client_id == client.client_id,
            PushedRequest.redirect_uri.is_(None),
            PushedRequest.decided_at.is_(None),
        )
        .values(decided_at=now, outcome="denied")
        .execution_options(synchronize_session=False)
    )
    auth_req_id, expires_at = new_secret(AUTH_REQ_ID), now + FETCH_WITHIN
    session.add(
        PushedRequest(
            request_uri_hash=hash_of(auth_req_id),
            client_id=client.client_id,
            consent_id=consent.id,
            redirect_uri=None,
            scopes=sorted(scopes),
            state=None,
            code_challenge=None,
            dpop_jkt=None,
            binding_message=None,
            details=consent.details().as_json(),
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()
    return auth_req_id, expires_at
