"""Passwords: changed by whoever knows the old one, or set anew by a link to an address that is known to be theirs.

A new password ends every session, and touches no second factor: whoever has the mailbox alone comes no further.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.identity import links
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.keyring import Secret
from creditlink.kit.postgres import db
from creditlink.messages import service as messages
from creditlink.portal.person import devices, sessions, stepup, throttle
from creditlink.portal.person.arriving import proving
from creditlink.portal.person.noting import note
from creditlink.portal.site import blueprint, browser, page, see_other, settings, signed_in

PER_ACCOUNT = 3
"""So many links for one account in a quarter of an hour, whoever asks: nobody's mailbox is filled."""
PER_ADDRESS = 20


@blueprint.get("/security/password")
@signed_in
def password(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the form for a new password."""
    return _show_change(account, now)


@blueprint.post("/security/password")
@signed_in
def change_password(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Set a new password: it takes the old one and, where enrolled, a code. All other sessions end."""
    form = flask.request.form
    account = links.locked(session, account.id)
    counters = throttle.keys_for(account.login, flask.request.remote_addr or "")
    if throttle.admit(session, counters, now) is not None:
        return _show_change(account, now, error=gettext("Too many tries. Wait a while and try again."), status=429)
    if not accounts.password_matches(account, form.get("old", "")):
        return _show_change(account, now, error=gettext("The password is wrong."), status=422)
    throttle.forgive(session, counters)
    if account.totp_secret is not None:
        lacking = stepup.missing(session, account, form, now)
        if lacking is not None:
            return _show_change(account, now, error=lacking.text, status=lacking.status)
    wrong = _set(session, account, form.get("new", ""), form.get("again", ""), now)
    if wrong is not None:
        return _show_change(account, now, error=wrong, status=422)
    sessions.end_sessions(session, account.id, but=browser().id_hash)
    note(session, account, "password", now)
    return see_other(flask.url_for("portal.security", done="password"))


@blueprint.get("/forgotten")
def forgotten() -> ResponseReturnValue:
    """Show the ways back to a sign-in."""
    return page("person/forgotten.html", sent=False, providers=proving.offered())


@blueprint.post("/forgotten")
def send_reset() -> ResponseReturnValue:
    """Send a link to the account's verified address. The answer is one, whether there is an account or not.

    Nothing is looked up before the answer is sent: how long it takes says nothing either.
    """
    login, now = flask.request.form.get("login", "")[:128], utc_now()
    with db.transaction() as session:
        wait = throttle.count(session, [(f"forgotten:{flask.request.remote_addr}", PER_ADDRESS)], now)
    response = flask.make_response(page("person/forgotten.html", sent=True, providers=proving.offered()))
    if wait is None:
        address = settings().issuer + flask.url_for("portal.reset", secret="SECRET")  # noqa: S106 (a place for it)
        response.call_on_close(partial(_send, login, address, settings().secret_key, now))
    return response


def _send(login: str, address: str, key: Secret, now: datetime) -> None:
    """Send the link, if there is somebody to send it to; `address` has SECRET where the link's secret belongs."""
    with db.transaction() as session:
        if throttle.count(session, [(f"reset:{throttle.hashed(login)}", PER_ACCOUNT)], now) is not None:
            return
        account = accounts.by_login(session, login)
        if account is None or account.role != "enterprise" or account.status != "active":
            return
        db.enter(session, db.Viewer(account_id=account.id))
        email = messages.channels_of(session, account.id).get("email")
        if email is None:
            return
        secret, expires_at = links.make(session, account, "reset", now)
        messages.send_letter(
            session, "reset", channel="email", address=email.address, language=email.language,
            link=address.replace("SECRET", secret), expires_at=expires_at, key=key, now=now, account_id=account.id,
        )  # fmt: skip


@blueprint.get("/reset/<secret>")
def reset(secret: str) -> ResponseReturnValue:
    """Show the form for a new password; looking at it uses nothing up, as mail scanners look."""
    with db.transaction() as session:
        links.opened(session, secret, "reset", utc_now())
    return _show_reset(secret)


@blueprint.post("/reset/<secret>")
def reset_submit(secret: str) -> ResponseReturnValue:
    """Set a new password by a link, once; every session ends, and the second factor stays what it was."""
    form, now = flask.request.form, utc_now()
    try:
        with db.transaction() as session:
            _, account = links.spend(session, secret, "reset", now)
            wrong = _set(session, account, form.get("new", ""), form.get("again", ""), now)
            if wrong is not None:
                raise InvalidRequest(wrong)  # the link is not used up
            sessions.end_sessions(session, account.id)
            devices.end_others(session, account.id, now)
            note(session, account, "password_reset", now)
    except InvalidRequest as refused:
        return _show_reset(secret, error=str(refused.detail), status=422)
    browser().end()
    return see_other(flask.url_for("portal.sign_in"))


def _set(session: Session, account: Account, new: str, again: str, now: datetime) -> str | None:
    """Set a password, and end the links that would set another; return what is wrong with it."""
    if new != again:
        return str(gettext("The two passwords differ."))
    if new.strip().lower() == account.login:
        return str(gettext("The password must not be the login."))
    try:
        account.password_hash = accounts.checked_hash(new)
    except InvalidRequest:
        least = accounts.SHORTEST_PASSWORD
        return str(gettext("The password must have at least %(least)d characters.", least=least))
    session.flush()
    links.end(session, account.id, "reset", now)
    return None


def _show_change(
    account: Account, now: datetime, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    ask_code = account.totp_secret is not None and stepup.needs_code(account, now)
    return page("person/password.html", status=status, error=error, ask_code=ask_code, takes=None)


def _show_reset(secret: str, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    takes = flask.url_for("portal.reset_submit", secret=secret)
    return page("person/password.html", status=status, error=error, ask_code=False, takes=takes)
