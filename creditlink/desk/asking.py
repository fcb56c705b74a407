"""Asking a firm for its consent: into its inbox or by a code that it scans, until it is granted; then its tokens.

What is asked and what it brought are sealed: the tables name no firm, and a copy of them opens none.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from creditlink.access.opaque import hash_of, new_secret
from creditlink.desk.people.roles import DeskActor
from creditlink.desk.tables import DeskRequest
from creditlink.desk.wire.sending import DeskApi
from creditlink.desk.wire.software import Answer, ApiRefused, DeskSoftware
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.keyring import box
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

SCAN_LIFE = timedelta(days=1)
"""How long a code may be scanned."""

LEAST_PULLS = timedelta(seconds=6)
"""Between two looks for an answer: a little more than the platform lets a bank poll."""

SCOPE = "profile:create profile:read"
_CIBA = "urn:openid:params:grant-type:ciba"
SEALED = "creditlink desk requests"
_EARLY = timedelta(seconds=30)
_SECOND = timedelta(seconds=1)
_SLOWER = 5  # seconds more after each `slow_down`: OpenID CIBA Core 1.0, section 11
_PREFIX = "ask_"


@dataclass(frozen=True)
class Asked:
    """What a lender asks a firm for."""

    uscc: str | None  # none: whoever scans the code chooses the firm
    label: str  # the lender's own word for the firm
    purpose: str
    categories: Sequence[str]
    optional: Sequence[str]
    history_months: int
    valid_until: str
    binding: str

    def details(self) -> str:
        """Return the `authorization_details`."""
        one: dict[str, object] = {
            "type": "enterprise_credit_profile",
            "categories": list(self.categories),
            "purpose": self.purpose,
            "history_months": self.history_months,
            "valid_until": self.valid_until,
        }
        if self.optional:
            one["optional_categories"] = list(self.optional)
        if self.uscc is not None:
            one["uscc"] = self.uscc
        return json.dumps([one], ensure_ascii=False)


def ask_in_inbox(api: DeskApi, asked: Asked, now: datetime) -> DeskRequest:
    """Put a request into a firm's inbox.

    Raises
    ------
    ApiRefused
        The platform does not take it.
    """
    fields = {"scope": SCOPE, "login_hint": asked.uscc or "", "authorization_details": asked.details()}
    if asked.binding:
        fields["binding_message"] = asked.binding
    answer = api.software.form("/oauth/bc-authorize", fields)
    until = now + timedelta(seconds=int(str(answer["expires_in"])))
    held = {"asked": _told(asked), "auth_req_id": answer["auth_req_id"], "interval": answer.get("interval")}
    return _keep(api.actor, "inbox", held, now=now, expires_at=until)


def ask_by_code(api: DeskApi, asked: Asked, institution: str, now: datetime) -> tuple[DeskRequest, str]:
    """Prepare a request that begins when a firm scans its code; return it and the secret in the code."""
    secret = new_secret(_PREFIX)
    held = {"asked": _told(asked), "details": asked.details(), "secret": secret, "institution": institution}
    kept = _keep(api.actor, "code", held, now=now, expires_at=now + SCAN_LIFE, scan_hash=hash_of(secret))
    return kept, secret


def begin_scanned(api: DeskApi, request: DeskRequest) -> str:
    """Push a scanned request and return where the firm's browser goes on; scanning again begins anew.

    Raises
    ------
    ApiRefused
        The platform does not take it.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    held = opened(request)
    answer = api.software.form(
        "/oauth/par",
        {
            "response_type": "code", "redirect_uri": api.software.redirect_uri, "scope": SCOPE, "state": state,
            "code_challenge": challenge, "code_challenge_method": "S256",
            "authorization_details": str(held["details"]),
        },
    )  # fmt: skip
    _change(request, {**held, "verifier": verifier}, state_hash=hash_of(state))
    return api.software.authorize_url(str(answer["request_uri"]))


