"""How people of institutions come in and go: sign-in with a second factor, taking up an invitation, signing out."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.desk.pages.person import keys
from creditlink.desk.people import people
from creditlink.desk.site import LenderHere, at_desk, blueprint, navigation
from creditlink.enterprises.tables import Account
from creditlink.portal.person import signin
from creditlink.portal.person.arriving.desk_invitations import InvitationDoor
from creditlink.portal.site import browser, lang, see_other


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Show the form for people of institutions, who always need a second factor."""
    return signin.form(flask.url_for("portal.bank.home"), door=people.KIND)


@blueprint.post("/sign-in")
def sign_in_submit() -> ResponseReturnValue:
    """Check login, password and code; where the code is left out and there is a security key, ask for that."""
    return signin.submit(flask.url_for("portal.bank.home"), door=people.KIND, second=keys.STEP.begin)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this session."""
    browser().end()
    return see_other(flask.url_for("portal.bank.sign_in"))


@blueprint.get("/")
@at_desk()
def home(here: LenderHere, now: object) -> ResponseReturnValue:
    """Lead to the first page of one's roles."""
    del now
    return see_other(flask.url_for(navigation(here.actor)[0][0]))


@blueprint.get("/invitation/<secret>")
def invitation(secret: str) -> ResponseReturnValue:
    """Show who is invited, and a new secret for their authenticator app."""
    return INVITATIONS.show(secret)


@blueprint.post("/invitation/<secret>")
def take_up_invitation(secret: str) -> ResponseReturnValue:
    """Take up an invitation; then sign in."""
    return INVITATIONS.submit(secret)


def _invited(session: Session, secret: str, now: datetime) -> tuple[Account, str]:
    _, account, institution = people.invited(session, secret, now)
    return account, institution.name_zh if lang() == "zh" else institution.name_en


INVITATIONS = InvitationDoor(
    pending="lender_totp",
    takes="portal.bank.take_up_invitation",
    sign_in="portal.bank.sign_in",
    invited=_invited,
    take_up=people.take_up,
)
"""Invitations at this door."""
