"""Colleagues: who works at the institution's desk, in which roles; an administrator invites and suspends."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import IntegrityError

from creditlink.desk.pages.confirm import lacking
from creditlink.desk.people import people as registry
from creditlink.desk.people.roles import MOVES, ROLES
from creditlink.desk.site import LenderHere, at_desk, blueprint, show
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.postgres import db
from creditlink.portal.person import stepup
from creditlink.portal.site import lang, see_other, settings


@blueprint.get("/people")
@at_desk("desk_admin")
def people(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show everybody of the institution."""
    return _show(here, now)


@blueprint.post("/people")
@at_desk("desk_admin")
def invite(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Invite a colleague; the address is shown once."""
    form = flask.request.form
    missing = lacking(here, form, now)
    if missing is not None:
        return _show(here, now, error=missing.text, status=missing.status)
    try:
        with db.transaction(viewer=_viewer(here)) as session:
            secret = registry.invite(
                session, here.actor, login=form.get("login", ""), display_name=form.get("name", ""),
                roles=form.getlist("role"), now=now,
            )  # fmt: skip
    except (InvalidRequest, Conflict) as refused:
        return _show(here, now, error=str(refused), status=422)
    except IntegrityError:
        return _show(here, now, error=gettext("The login is taken."), status=422)
    address = settings().issuer + flask.url_for("portal.bank.invitation", secret=secret)
    return _show(here, now, invitation=address)


@blueprint.post("/people/<login>")
@at_desk("desk_admin")
def change_person(here: LenderHere, now: datetime, login: str) -> ResponseReturnValue:
    """Suspend, resume or end a colleague's access, or give other roles; what only stops takes no code."""
    form = flask.request.form
    to = form.get("to") or None
    if to not in ("suspended", "ended"):
        missing = lacking(here, form, now)
        if missing is not None:
            return _show(here, now, error=missing.text, status=missing.status)
    try:
        with db.transaction(viewer=_viewer(here)) as session:
            roles = None if to else form.getlist("role")
            registry.change(session, here.actor, login, to=to, roles=roles, now=now)
    except (InvalidRequest, Conflict) as refused:
        return _show(here, now, error=str(refused), status=409)
    return see_other(flask.url_for("portal.bank.people"))


def _viewer(here: LenderHere) -> db.Viewer:
    return db.Viewer(account_id=here.account.id, institution_id=here.actor.institution_id)


def _show(
    here: LenderHere, now: datetime, *, error: str | None = None, invitation: str | None = None, status: int = 200
) -> ResponseReturnValue:
    with db.transaction(viewer=_viewer(here)) as session:
        rows = registry.colleagues(session, here.actor.institution_id)
    return show(
        "person/people.html", status=status, institution=here.institution_name, people=rows, me=here.account.id,
        moves=MOVES, roles={name: labels[0 if lang() == "zh" else 1] for name, labels in ROLES.items()},
        ask_code=stepup.needs_code(here.account, now), error=error, invitation=invitation,
    )  # fmt: skip