def finish_scanned(api: DeskApi, request: DeskRequest, code: str) -> None:
    """Exchange the code that a firm's browser brought back.

    Raises
    ------
    ApiRefused
        It is not good (any more).
    """
    held = opened(request)
    answer = api.software.form(
        "/oauth/token",
        {
            "grant_type": "authorization_code", "code": code, "redirect_uri": api.software.redirect_uri,
            "code_verifier": str(held.get("verifier", "")),
        },
    )  # fmt: skip
    _granted(request, held, answer)


def declined(request: DeskRequest) -> None:
    """Note that the firm declined on the page that it scanned its way to."""
    _end(request, "declined")


def look(software: DeskSoftware, request: DeskRequest, now: datetime) -> None:
    """Ask once whether a firm has answered, unless somebody just did; what it says is kept.

    Raises
    ------
    ApiRefused
        The platform answers neither that it did nor that it did not: the institution's client is suspended, say.
    """
    if request.state != "waiting" or request.channel == "code":
        if request.state == "waiting" and now >= request.expires_at:
            _end(request, "expired")
        return
    held = opened(request)
    with _transaction(request) as session:
        mine = session.scalar(
            update(DeskRequest)
            .where(
                DeskRequest.id == request.id,
                DeskRequest.state == "waiting",
                or_(DeskRequest.polled_at.is_(None), DeskRequest.polled_at <= now - _rest(held)),
            )
            .values(polled_at=now)
            .returning(DeskRequest.id)
            .execution_options(synchronize_session=False)
        )
    if mine is None:
        return
    try:
        answer = software.form("/oauth/token", {"grant_type": _CIBA, "auth_req_id": str(held.get("auth_req_id", ""))})
    except ApiRefused as refused:
        ends = {"access_denied": "declined", "expired_token": "expired", "invalid_grant": "over"}
        if refused.code in ends:
            _end(request, ends[refused.code])
        elif refused.code == "slow_down":
            _change(request, {**held, "interval": _rest(held) / _SECOND - 1 + _SLOWER}, only="waiting")
        elif refused.code != "authorization_pending":
            raise
        return
    _granted(request, held, answer)


def pick_up(api: DeskApi, application: str, label: str, now: datetime) -> DeskRequest:
    """Get the tokens of the consent that a firm gave with its application, and keep them like any other's.

    Raises
    ------
    ApiRefused
        The application is before another client of the institution, or its consent is over.
    """
    with db.transaction(viewer=db.Viewer(institution_id=api.actor.institution_id)) as session:
        known = session.scalar(
            select(DeskRequest)
            .where(
                DeskRequest.institution_id == api.actor.institution_id,
                DeskRequest.application == application,
                DeskRequest.state == "granted",
            )
            .order_by(DeskRequest.asked_at.desc())
            .limit(1)
        )
    if known is not None:
        return known
    handed = api.own("POST", f"/v1/financing/applications/{application}/authorization")
    answer = api.software.form("/oauth/token", {"grant_type": _CIBA, "auth_req_id": str(handed["auth_req_id"])})
    held = {"asked": {"label": label}}
    kept = _keep(api.actor, "application", held, now=now, expires_at=now + SCAN_LIFE, application=application)
    _granted(kept, held, answer)
    return kept


def token_of(api: DeskApi, request: DeskRequest, now: datetime) -> str:
    """Return a token of a granted request's consent that is good now.

    Raises
    ------
    ApiRefused
        The consent is over or paused, or the institution or its client is suspended.
    """
    held = opened(request)
    if held.get("until") and datetime.fromisoformat(str(held["until"])) > now + _EARLY:
        return str(held["access_token"])
    answer = api.software.form(
        "/oauth/token", {"grant_type": "refresh_token", "refresh_token": str(held.get("refresh_token", ""))}
    )
    _granted(request, held, answer)
    return str(answer["access_token"])


def request_of(actor: DeskActor, wire_id: str) -> DeskRequest:
    """Return one request of the person's institution.

    Raises
    ------
    NotFound
        There is no such one, or it is another institution's: the same answer.
    """
    known = ids.internal("ask", wire_id)
    with db.transaction(viewer=db.Viewer(institution_id=actor.institution_id)) as session:
        found = session.scalar(
            select(DeskRequest).where(DeskRequest.id == known, DeskRequest.institution_id == actor.institution_id)
        )
    if found is None:
        raise NotFound
    return found


