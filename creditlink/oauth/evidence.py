"""Evidence of what the authorization server refused, in the chain of the firm whose consent it concerns.

The caller learns the OAuth error and no more; the firm learns what was wrong. A refusal that concerns no consent
we know is nobody's evidence: the operator sees it in `creditlink_oauth_refusals_total` and in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from creditlink.access import replay
from creditlink.access.opaque import hash_of
from creditlink.access.tables import AccessToken
from creditlink.audit import service as audit
from creditlink.consents.life import rules
from creditlink.consents.tables import Consent
from creditlink.enterprises.registry.codes import firm_of
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.errors import NotFound
from creditlink.kit.ids import internal
from creditlink.oauth.clients.client import GRANT_TYPES
from creditlink.oauth.endpoints.revoke import any_token
from creditlink.oauth.tables import AuthorizationCode, PushedRequest, RefreshToken

log = structlog.get_logger()

# Answers in the protocol's normal course, not refusals of anything the firm decided.
NOT_REFUSED = frozenset({"authorization_pending", "slow_down", "use_dpop_nonce"})


@dataclass(frozen=True)
class _Subject:
    """What a request was about: a consent, its client, and what was sent for it."""

    consent_id: UUID
    client_id: str
    sent: UUID  # the row of the token, code or request that was sent; the consent's where its grant_id was
    flaw: str | None = None  # what the row itself says against its use now


def note(
    session: Session,
    form: Mapping[str, str],
    *,
    error: str,
    status: int,
    route: str,
    client_id: str | None,
    now: datetime,
) -> None:
    """Append the refusal to the firm's chain, if we know the consent that it is about.

    `client_id` is the authenticated client's, None where nobody was authenticated. One line covers all refusals of
    the same thing for the same reason by one client within a minute: a dead token cannot fill a firm's chain. The
    request is refused even when the evidence cannot be written.
    """
    if error in NOT_REFUSED:
        return
    try:
        with session.begin_nested():
            subject = _subject_of(session, form, now)
            if subject is not None:
                _append(session, subject, form, error, status, route, client_id, now)
    except SQLAlchemyError as failed:
        log.error("refusal_not_recorded", error=type(failed).__name__, reason=error)


def _append(
    session: Session,
    subject: _Subject,
    form: Mapping[str, str],
    error: str,
    status: int,
    route: str,
    client_id: str | None,
    now: datetime,
) -> None:
    consent = session.get(Consent, subject.consent_id)
    enterprise_id = _enterprise_of(session, consent) if consent is not None else None
    if consent is None or enterprise_id is None:
        return
    reason = _reason(session, subject, consent, error, client_id, now)
    minute, until = int(now.timestamp()) // 60, now + timedelta(minutes=2)
    once = f"{route}:{reason}:{client_id}:{minute}"
    if not replay.first_use(session, "refusal", subject.sent.hex, once, expires_at=until):
        return
    by = session.scalar(select(Client.institution_id).where(Client.client_id == client_id))
    detail = {"route": route, "reason": reason, "status": status}
    if form.get("grant_type") in GRANT_TYPES:
        detail["grant_type"] = form["grant_type"]
    audit.record(
        session,
        action="token.refused",
        result="refused",
        actor=f"bank:{client_id}" if client_id else "unknown",
        now=now,
        enterprise_id=enterprise_id,
        institution_id=by,
        client_id=client_id,
        consent_id=consent.id,
        purpose=consent.purpose,
        detail=detail,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )


def _subject_of(session: Session, form: Mapping[str, str], now: datetime) -> _Subject | None:
    """Return what the request is about, by the secret or id that it names; None where we know neither."""
    for name in ("refresh_token", "token"):
        token = any_token(session, form[name]) if name in form else None
        if token is not None:
            return None if token.consent_id is None else _of_token(token, token.consent_id, now)
    if "code" in form:
        code = session.scalar(select(AuthorizationCode).where(AuthorizationCode.code_hash == hash_of(form["code"])))
        if code is not None:
            wrong = "code_used" if code.used_at else "code_expired" if code.expires_at <= now else None
            return _Subject(code.consent_id, code.client_id, code.id, wrong)
    if "auth_req_id" in form:
        wanted = PushedRequest.request_uri_hash == hash_of(form["auth_req_id"])
        pushed = session.scalar(select(PushedRequest).where(wanted, PushedRequest.redirect_uri.is_(None)))
        if pushed is not None:
            wrong = "auth_req_id_used" if pushed.decided_at else None
            return _Subject(pushed.consent_id, pushed.client_id, pushed.id, wrong)
    if "grant_id" in form:
        try:
            consent = session.get(Consent, internal("cns", form["grant_id"]))
        except NotFound:
            return None
        return None if consent is None else _Subject(consent.id, consent.client_id, consent.id)
    return None


def _of_token(token: RefreshToken | AccessToken, consent_id: UUID, now: datetime) -> _Subject:
    wrong = "token_revoked" if token.revoked_at else "token_expired" if token.expires_at <= now else None
    return _Subject(consent_id, token.client_id, token.id, wrong)


def _reason(
    session: Session, subject: _Subject, consent: Consent, error: str, client_id: str | None, now: datetime
) -> str:
    """Return what was wrong: the caller, what was sent, the consent, or else the request itself."""
    institution = session.get_one(Institution, consent.institution_id)
    if client_id is None:
        client = session.scalar(select(Client.status).where(Client.client_id == subject.client_id))
        if institution.status != "active":
            return "institution_suspended"
        return "client_suspended" if client != "active" else "client_not_authenticated"
    if client_id != subject.client_id:
        return "another_client"
    if error not in ("invalid_grant", "access_denied", "expired_token", "inactive", "invalid_grant_id"):
        return error
    dead = rules.dead_reason(consent.terms(institution_active=institution.status == "active"), now)
    return subject.flaw or dead or error


def _enterprise_of(session: Session, consent: Consent) -> UUID | None:
    """Return the firm: the one that decided, else the one that was asked, if there is such a firm."""
    if consent.enterprise_id is not None or consent.asked_uscc is None:
        return consent.enterprise_id
    return firm_of(session, consent.asked_uscc)
