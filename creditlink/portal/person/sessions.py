"""Sessions of the pages: for a signed-in person the browser has a random id, the database its hash and the rest.

Visitors who are not signed in leave no row, as anybody can open the sign-in page a million times: the little that they
need (the CSRF token of the form) is in a signed cookie.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import flask
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.datastructures import CallbackDict

from creditlink.enterprises.accounts import password_mark
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.keyring import Secret
from creditlink.kit.postgres import db
from creditlink.portal.tables import WebSession

PATH = "/portal"
LONGEST = timedelta(hours=8)
IDLE = timedelta(minutes=30)
BEFORE_SIGN_IN = timedelta(hours=1)
_SEEN_EVERY = timedelta(minutes=1)
_KEPT = ("lang",)  # all else of the session before sign-in is dropped, the CSRF token first


class PortalSession(CallbackDict[str, Any], SessionMixin):
    """One browser's session; changes are stored when the response is sent."""

    def __init__(self, data: dict[str, Any] | None = None, *, token: str | None = None) -> None:
        def changed(session: object) -> None:
            assert isinstance(session, PortalSession)  # noqa: S101 (narrows the library's type)
            session.modified = True

        super().__init__(data, changed)
        self.modified = False
        self.new = token is None
        self.token = token or _new_token()
        self.replaces: str | None = None
        self.account_id: UUID | None = None
        self.strong_at: datetime | None = None
        self.created_at: datetime | None = None
        self.device_id: UUID | None = None
        self.mark: str | None = None  # of the password that let the person in
        self.ended = False
        self.failure: Exception | None = None  # why the stored session could not be read

    @property
    def id_hash(self) -> str:
        """The name by which the database knows the session."""
        return _sha256(self.token)

    def sign_in(
        self,
        account_id: UUID,
        *,
        strong_at: datetime | None,
        device_id: UUID | None = None,
        mark: str | None = None,
    ) -> None:
        """Bind the session to a person, under a new id: one fixed before is worth nothing (fixation).

        `mark` is that of the password which was right: if another one is set before the session is stored, it is not.
        """
        lasting = {name: self[name] for name in _KEPT if name in self}
        self.clear()
        self.update(lasting)
        self.replaces = None if self.new else self.id_hash
        self.token, self.new, self.modified = _new_token(), True, True
        self.account_id, self.strong_at, self.created_at = account_id, strong_at, None
        self.device_id, self.mark = device_id, mark

    def strengthen(self, now: datetime) -> None:
        """Note that a one-time code was just given."""
        self.strong_at, self.modified = now, True

    def end(self) -> None:
        """Sign out."""
        self.ended, self.modified = True, True


class StoredSessions(SessionInterface):
    """Opens and saves `PortalSession` for the pages; nothing else carries a cookie."""

    def __init__(self, *, secure: bool, secret: Secret) -> None:
        self._secure = secure
        self.cookie = "__Secure-creditlink" if secure else "creditlink_session"
        self.anonymous_cookie = "__Secure-creditlink-form" if secure else "creditlink_form"
        self._secret = secret

    def open_session(self, app: flask.Flask, request: flask.Request) -> PortalSession | None:
        """Return the browser's session, or a new one; for addresses outside the pages none."""
        if not request.path.startswith(PATH + "/") or request.path.startswith(PATH + "/static/"):
            return None
        token = request.cookies.get(self.cookie, "")
        if not 40 <= len(token) <= 64:
            return self._before_sign_in(request)
        try:
            opened = _load(token, utc_now())
        except SQLAlchemyError as error:
            # Flask opens sessions before it knows the view: the pages' guard raises it where a page can be shown.
            unread = PortalSession()
            unread.failure = error
            return unread
        return self._before_sign_in(request) if opened is None else opened

    def _before_sign_in(self, request: flask.Request) -> PortalSession:
        try:
            sealed = request.cookies.get(self.anonymous_cookie, "")
            data = self._sealer().loads(sealed, max_age=int(BEFORE_SIGN_IN.total_seconds()))
        except BadData:
            return PortalSession()
        return PortalSession(data if isinstance(data, dict) else None)

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        """Store what changed, and give the browser its id when it is new."""
        if not isinstance(session, PortalSession):
            return
        response.vary.add("Cookie")
        if not session.modified:
            return
        if session.ended:
            if not session.new:
                with db.transaction() as transaction:
                    transaction.execute(delete(WebSession).where(WebSession.id_hash == session.id_hash))
            self._forget(response, self.cookie, self.anonymous_cookie)
            return
        if session.account_id is None:
            self._give(response, self.anonymous_cookie, str(self._sealer().dumps(dict(session))))
            return
        with db.transaction() as transaction:
            if not _is_let_in(transaction, session, self._secret):
                return
            _store(transaction, session, utc_now())
        if session.new:
            self._give(response, self.cookie, session.token)
            self._forget(response, self.anonymous_cookie)

    def _sealer(self) -> URLSafeTimedSerializer:
        # Made each time: which key signs is a matter of the hour.
        return URLSafeTimedSerializer(self._secret, salt="portal-before-sign-in")

    def _give(self, response: flask.Response, name: str, value: str) -> None:
        # Lax, not Strict: the bank sends the browser here from its own site.
        response.set_cookie(name, value, path=PATH, secure=self._secure, httponly=True, samesite="Lax")

    def _forget(self, response: flask.Response, *names: str) -> None:
        for name in names:
            response.delete_cookie(name, path=PATH, secure=self._secure, httponly=True, samesite="Lax")


