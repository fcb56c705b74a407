"""Lets a view run for a member of staff who is signed in with a code; a change of their standing ends the session."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Concatenate, ParamSpec

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.portal.site import browser, see_other
from creditlink.staff.actor import StaffActor
from creditlink.staff.tables import StaffMember

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class AtDesk:
    """Who is signed in, as an account and as somebody who acts."""

    account: Account
    actor: StaffActor


def staff_signed_in(
    view: Callable[Concatenate[Session, AtDesk, datetime, Arguments], ResponseReturnValue],
) -> Callable[Arguments, ResponseReturnValue]:
    """Let a view run for an active member of staff, with a transaction of theirs, who they are, and the time."""

    @functools.wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
        account_id, now = browser().account_id, utc_now()
        if account_id is not None:
            with db.transaction(viewer=db.Viewer(account_id=account_id)) as session:
                account = session.get(Account, account_id)
                found = _at_desk(account, session.get(StaffMember, account_id))
                if found is not None:
                    flask.g.person, flask.g.staff_roles = found.account.display_name, found.actor.roles
                    return view(session, found, now, *args, **kwargs)
            if account is None or account.role == "staff":  # a link to the desk signs no firm's person out
                browser().end()
        return see_other(flask.url_for("portal.staff_sign_in"))

    return guarded


def _at_desk(account: Account | None, member: StaffMember | None) -> AtDesk | None:
    if account is None or member is None or account.status != "active" or member.status != "active":
        return None
    began, strong_at = browser().created_at, browser().strong_at
    # A session from before roles changed, or from before a recovery, is nobody's.
    if strong_at is None or (began is not None and began < member.changed_at):
        return None
    actor = StaffActor(account.id, account.login, account.display_name, frozenset(member.roles), "session")
    return AtDesk(account, actor)
