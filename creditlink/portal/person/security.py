"""A person's own sign-in: one-time codes, and the browsers that are signed in."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import Conflict
from creditlink.portal.person import sessions, throttle
from creditlink.portal.site import blueprint, browser, page, see_other, settings, signed_in

_SECRET = "totp_new"  # noqa: S105 (a name in the server-side session)


@blueprint.get("/security")
@signed_in
def security(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show whether one-time codes are set up, and every browser that is signed in."""
    return _show(session, account, now)


@blueprint.post("/security/totp")
@signed_in
def set_up_codes(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Set up one-time codes: it takes the password and a code of the new secret. All other sessions end."""
    if account.totp_secret is not None:
        raise Conflict(gettext("One-time codes are already set up."))
    form, secret = flask.request.form, browser().get(_SECRET)
    keys = throttle.keys_for(account.login, flask.request.remote_addr or "")
    if throttle.admit(session, keys, now) is not None:
        return _show(session, account, now, error=gettext("Too many tries. Wait a while and try again."), status=429)
    if not accounts.password_matches(account, form.get("password", "")):
        return _show(session, account, now, error=gettext("The password is wrong."), status=422)
    step = accounts.code_step(secret, form.get("totp", ""), now) if secret else None
    if secret is None or step is None:
        return _show(session, account, now, error=gettext("The one-time code is wrong."), status=422)
    accounts.enroll_totp(account, secret, key=settings().secret_key)
    account.totp_last_step = step
    throttle.forgive(session, keys)
    browser().pop(_SECRET, None)
    browser().strengthen(now)
    sessions.end_sessions(session, account.id, but=browser().id_hash)
    return see_other(flask.url_for("portal.security"))


@blueprint.post("/security/end-others")
@signed_in
def end_others(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Sign out everywhere else, at once."""
    sessions.end_sessions(session, account.id, but=browser().id_hash)
    return see_other(flask.url_for("portal.security"))


def _show(
    session: Session, account: Account, now: datetime, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    secret = None
    if account.totp_secret is None:
        secret = browser().get(_SECRET)
        if secret is None:
            secret = browser()[_SECRET] = accounts.new_totp_secret()
    return page(
        "person/security.html",
        status=status,
        enrolled=account.totp_secret is not None,
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)) if secret else None,
        address=accounts.totp_uri(secret, account) if secret else None,
        live=sessions.live_sessions(session, account.id, now),
        here=browser().id_hash,
        error=error,
    )
