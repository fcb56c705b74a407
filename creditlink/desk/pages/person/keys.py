"""Security keys of people of institutions: registered at the desk, and the second step of a sign-in with one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.desk.people import people
from creditlink.desk.site import LenderHere, at_desk, blueprint
from creditlink.desk.tables import DeskPerson
from creditlink.kit.postgres import db
from creditlink.portal.person.keystep import KeyStep
from creditlink.portal.person.ownkeys import Note, OwnKeys

KEYS = OwnKeys(
    pending="lender_key_new",
    shows="portal.bank.keys",
    adds="portal.bank.add_key",
    ends="portal.bank.end_key",
)


@blueprint.get("/keys")
@at_desk()
def keys(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show one's security keys, and let a new one be registered."""
    with db.transaction(viewer=db.Viewer(account_id=here.account.id)) as session:
        return KEYS.show(session, here.account.id, now)


@blueprint.post("/keys")
@at_desk()
def add_key(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Register a security key."""
    with db.transaction(viewer=db.Viewer(account_id=here.account.id)) as session:
        return KEYS.add(session, here.account.id, now, _note(here))


@blueprint.post("/keys/<key_id>/end")
@at_desk()
def end_key(here: LenderHere, now: datetime, key_id: str) -> ResponseReturnValue:
    """End one of one's security keys."""
    with db.transaction(viewer=db.Viewer(account_id=here.account.id)) as session:
        return KEYS.end(session, here.account.id, now, key_id, _note(here))


def _note(here: LenderHere) -> Note:
    def note(session: Session, step: str, thumbprint: str, now: datetime) -> None:
        people.note_key(session, here.actor, step, thumbprint, now)

    return note


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
