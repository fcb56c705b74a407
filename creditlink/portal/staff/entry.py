"""How staff comes in: the sign-in form, and the page on which an invitation is taken up."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.portal.person import signin
from creditlink.portal.person.arriving.desk_invitations import InvitationDoor
from creditlink.portal.site import blueprint
from creditlink.portal.staff import keys
from creditlink.staff import people


@blueprint.get("/staff/sign-in")
def staff_sign_in() -> ResponseReturnValue:
    """Show the form for staff, who always need a code."""
    return signin.form(flask.url_for("portal.desk"), door="staff")


@blueprint.post("/staff/sign-in")
def staff_sign_in_submit() -> ResponseReturnValue:
    """Check login, password and code; where the code is left out and there is a security key, ask for that."""
    return signin.submit(flask.url_for("portal.desk"), door="staff", second=keys.STEP.begin)


@blueprint.get("/staff/invitation/<secret>")
def invitation(secret: str) -> ResponseReturnValue:
    """Show who is invited, and a new secret for their authenticator app."""
    return INVITATIONS.show(secret)


@blueprint.post("/staff/invitation/<secret>")
def take_up_invitation(secret: str) -> ResponseReturnValue:
    """Take up an invitation; then sign in."""
    return INVITATIONS.submit(secret)


def _invited(session: Session, secret: str, now: datetime) -> tuple[Account, str]:
    return people.invited(session, secret, now)[1], ""


INVITATIONS = InvitationDoor(
    pending="staff_totp",
    takes="portal.take_up_invitation",
    sign_in="portal.staff_sign_in",
    invited=_invited,
    take_up=people.take_up,
)
"""Invitations at this door."""
