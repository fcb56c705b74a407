"""Security keys of staff: registered at the desk, and the second step of a sign-in with one instead of a code."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import flask
import structlog
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.portal.person import stepup, throttle
from creditlink.portal.site import blueprint, browser, page, see_other, settings
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.staff import people
from creditlink.staff.authenticators import (
    CHALLENGE_LIFE,
    AuthenticatorRefused,
    ask_to_register,
    ask_to_sign_in,
    held,
    register,
    verify,
)
from creditlink.staff.tables import StaffMember

log = structlog.get_logger()

_NEW, _PENDING = "key_new", "key_pending"


@blueprint.get("/staff/keys")
@staff_signed_in
def staff_keys(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show one's security keys, and let a new one be registered."""
    return _show(session, here, now)


@blueprint.post("/staff/keys")
@staff_signed_in
def add_staff_key(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Register a security key; it takes a fresh code, as whoever adds one can sign in with it."""
    form, challenge = flask.request.form, str(browser().pop(_NEW, ""))
    lacking = stepup.missing(session, here.account, form, now)
    if lacking is not None:
        return _show(session, here, now, error=lacking.text, status=lacking.status)
    try:
        made = register(
            session, here.account.id, form.get("credential", ""), challenge=challenge,
            name=form.get("name", "") or gettext("Security key"), issuer=settings().issuer, now=now,
        )  # fmt: skip
    except AuthenticatorRefused as refused:
        log.info("authenticator_refused", reason=str(refused))
        return _show(session, here, now, error=gettext("The security key was not accepted. Try again."), status=422)
    people.note(session, "authenticator", here.actor, now, account=here.account.id, credential=made.thumbprint)
    return see_other(flask.url_for("portal.staff_keys"))


@blueprint.post("/staff/keys/<key_id>/end")
@staff_signed_in
def end_staff_key(session: Session, here: AtDesk, now: datetime, key_id: str) -> ResponseReturnValue:
    """End one of one's security keys; stopping takes no code."""
    found = next((one for one in held(session, here.account.id) if one.id == ids.internal("key", key_id)), None)
    if found is None:
        raise NotFound
    found.ended_at = now
    people.note(session, "end_authenticator", here.actor, now, account=here.account.id, credential=found.thumbprint)
    return see_other(flask.url_for("portal.staff_keys"))


def begin(session: Session, account: Account, now: datetime) -> ResponseReturnValue | None:
    """Return the way to the second step for a person whose password is right; None: they have no security key."""
    asked = ask_to_sign_in(session, account.id, issuer=settings().issuer)
    if asked is None:
        return None
    browser()[_PENDING] = [str(account.id), asked.challenge, asked.options, int(now.timestamp())]
    return see_other(flask.url_for("portal.second_step"))


@blueprint.get("/staff/second-step")
def second_step() -> ResponseReturnValue:
    """Ask for the security key."""
    pending = browser().get(_PENDING)
    if not pending:
        return see_other(flask.url_for("portal.staff_sign_in"))
    flask.g.has_script = True
    return page("staff/second_step.html", options=pending[2], error=None)


@blueprint.post("/staff/second-step")
def second_step_submit() -> ResponseReturnValue:
    """Sign in with the answer of the security key; each challenge is good for one try."""
    pending, now = browser().pop(_PENDING, None), utc_now()
    if not pending or now.timestamp() - pending[3] > CHALLENGE_LIFE / timedelta(seconds=1):
        return see_other(flask.url_for("portal.staff_sign_in"))
    account_id, credential = UUID(pending[0]), flask.request.form.get("credential", "")
    keys = throttle.keys_for(f"key:{account_id}", flask.request.remote_addr or "")
    with db.transaction() as session:
        wait = throttle.admit(session, keys, now)
    try:
        with db.transaction() as session:
            account, member = session.get_one(Account, account_id), session.get(StaffMember, account_id)
            if wait is not None or account.status != "active" or member is None or member.status != "active":
                raise AuthenticatorRefused("too many tries, or no active member of staff")
            verify(session, account_id, credential, challenge=pending[1], issuer=settings().issuer, now=now)
            throttle.forgive(session, keys)
            throttle.forgive(session, throttle.keys_for(account.login, flask.request.remote_addr or ""))
    except AuthenticatorRefused as refused:
        log.info("authenticator_refused", reason=str(refused))
        return see_other(flask.url_for("portal.staff_sign_in"))
    browser().sign_in(account_id, strong_at=now)
    return see_other(flask.url_for("portal.desk"))


def _show(
    session: Session, here: AtDesk, now: datetime, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    asked = ask_to_register(session, here.account, issuer=settings().issuer)
    browser()[_NEW] = asked.challenge
    flask.g.has_script = True
    return page(
        "staff/keys.html",
        status=status,
        options=asked.options,
        keys=[(ids.external("key", one.id), one.name, one.created_at) for one in held(session, here.account.id)],
        ask_code=stepup.needs_code(here.account, now),
        error=error,
    )
