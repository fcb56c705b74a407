"""A developer's way in: signing up, signing in, signing out."""

from __future__ import annotations

from datetime import datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.postgres import db
from creditlink.portal.developers import joining
from creditlink.portal.developers.pages.site import AtBench, blueprint, developer_signed_in
from creditlink.portal.person import throttle
from creditlink.portal.site import browser, page, see_other

JOINS_PER_ADDRESS = 5
JOINS_IN_ALL = 100
"""Sign-ups in a throttle's window, from one address and from all of them together."""

_LONGEST_LOGIN = 128


@blueprint.get("/join")
def join() -> ResponseReturnValue:
    """Show the form that makes a developer's account."""
    return _form("join")


@blueprint.post("/join")
def join_submit() -> ResponseReturnValue:
    """Make the account with its institution and its client, and sign in."""
    sent, now = flask.request.form, utc_now()
    given, password = sent.get("login", ""), sent.get("password", "")
    login = joining.login_of(given)
    if login is None:
        return _form("join", login=given, error=gettext("The login must have the form of an e-mail address."))
    with db.transaction() as session:
        limits = [(f"join:{flask.request.remote_addr or ''}", JOINS_PER_ADDRESS), ("join", JOINS_IN_ALL)]
        wait = throttle.count(session, limits, now)
    if wait is not None:
        return _too_many("join", login, wait)
    try:
        with db.transaction() as session:
            outcome, account_id = joining.join(session, login=login, password=password, now=now)
    except InvalidRequest:
        return _form("join", login=login, error=gettext("The password must have 12 to 256 characters."))
    if outcome == "taken":
        return _form("join", login=login, error=gettext("This login is taken. Choose another."))
    if outcome == "full":
        text = gettext("This sandbox has as many developers as it can have. Try again in a few days.")
        return _form("join", login=login, error=text, status=503)
    browser().sign_in(account_id, strong_at=None)
    return see_other(flask.url_for("developers.bench"))


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Show the form."""
    return _form("sign_in")


@blueprint.post("/sign-in")
def sign_in_submit() -> ResponseReturnValue:
    """Check login and password; one answer for every way to be wrong."""
    sent, now = flask.request.form, utc_now()
    login, password = sent.get("login", "")[:_LONGEST_LOGIN], sent.get("password", "")
    keys = throttle.keys_for(login, flask.request.remote_addr or "")
    with db.transaction() as session:
        wait = throttle.admit(session, keys, now)
    if wait is not None:
        return _too_many("sign_in", login, wait)
    with db.transaction() as session:
        account = accounts.by_login(session, login)
        if not accounts.password_matches(account, password) or account is None or account.role != "developer":
            return _form("sign_in", login=login, error=gettext("Login or password is wrong."), status=401)
        accounts.refresh_hash(account, password)
        throttle.forgive(session, keys)
        browser().sign_in(account.id, strong_at=None)
    return see_other(flask.url_for("developers.bench"))


@blueprint.post("/sign-out")
@developer_signed_in
def sign_out(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """End this session; that of a firm's person or of staff is not theirs to end here."""
    browser().end()
    return see_other(flask.url_for("developers.sign_in"))


def _form(which: str, *, login: str = "", error: str | None = None, status: int | None = None) -> ResponseReturnValue:
    if browser().account_id is not None:
        return see_other(flask.url_for("developers.bench"))
    return page(
        f"developers/{which}.html",
        status=status or (422 if error else 200),
        login=login[:_LONGEST_LOGIN],
        error=error,
        shortest=accounts.SHORTEST_PASSWORD,
    )


def _too_many(which: str, login: str, wait: timedelta) -> ResponseReturnValue:
    minutes = max(1, -(-int(wait.total_seconds()) // 60))
    error = gettext("Too many tries. Wait %(minutes)d minutes and try again.", minutes=minutes)
    response = flask.make_response(_form(which, login=login, error=error, status=429))
    return throttle.ask_to_wait(response, wait)
