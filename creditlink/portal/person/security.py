"""A person's own sign-in: one-time codes, recovery codes, and the browsers that are signed in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.identity import links, recovery
from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.files import qr
from creditlink.messages.service import channels_of
from creditlink.portal.person import devices, sessions, stepup, throttle
from creditlink.portal.person.noting import note
from creditlink.portal.site import blueprint, browser, page, see_other, settings, signed_in
from creditlink.portal.tables import WebSession
from creditlink.staff.authenticators import held

_SECRET = "totp_new"  # noqa: S105 (a name in the server-side session)


@blueprint.get("/security")
@signed_in
def security(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show how the person comes in, and every browser that they came in with."""
    return _show(session, account, now)


@blueprint.post("/security/totp")
@signed_in
def set_up_codes(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Set up one-time codes: it takes the password and a code of the new secret. All other sessions end."""
    account = links.locked(session, account.id)
    if account.totp_secret is not None:
        raise Conflict(gettext("One-time codes are already set up."))
    return _take_secret(session, account, now, "codes")


@blueprint.post("/security/totp/replace")
@signed_in
def replace_codes(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Move to another phone: it takes the password, a code of the old phone or a recovery code, and one of the new."""
    account = links.locked(session, account.id)
    if account.totp_secret is None:
        raise Conflict(gettext("One-time codes are not set up yet."))
    return _take_secret(session, account, now, "codes_replaced")


def _take_secret(session: Session, account: Account, now: datetime, step: str) -> ResponseReturnValue:
    form, secret, key = flask.request.form, browser().get(_SECRET), settings().secret_key
    counters = throttle.keys_for(account.login, flask.request.remote_addr or "")
    if throttle.admit(session, counters, now) is not None:
        return _show(session, account, now, error=gettext("Too many tries. Wait a while and try again."), status=429)
    if not accounts.password_matches(account, form.get("password", "")):
        return _show(session, account, now, error=gettext("The password is wrong."), status=422)
    found = accounts.code_step(secret, form.get("totp", ""), now) if secret else None
    if secret is None or found is None:
        return _show(session, account, now, error=gettext("The one-time code is wrong."), status=422)
    if account.totp_secret is not None:
        old = form.get("old", "")
        if not accounts.spend_totp(session, account, old, key=key, now=now) and not recovery.spend(
            session, account.id, old, key=key, now=now
        ):
            error = gettext("The code of the old phone, or the recovery code, is wrong or was used.")
            return _show(session, account, now, error=error, status=422)
    accounts.enroll_totp(account, secret, key=key)
    account.totp_last_step = found
    throttle.forgive(session, counters)
    browser().pop(_SECRET, None)
    browser().strengthen(now)
    sessions.end_sessions(session, account.id, but=browser().id_hash)
    note(session, account, step, now)
    return see_other(flask.url_for("portal.security"))


@blueprint.post("/security/recovery-codes")
@signed_in
def renew_recovery_codes(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Make new recovery codes, and show them this once; earlier ones are worth nothing any more."""
    if account.totp_secret is None:
        error = gettext("Set up one-time codes first: recovery codes stand in for them.")
        return _show(session, account, now, error=error, status=422)
    lacking = stepup.missing(session, account, flask.request.form, now)
    if lacking is not None:
        return _show(session, account, now, error=lacking.text, status=lacking.status)
    codes = recovery.renew(session, account.id, key=settings().secret_key, now=now)
    note(session, account, "recovery_codes", now)
    return page("person/recovery_codes.html", codes=codes)


@blueprint.post("/security/end-others")
@signed_in
def end_others(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Sign out everywhere else, at once; the other browsers are strangers from now on."""
    sessions.end_sessions(session, account.id, but=browser().id_hash)
    devices.end_others(session, account.id, now, but=browser().device_id)
    return see_other(flask.url_for("portal.security"))


@blueprint.post("/security/devices/<device_id>/end")
@signed_in
def end_device(session: Session, account: Account, now: datetime, device_id: str) -> ResponseReturnValue:
    """Sign out of one device, and take it for a stranger from now on."""
    if not devices.end(session, account.id, ids.internal("dvc", device_id), now):
        raise NotFound
    return see_other(flask.url_for("portal.security"))


@blueprint.post("/security/sessions/<session_hash>/end")
@signed_in
def close_session(session: Session, account: Account, now: datetime, session_hash: str) -> ResponseReturnValue:
    """Sign out of one session."""
    if not sessions.end_session(session, account.id, session_hash):
        raise NotFound
    return see_other(flask.url_for("portal.security"))


def _show(
    session: Session, account: Account, now: datetime, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    secret = browser().get(_SECRET)
    if secret is None:
        secret = browser()[_SECRET] = accounts.new_totp_secret()
    address = accounts.totp_uri(secret, account)
    live: dict[UUID | None, list[WebSession]] = {}
    for one in sessions.live_sessions(session, account.id, now):
        live.setdefault(one.device_id, []).append(one)
    known = devices.of_person(session, account.id)
    return page(
        "person/security.html",
        status=status,
        enrolled=account.totp_secret is not None,
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        address=address,
        picture=qr.picture_of(address),
        codes_left=recovery.left(session, account.id),
        ask_code=stepup.needs_code(account, now),
        keys=len(held(session, account.id)),
        channels=channels_of(session, account.id),
        devices=[(ids.external("dvc", one.id), one, live.pop(one.id, [])) for one in known],
        rest=[one for several in live.values() for one in several],
        here=browser().id_hash,
        this_device=browser().device_id,
        error=error,
    )
