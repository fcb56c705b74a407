"""Signing in and out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.identity import recovery
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.portal.person import devices, keys, throttle
from creditlink.portal.person.noting import note
from creditlink.portal.site import blueprint, browser, page, safe_next, see_other, settings


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Show the form."""
    return form(safe_next(flask.request.args.get("next")))


def form(target: str, *, door: str = "enterprise") -> ResponseReturnValue:
    """Show the form of a door, unless the browser is signed in; a door is for the accounts of one role.

    At the doors of staff and of institutions, somebody signed in as somebody else gets the form: behind it, they would
    be sent back to it for ever.
    """
    account_id = browser().account_id
    if account_id is not None:
        with db.transaction(viewer=db.Viewer(account_id=account_id)) as session:
            account = session.get(Account, account_id)
        if account is not None and door in ("enterprise", account.role):
            return see_other(target)
    return page("person/sign_in.html", target=target, login="", error=None, door=door)


@blueprint.post("/sign-in")
def sign_in_submit() -> ResponseReturnValue:
    """Check login, password and, where enrolled, the one-time code, a recovery code or a security key."""
    target = safe_next(flask.request.form.get("next") or flask.request.args.get("next"))
    return submit(target, second=keys.STEP.begin)


def submit(
    target: str,
    *,
    door: str = "enterprise",
    second: Callable[[Session, Account, str, datetime], ResponseReturnValue | None] | None = None,
) -> ResponseReturnValue:
    """Sign a person in who comes to the right door; at the doors of staff and of institutions nobody is without a code.

    One answer for every way to be wrong: it does not say which of the three was, nor which door is theirs. `second`
    leads on to another second factor where the code was left out and the person has one.
    """
    sent, now = flask.request.form, utc_now()
    login, password, code = sent.get("login", "")[:128], sent.get("password", ""), sent.get("totp", "")
    with db.transaction() as session:
        device = devices.current(session, login, secret=settings().secret_key)
        counters = throttle.keys_for(login, flask.request.remote_addr or "", device=str(device) if device else None)
        wait = throttle.admit(session, counters, now)
    if wait is not None:
        return _too_many(wait, target, login, door=door)
    with db.transaction() as session:
        account = accounts.by_login(session, login)
        known = accounts.password_matches(account, password)
        enrolled = known and account is not None and account.totp_secret is not None
        is_at_door = account is not None and account.role == door and (enrolled or door == "enterprise")
        if second is not None and account is not None and known and is_at_door and not code.strip():
            onward = second(session, account, target, now)
            if onward is not None:
                return onward
        if (
            account is None
            or not known
            or not is_at_door
            or (enrolled and not _code_is_right(session, account, code, now))
        ):
            error = gettext("Login, password or one-time code is wrong.")
            return page("person/sign_in.html", status=401, target=target, login=login, error=error, door=door)
        accounts.refresh_hash(account, password)
        throttle.forgive(session, counters)
        return devices.let_in(session, account, target, strong_at=now if enrolled else None, now=now)


def _code_is_right(session: Session, account: Account, code: str, now: datetime) -> bool:
    """Return whether a code is the phone's or one of the recovery codes, and use it up.

    Staff and people of institutions have no recovery codes: colleagues let them in again.
    """
    key = settings().secret_key
    if accounts.spend_totp(session, account, code, key=key, now=now):
        return True
    if not recovery.spend(session, account.id, code, key=key, now=now):
        return False
    note(session, account, "recovery_code", now)
    return True


def _too_many(wait: timedelta, target: str, login: str, *, door: str) -> ResponseReturnValue:
    minutes = max(1, -(-int(wait.total_seconds()) // 60))
    error = gettext("Too many tries. Wait %(minutes)d minutes and try again.", minutes=minutes)
    response = page("person/sign_in.html", status=429, target=target, login=login, error=error, door=door)
    assert isinstance(response, flask.Response)  # noqa: S101 (page returns one; for the type checker)
    return throttle.ask_to_wait(response, wait)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this session."""
    browser().end()
    return see_other(flask.url_for("portal.sign_in"))
