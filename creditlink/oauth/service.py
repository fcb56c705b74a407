"""What the portal needs of the authorization server: what is pending, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from creditlink.access import context
from creditlink.access.errors import AccessDeniedError, OAuth2Error
from creditlink.access.opaque import hash_of
from creditlink.consents import funnel
from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.errors import NotFound
from creditlink.oauth.clients.client import active_client
from creditlink.oauth.server import OAuthServer
from creditlink.oauth.tables import PushedRequest

_SALT = "authorization-handle"


class PendingGone(NotFound):
    """There is no such request to decide on: it is unknown, over or decided, or the institution was suspended."""


@dataclass(frozen=True)
class PendingAuthorization:
    """A pushed request that waits for the firm: what the page shows, and what the firm decides on."""

    id: UUID
    client: Client
    institution: Institution
    consent_id: UUID
    details: list[dict[str, object]]
    scopes: tuple[str, ...]
    redirect_uri: str
    expires_at: datetime  # exclusive; until then it can be decided


def open_request(session: Session, *, client_id: str, request_uri: str, now: datetime) -> str:
    """Return the handle of the consent page for a pushed request.

    The request is not used up: the page may be loaded again until the firm has decided.

    Raises
    ------
    PendingGone
        The request is unknown, another client's, expired or decided.
    """
    pushed = session.scalar(
        select(PushedRequest).where(
            PushedRequest.request_uri_hash == hash_of(request_uri),
            PushedRequest.client_id == client_id,
            PushedRequest.redirect_uri.is_not(None),
            PushedRequest.expires_at > now,
            PushedRequest.decided_at.is_(None),
        )
    )
    if pushed is None or active_client(session, client_id) is None:
        raise PendingGone
    if pushed.opened_at is None:
        pushed.opened_at = now
        funnel.note_stage(session, pushed.consent_id, "shown", now)
    return _handles().dumps(pushed.id.hex)


def load_pending(session: Session, handle: str, now: datetime) -> PendingAuthorization:
    """Return the pending request behind a handle.

    Raises
    ------
    PendingGone
        The handle is not ours; or the request expired, was decided, or its client is no longer active.
    """
    life = context.current().settings.decision_life
    try:
        pushed_id = UUID(_handles().loads(handle))
    except (BadData, ValueError, AttributeError, TypeError):
        raise PendingGone from None
    pushed = session.get(PushedRequest, pushed_id)
    if pushed is None or pushed.opened_at is None or pushed.decided_at is not None or pushed.redirect_uri is None:
        raise PendingGone
    # Ours, not itsdangerous', clock: `now` is an argument everywhere.
    expires_at = pushed.opened_at + timedelta(seconds=life)
    consent = session.get_one(Consent, pushed.consent_id)
    if approval.signatures_of(session, consent.id):  # one of two has signed: the other may be away
        expires_at = max(expires_at, consent.answer_until)
    client = active_client(session, pushed.client_id)
    if now >= expires_at or client is None:
        raise PendingGone
    return PendingAuthorization(
        id=pushed.id,
        client=client.row,
        institution=client.institution,
        consent_id=pushed.consent_id,
        details=pushed.details,
        scopes=tuple(pushed.scopes),
        redirect_uri=pushed.redirect_uri,
        expires_at=expires_at,
    )


def binding_message_of(session: Session, consent_id: UUID) -> str | None:
    """Return what the bank wants the person to compare, as long as the request is stored."""
    return session.scalar(select(PushedRequest.binding_message).where(PushedRequest.consent_id == consent_id))


def finish_authorization(
    session: Session, pending: PendingAuthorization, consent: Consent, account: Account, now: datetime
) -> str:
    """Use up the request and return the address, with a new code, to send the browser to.

    Raises
    ------
    PendingGone
        It was decided meanwhile, or its client may no longer ask for this.
    ValueError
        The consent is not the approved one of this request.
    """
    if consent.id != pending.consent_id or consent.institution_id != pending.institution.id:
        raise ValueError("the consent is not the one of this request")
    if consent.state != "ACTIVE":
        raise ValueError(f"the consent is {consent.state}, not ACTIVE")
    return _decide(session, pending, "approved", account, now)


def deny_authorization(
    session: Session, pending: PendingAuthorization, now: datetime, error: str = "access_denied"
) -> str:
    """Use up the request and return the address, with the error, to send the browser to.

    Raises
    ------
    PendingGone
        As `finish_authorization`.
    """
    return _decide(session, pending, "denied", None, now, error=error)


def _decide(
    session: Session,
    pending: PendingAuthorization,
    outcome: str,
    account: Account | None,
    now: datetime,
    error: str | None = None,
) -> str:
    # The claim: of two parallel decisions only one finds the row undecided.
    pushed = session.scalar(
        update(PushedRequest)
        .where(PushedRequest.id == pending.id, PushedRequest.decided_at.is_(None))
        .values(decided_at=now, outcome=outcome)
        .returning(PushedRequest)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if pushed is None or now >= pending.expires_at:
        raise PendingGone
    server = OAuthServer(session, context.current(), now=now)
    parameters = {
        "client_id": pushed.client_id,
        "response_type": "code",
        "redirect_uri": pushed.redirect_uri or "",
        "scope": " ".join(pushed.scopes),
        "code_challenge": pushed.code_challenge or "",
        "code_challenge_method": "S256",
    }
    if pushed.state is not None:
        parameters["state"] = pushed.state
    request = server.request(method="GET", path="/oauth/authorize", form=parameters, headers=Headers())
    request.pushed, request.account = pushed, account
    if error is not None and error != AccessDeniedError.error:
        request.denial = OAuth2Error(error=error, redirect_uri=pushed.redirect_uri)
    grant = server.get_authorization_grant(request)
    # Authlib checks the stored request once more: an address or scope taken from the client since is refused.
    response = server.create_authorization_response(request=request, grant_user=account, grant=grant)
    if response.location is None:
        raise PendingGone
    location: str = response.location
    return location


def _handles() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(context.current().secret, salt=_SALT)