def _load(token: str, now: datetime) -> PortalSession | None:
    with db.transaction() as session:
        row = session.scalar(select(WebSession).where(WebSession.id_hash == _sha256(token)))
        if row is None or now >= row.expires_at or now >= row.seen_at + IDLE:
            return None
        if now >= row.seen_at + _SEEN_EVERY:
            row.seen_at = now
    opened = PortalSession(dict(row.data), token=token)
    opened.account_id, opened.strong_at, opened.created_at = row.account_id, row.strong_at, row.created_at
    opened.device_id = row.device_id
    return opened


def _is_let_in(transaction: Session, session: PortalSession, secret: Secret) -> bool:
    """Return whether the password that let the person in still stands; whoever sets another one waits for us.

    Sessions end when a password is set. This one is not among them yet: it must not appear afterwards.
    """
    if session.mark is None:
        return True
    query = select(Account).where(Account.id == session.account_id).with_for_update(read=True)
    return session.mark == password_mark(transaction.scalars(query).one(), key=secret)


def _store(transaction: Session, session: PortalSession, now: datetime) -> None:
    if session.replaces:
        transaction.execute(delete(WebSession).where(WebSession.id_hash == session.replaces))
    if not session.new:
        # Not an upsert: a session that was ended from elsewhere stays ended.
        transaction.execute(
            update(WebSession)
            .where(WebSession.id_hash == session.id_hash)
            .values(data=dict(session), strong_at=session.strong_at, seen_at=now)
            .execution_options(synchronize_session=False)
        )
        return
    transaction.execute(
        insert(WebSession).values(
            id_hash=session.id_hash,
            account_id=session.account_id,
            data=dict(session),
            created_at=now,
            seen_at=now,
            expires_at=now + LONGEST,
            strong_at=session.strong_at,
            address=flask.request.remote_addr or "",
            agent=flask.request.headers.get("User-Agent", "")[:200],
            device_id=session.device_id,
        )
    )


def live_sessions(session: Session, account_id: UUID, now: datetime) -> list[WebSession]:
    """Return the sessions that a person is signed in with, the latest first."""
    return list(
        session.scalars(
            select(WebSession)
            .where(WebSession.account_id == account_id, WebSession.expires_at > now, WebSession.seen_at > now - IDLE)
            .order_by(WebSession.created_at.desc())
        )
    )


def end_sessions(session: Session, account_id: UUID, *, but: str | None = None) -> int:
    """End all sessions of a person, but the one with id hash `but`; return how many."""
    query = delete(WebSession).where(WebSession.account_id == account_id)
    if but is not None:
        query = query.where(WebSession.id_hash != but)
    return len(session.scalars(query.returning(WebSession.id_hash)).all())


def end_session(session: Session, account_id: UUID, id_hash: str) -> bool:
    """End one session of a person; return whether there was one."""
    query = delete(WebSession).where(WebSession.account_id == account_id, WebSession.id_hash == id_hash)
    return session.scalar(query.returning(WebSession.id_hash)) is not None


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
