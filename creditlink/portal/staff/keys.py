"""Security keys of staff: registered at the desk, and the second step of a sign-in with one instead of a code."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import flask
import structlog
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.portal.person import stepup
from creditlink.portal.person.keystep import KeyStep
from creditlink.portal.site import blueprint, browser, page, see_other, settings
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.staff import people
from creditlink.staff.authenticators import AuthenticatorRefused, ask_to_register, held, register
from creditlink.staff.tables import StaffMember

log = structlog.get_logger()

_NEW = "key_new"


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


def _is_active(session: Session, account_id: UUID) -> bool:
    person = session.get(StaffMember, account_id)
    return person is not None and person.status == "active"


STEP = KeyStep(
    pending="key_pending",
    asks="portal.second_step",
    takes="portal.second_step_submit",
    sign_in="portal.staff_sign_in",
    home="portal.desk",
    is_active=_is_active,
)
"""The second step at this door."""


@blueprint.get("/staff/second-step")
def second_step() -> ResponseReturnValue:
    """Ask for the security key."""
    return STEP.ask()


@blueprint.post("/staff/second-step")
def second_step_submit() -> ResponseReturnValue:
    """Sign in with the answer of the security key."""
    return STEP.take()


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
