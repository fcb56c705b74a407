"""The log of developers' requests: what was asked, what came of it, and which check failed.

A row is made of our own words: the route's name, an error's slug, the check, the reason. Tokens, assertions, proofs
and bodies never come near it, and a text that might repeat one has whatever looks like it cut out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import flask
import structlog
from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from creditlink.access.opaque import hash_of
from creditlink.access.tables import AccessToken
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Problem
from creditlink.kit.files.text import printable
from creditlink.kit.http import visit, why
from creditlink.kit.http.api import PROBLEM_JSON
from creditlink.kit.postgres import db
from creditlink.portal.developers import answering
from creditlink.portal.developers.joining import CLIENT_PREFIX, is_developers
from creditlink.portal.developers.tables import DeveloperRequest
from creditlink.portal.person import throttle

log = structlog.get_logger()

KEPT = timedelta(days=7)
PER_WINDOW = 3_000
"""Rows of one developer in a throttle's window: anybody can send requests in the name of a client."""

_OF_PROGRAMS = ("/oauth/", "/v1/")
_LONGEST_REASON = 300
_LONGEST_TOKEN = 128
# Whatever is as long as a secret of ours, or of a JWT, and has a digit as they have; names of members have none.
_SECRET = re.compile(r"(?=[\w.\-~]*\d)[\w.\-~]{20,}", re.ASCII)


@dataclass(frozen=True)
class _Refusal:
    error: str | None = None
    check: str | None = None
    reason: str | None = None


def note_request(response: flask.Response) -> flask.Response:
    """Log the request that was just answered, if it is of a developer's client; let scripted firms act on it."""
    request = flask.request
    seen = visit.of(request.environ)
    if not request.path.startswith(_OF_PROGRAMS) or (seen is not None and seen.awaited is not None):
        return response
    now, client_id = utc_now(), _claimed_client(request)
    is_known = client_id is not None or "Authorization" in request.headers
    if not is_known or (client_id is not None and not client_id.startswith(CLIENT_PREFIX)):
        return response
    try:
        with db.transaction() as session:
            client = _client(session, request, client_id)
            if client is None or not client.client_id.startswith(CLIENT_PREFIX):
                return response
            if not is_developers(session, client.institution_id, now):
                return response
            _write(session, client.institution_id, request, response, now)
        _let_firms_act(client.client_id, request, response, now)
    except (SQLAlchemyError, Problem) as error:  # the request is answered already, whatever becomes of its log
        log.error("developer_request_not_logged", error=type(error).__name__)
    return response


def redacted(text: str) -> str:
    """Return a reason without what might be a secret, and no longer than a reason is."""
    return _SECRET.sub("…", printable(text))[:_LONGEST_REASON]


def _claimed_client(request: flask.Request) -> str | None:
    """Return the client that sent the request, or claims to be it."""
    access = flask.g.get("access")
    if access is not None:
        return str(access.client_id)
    try:
        claimed = request.form.get("client_id")
    except HTTPException:  # the body broke off or was too large, and was answered so
        claimed = None
    return why.of_request().client_id or claimed or None


def _client(session: Session, request: flask.Request, client_id: str | None) -> Client | None:
    if client_id is not None:
        return session.scalar(select(Client).where(Client.client_id == client_id[:_LONGEST_TOKEN]))
    sent = request.headers.get("Authorization", "").partition(" ")[2].strip()
    if not sent or len(sent) > _LONGEST_TOKEN:
        return None
    owner = select(AccessToken.client_id).where(AccessToken.token_hash == hash_of(sent))
    return session.scalar(select(Client).where(Client.client_id.in_(owner)))


def _write(
    session: Session, institution_id: UUID, request: flask.Request, response: flask.Response, now: datetime
) -> None:
    if throttle.count(session, [(f"log:{institution_id}", PER_WINDOW)], now) is not None:
        return
    refusal = _refusal(response) if response.status_code >= 400 else _Refusal()
    session.execute(  # without RETURNING: whoever writes for the institution may not read
        insert(DeveloperRequest)
        .inline()
        .values(
            institution_id=institution_id,
            at=now,
            method=request.method,
            route=request.url_rule.rule if request.url_rule else "(none)",
            status=response.status_code,
            error=refusal.error,
            failed_check=refusal.check,
            reason=None if refusal.reason is None else redacted(refusal.reason),
            request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
        )
    )


def _refusal(response: flask.Response) -> _Refusal:
    """Return what the answer says, and beyond it what was noted for the owner alone."""
    noted = why.of_request()
    body = response.get_json(silent=True)
    if not isinstance(body, Mapping):
        return _Refusal(None, noted.check, noted.reason)
    if response.mimetype == PROBLEM_JSON:
        told = [str(body[name]) for name in ("detail", "reason", "attribute") if body.get(name)]
        errors = body.get("errors")
        pointers = [
            f"{one.get('pointer', '')} {one.get('detail', '')}".strip()
            for one in (errors if isinstance(errors, list) else [])
            if isinstance(one, Mapping)
        ]
        slug = str(body.get("type", "")).rpartition("/")[2] or None
        check = noted.check or str(body.get("reason") or body.get("attribute") or "") or None
        return _Refusal(slug, check, noted.reason or "; ".join((*told, *pointers)) or str(body.get("title", "")))
    error, said = body.get("error"), body.get("error_description")
    check = noted.check or (str(body["attribute"]) if body.get("attribute") else None)
    return _Refusal(str(error) if error else None, check, noted.reason or (str(said) if said else None))


def _let_firms_act(client_id: str, request: flask.Request, response: flask.Response, now: datetime) -> None:
    if request.endpoint == "oauth.ask_in_inbox" and response.status_code == 200:
        answering.answer_inbox(client_id, request.form.get("login_hint", ""), now)
    elif request.endpoint == "profiles.create_profile" and response.status_code == 201:
        access = flask.g.get("access")
        if access is not None and access.consent_id is not None:
            answering.act_after_profile(access.consent_id, now)
