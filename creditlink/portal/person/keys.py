"""Security keys of firms' people: registered under Security, and the second step of a sign-in with one."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.portal.person.keypage import KeyPage
from creditlink.portal.person.keystep import KeyStep
from creditlink.portal.person.noting import note
from creditlink.portal.site import blueprint, signed_in

_PAGE = KeyPage(
    challenge="own_key_new", shows="portal.own_keys", adds="portal.add_own_key", ends="portal.end_own_key",
    above="portal.security",
)  # fmt: skip


@blueprint.get("/security/keys")
@signed_in
def own_keys(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show one's security keys, and let a new one be registered."""
    return _PAGE.show(session, account, now)


@blueprint.post("/security/keys")
@signed_in
def add_own_key(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Register a security key."""
    return _PAGE.add(session, account, now, partial(_note, session, account, now))


@blueprint.post("/security/keys/<key_id>/end")
@signed_in
def end_own_key(session: Session, account: Account, now: datetime, key_id: str) -> ResponseReturnValue:
    """End one of one's security keys."""
    return _PAGE.end(session, account, key_id, now, partial(_note, session, account, now))


def _note(session: Session, account: Account, now: datetime, step: str, credential: str) -> None:
    note(session, account, step, now, credential=credential)


def _is_active(session: Session, account_id: UUID) -> bool:
    return session.get_one(Account, account_id).role == "enterprise"


STEP = KeyStep(
    pending="own_key_pending",
    asks="portal.own_second_step",
    takes="portal.own_second_step_submit",
    sign_in="portal.sign_in",
    is_active=_is_active,
)
"""The second step at this door."""
STEP.join(blueprint, "/second-step")
