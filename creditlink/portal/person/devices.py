"""A browser that has signed in before carries a sealed note of it, which only gives it a counter of its own.

Source: OWASP Authentication Cheat Sheet, device cookies against lock-out by strangers.
"""

from __future__ import annotations

import hashlib
import secrets

import flask
from itsdangerous import BadData, URLSafeTimedSerializer

from creditlink.portal.person.sessions import PATH

_SALT = "portal-device"
_LIFE = 180 * 86400
COOKIE = "creditlink_device"


def known(login: str, *, secret: str) -> str | None:
    """Return the id of this browser if it has signed in with `login` before, else None."""
    try:
        device, account = _sealer(secret).loads(flask.request.cookies.get(COOKIE, ""), max_age=_LIFE)
    except (BadData, ValueError, TypeError):
        return None
    return str(device) if account == _of(login) else None


def remember(response: flask.Response, login: str, *, secret: str, secure: bool) -> None:
    """Give the browser its note, with a new id each time."""
    note = _sealer(secret).dumps([secrets.token_urlsafe(16), _of(login)])
    response.set_cookie(COOKIE, note, max_age=_LIFE, path=PATH, secure=secure, httponly=True, samesite="Lax")


def _of(login: str) -> str:
    return hashlib.sha256(login.strip().lower().encode()).hexdigest()


def _sealer(secret: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt=_SALT)
