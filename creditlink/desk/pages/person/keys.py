"""Security keys of people of institutions: registered at the desk, and the second step of a sign-in with one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import flask
import structlog
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.desk.pages.confirm import lacking
from creditlink.desk.people import people
from creditlink.desk.site import LenderHere, at_desk, blueprint, show
from creditlink.desk.tables import DeskPerson
from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.portal.person import stepup
from creditlink.portal.person.keystep import KeyStep
from creditlink.portal.site import browser, see_other, settings
from creditlink.staff import authenticators
from creditlink.staff.authenticators import AuthenticatorRefused

log = structlog.get_logger()

_NEW = "lender_key_new"


@blueprint.get("/keys")
@at_desk()
def keys(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show one's security keys, and let a new one be registered."""
    return _show(here, now)


@blueprint.post("/keys")
@at_desk()
def add_key(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Register a security key; it takes a fresh code, as whoever adds one can sign in with it."""
    form, challenge = flask.request.form, str(browser().pop(_NEW, ""))
    missing = lacking(here, form, now)
    if missing is not None:
        return _show(here, now, error=missing.text, status=missing.status)
    try:
        with db.transaction(viewer=db.Viewer(account_id=here.account.id)) as session:
            made = authenticators.register(
                session, here.account.id, form.get("credential", ""), challenge=challenge,
                name=form.get("name", "") or gettext("Security key"), issuer=settings().issuer, now=now,
            )  # fmt: skip
            people.note_key(session, here.actor, "authenticator", made.thumbprint, now)
    except AuthenticatorRefused as refused:
        log.info("authenticator_refused", reason=str(refused))
        return _show(here, now, error=gettext("The security key was not accepted. Try again."), status=422)
    return see_other(flask.url_for("portal.bank.keys"))


@blueprint.post("/keys/<key_id>/end")
@at_desk()
def end_key(here: LenderHere, now: datetime, key_id: str) -> ResponseReturnValue:
    """End one of one's security keys; stopping takes no code."""
    with db.transaction(viewer=db.Viewer(account_id=here.account.id)) as session:
        known = ids.internal("key", key_id)
        found = next((one for one in authenticators.held(session, here.account.id) if one.id == known), None)
        if found is None:
            raise NotFound
        found.ended_at = now
        people.note_key(session, here.actor, "end_authenticator", found.thumbprint, now)
    return see_other(flask.url_for("portal.bank.keys"))


def _is_active(session: Session, account_id: UUID) -> bool:
    person = session.get(DeskPerson, account_id)
    return person is not None and person.status == "active"


STEP = KeyStep(
    pending="lender_key_pending",
    asks="portal.bank.second_step",
    takes="portal.bank.second_step_submit",
    sign_in="portal.bank.sign_in",
    home="portal.bank.home",
    is_active=_is_active,
)
"""The second step at this door."""


@blueprint.get("/second-step")
def second_step() -> ResponseReturnValue:
    """Ask for the security key."""
    return STEP.ask()


@blueprint.post("/second-step")
def second_step_submit() -> ResponseReturnValue:
    """Sign in with the answer of the security key."""
    return STEP.take()


def _show(here: LenderHere, now: datetime, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    with db.transaction(viewer=db.Viewer(account_id=here.account.id)) as session:
        account = session.get_one(Account, here.account.id)
        asked = authenticators.ask_to_register(session, account, issuer=settings().issuer)
        held = [
            (ids.external("key", one.id), one.name, one.created_at) for one in authenticators.held(session, account.id)
        ]
    browser()[_NEW] = asked.challenge
    flask.g.has_script = True
    return show(
        "person/keys.html", status=status, options=asked.options, keys=held,
        ask_code=stepup.needs_code(here.account, now), error=error,
    )  # fmt: skip
