"""Security keys of people of institutions: registered at the desk, and the second step of a sign-in with one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.desk.people import people
from creditlink.desk.site import LenderHere, at_desk, blueprint
from creditlink.desk.tables import DeskPerson
from creditlink.enterprises.tables import Account
from creditlink.kit.postgres import db
from creditlink.portal.person.keypage import KeyPage
from creditlink.portal.person.keystep import KeyStep

_PAGE = KeyPage(
    challenge="lender_key_new", shows="portal.bank.keys", adds="portal.bank.add_key", ends="portal.bank.end_key"
)


@blueprint.get("/keys")
@at_desk()
def keys(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show one's security keys, and let a new one be registered."""
    with _own(here) as session:
        return _PAGE.show(session, session.get_one(Account, here.account.id), now)


@blueprint.post("/keys")
@at_desk()
def add_key(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Register a security key."""
    with _own(here) as session:
        account = session.get_one(Account, here.account.id)
        return _PAGE.add(session, account, now, partial(_note, session, here, now))


@blueprint.post("/keys/<key_id>/end")
@at_desk()
def end_key(here: LenderHere, now: datetime, key_id: str) -> ResponseReturnValue:
    """End one of one's security keys."""
    with _own(here) as session:
        account = session.get_one(Account, here.account.id)
        return _PAGE.end(session, account, key_id, now, partial(_note, session, here, now))


def _own(here: LenderHere) -> AbstractContextManager[Session]:
    return db.transaction(viewer=db.Viewer(account_id=here.account.id))


def _note(session: Session, here: LenderHere, now: datetime, step: str, credential: str) -> None:
    people.note_key(session, here.actor, step, credential, now)


def _is_active(session: Session, account_id: UUID) -> bool:
    person = session.get(DeskPerson, account_id)
    return person is not None and person.status == "active"


STEP = KeyStep(
    pending="lender_key_pending",
    asks="portal.bank.second_step",
    takes="portal.bank.second_step_submit",
    sign_in="portal.bank.sign_in",
    is_active=_is_active,
)
"""The second step at this door."""
STEP.join(blueprint, "/second-step")
