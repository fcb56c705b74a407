"""Security keys of staff: registered at the desk, and the second step of a sign-in with one instead of a code."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.portal.person.keypage import KeyPage
from creditlink.portal.person.keystep import KeyStep
from creditlink.portal.site import blueprint
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.staff import people
from creditlink.staff.tables import StaffMember

_PAGE = KeyPage(
    challenge="key_new", shows="portal.staff_keys", adds="portal.add_staff_key", ends="portal.end_staff_key",
    above="portal.desk",
)  # fmt: skip


@blueprint.get("/staff/keys")
@staff_signed_in
def staff_keys(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show one's security keys, and let a new one be registered."""
    return _PAGE.show(session, here.account, now)


@blueprint.post("/staff/keys")
@staff_signed_in
def add_staff_key(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Register a security key."""
    return _PAGE.add(session, here.account, now, partial(_note, session, here, now))


@blueprint.post("/staff/keys/<key_id>/end")
@staff_signed_in
def end_staff_key(session: Session, here: AtDesk, now: datetime, key_id: str) -> ResponseReturnValue:
    """End one of one's security keys."""
    return _PAGE.end(session, here.account, key_id, now, partial(_note, session, here, now))


def _note(session: Session, here: AtDesk, now: datetime, step: str, credential: str) -> None:
    people.note(session, step, here.actor, now, account=here.account.id, credential=credential)


def _is_active(session: Session, account_id: UUID) -> bool:
    person = session.get(StaffMember, account_id)
    return person is not None and person.status == "active"


STEP = KeyStep(
    pending="key_pending",
    asks="portal.second_step",
    takes="portal.second_step_submit",
    sign_in="portal.staff_sign_in",
    is_active=_is_active,
)
"""The second step at this door."""
STEP.join(blueprint, "/staff/second-step")