def page_of(actor: DeskActor, *, most: int, state: str | None = None, skip: int = 0) -> list[DeskRequest]:
    """Return the requests of the person's institution, the latest first."""
    query = select(DeskRequest).where(DeskRequest.institution_id == actor.institution_id)
    if state is not None:
        query = query.where(DeskRequest.state == state)
    with db.transaction(viewer=db.Viewer(institution_id=actor.institution_id)) as session:
        return list(
            session.scalars(query.order_by(DeskRequest.asked_at.desc(), DeskRequest.id).limit(most).offset(skip))
        )


def opened(request: DeskRequest) -> Answer:
    """Return what a request holds."""
    secret = runtime.part(Settings).secret_key
    held: Answer = json.loads(box(secret, SEALED).decrypt(request.sealed.encode()))
    return held


def label_of(request: DeskRequest) -> str:
    """Return the lender's own word for the firm."""
    return str(opened(request)["asked"].get("label", ""))


def _rest(held: Answer) -> timedelta:
    """Return how long nobody asks again: what the platform asked for and a second, for clocks that differ."""
    return max(LEAST_PULLS, (float(held.get("interval") or 0) + 1) * _SECOND)


def _told(asked: Asked) -> dict[str, object]:
    return {
        "label": asked.label, "uscc": asked.uscc, "purpose": asked.purpose, "categories": list(asked.categories),
        "optional": list(asked.optional), "valid_until": asked.valid_until, "binding": asked.binding,
    }  # fmt: skip


def _seal(held: Mapping[str, object]) -> str:
    return box(runtime.part(Settings).secret_key, SEALED).encrypt(json.dumps(held).encode()).decode()


def _transaction(request: DeskRequest) -> AbstractContextManager[Session]:
    return db.transaction(viewer=db.Viewer(institution_id=request.institution_id))


def _keep(
    actor: DeskActor,
    channel: str,
    held: Mapping[str, object],
    *,
    now: datetime,
    expires_at: datetime,
    scan_hash: str | None = None,
    application: str | None = None,
) -> DeskRequest:
    kept = DeskRequest(
        institution_id=actor.institution_id, asked_by=actor.account_id, channel=channel, state="waiting",
        application=application, scan_hash=scan_hash, sealed=_seal(held), asked_at=now, expires_at=expires_at,
    )  # fmt: skip
    with _transaction(kept) as session:
        session.add(kept)
    return kept


def _granted(request: DeskRequest, held: Mapping[str, object], answer: Answer) -> None:
    """Keep the tokens of an answer; what began the request is of no use any more."""
    until = utc_now() + timedelta(seconds=int(str(answer["expires_in"])))
    kept = {
        "asked": held["asked"], "access_token": answer["access_token"], "until": until.isoformat(),
        "refresh_token": answer.get("refresh_token") or held.get("refresh_token"),
    }  # fmt: skip
    consent = str(answer.get("grant_id") or request.consent)
    _change(request, kept, state="granted", consent=consent, state_hash=None)


def _change(request: DeskRequest, held: Mapping[str, object], *, only: str | None = None, **values: object) -> None:
    """Keep what a request holds now; `only` in one state, if somebody else may have brought it to another."""
    values["sealed"] = _seal(held)
    changed = update(DeskRequest).where(DeskRequest.id == request.id)
    if only is not None:
        changed = changed.where(DeskRequest.state == only)
    with _transaction(request) as session:
        kept = session.scalar(
            changed.values(**values).returning(DeskRequest.id).execution_options(synchronize_session=False)
        )
    if kept is None:
        return
    for name, value in values.items():
        setattr(request, name, value)


def _end(request: DeskRequest, state: str) -> None:
    with _transaction(request) as session:
        ended = session.scalar(
            update(DeskRequest)
            .where(DeskRequest.id == request.id, DeskRequest.state == "waiting")
            .values(state=state)
            .returning(DeskRequest.id)
            .execution_options(synchronize_session=False)
        )
    if ended is not None:
        request.state = state
