"""Accounts at the operator's desk, of firms' people and of staff: sessions ended, another standing proposed."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account, Representation
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.portal.person import sessions, stepup
from creditlink.portal.site import blueprint, lang, page, see_other
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, operating
from creditlink.portal.tables import WebSession
from creditlink.staff.acts import propose_standing
from creditlink.staff.roles import MOVES, ROLES
from creditlink.staff.tables import StaffMember

_LONGEST_REASON = 500


@blueprint.get("/staff/operator/accounts")
@operating
def operator_people(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show accounts by login; that they were looked at is evidence."""
    return _show(session, here, now)


@blueprint.post("/staff/operator/accounts/<login>/sign-out")
@operating
def end_person_sessions(session: Session, here: AtDesk, now: datetime, login: str) -> ResponseReturnValue:
    """End every session of a person, such as one whose device was lost; stopping takes no code."""
    account = _account(session, login)
    ended = sessions.end_sessions(session, account.id)
    audit.record(
        session, action="account.end_sessions", result="done", actor=here.actor.name, now=now,
        detail={"account": str(account.id), "role": account.role, "sessions": ended},
    )  # fmt: skip
    return see_other(flask.url_for("portal.operator_people", kind=account.role, q=account.login))


@blueprint.post("/staff/operator/accounts/<login>/standing")
@operating
def propose_person_standing(session: Session, here: AtDesk, now: datetime, login: str) -> ResponseReturnValue:
    """Propose another standing of a member of staff; a second operator approves it on the command line."""
    form = flask.request.form
    _account(session, login)
    lacking = stepup.missing(session, here.account, form, now)
    if lacking is not None:
        return _show(session, here, now, error=lacking.text, status=lacking.status)
    try:
        reason = form.get("reason", "")[:_LONGEST_REASON]
        propose_standing(session, login, form.get("to", ""), by=here.actor, reason=reason, now=now)
    except InvalidRequest:
        error = gettext("Choose what the person's status allows, and say why.")
        return _show(session, here, now, error=error, status=422)
    except Conflict:
        return _show(session, here, now, error=gettext("The same proposal waits already."), status=409)
    return see_other(flask.url_for("portal.desk"))


def _account(session: Session, login: str) -> Account:
    account = accounts.by_login(session, login)
    if account is None:
        raise NotFound
    return account


def _show(
    session: Session, here: AtDesk, now: datetime, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    given = flask.request.args
    asked = {name: given.get(name, "").strip()[:128] for name in ("kind", "q", "after")}
    kind = asked["kind"] if asked["kind"] in accounts.ROLES else "staff"
    wanted = select(Account, StaffMember).outerjoin(StaffMember, StaffMember.account_id == Account.id)
    wanted = wanted.where(Account.role == kind).order_by(Account.login)
    if asked["q"]:
        # From the beginning of a login or a whole name: the list is for finding somebody, not for browsing people.
        wanted = wanted.where(
            or_(Account.login.startswith(asked["q"].lower(), autoescape=True), Account.display_name == asked["q"])
        )
    if asked["after"]:
        wanted = wanted.where(Account.login > asked["after"])
    rows = session.execute(wanted.limit(A_PAGE + 1)).all()
    found = [(account, member) for account, member in rows[:A_PAGE]]
    who = [account.id for account, _ in found]
    live = select(WebSession.account_id, func.count()).where(
        WebSession.account_id.in_(who), WebSession.expires_at > now, WebSession.seen_at > now - sessions.IDLE
    )
    firms = select(Representation.account_id, func.count()).where(Representation.account_id.in_(who))
    if found:
        audit.record(
            session, action="accounts.read", result="done", actor=here.actor.name, now=now,
            detail={"kind": kind, "count": len(found)},
        )  # fmt: skip
    return page(
        "staff/operator/people.html",
        status=status,
        kind=kind,
        asked=asked,
        found=found,
        sessions=dict(session.execute(live.group_by(WebSession.account_id)).all()),
        firms=dict(session.execute(firms.group_by(Representation.account_id)).all()),
        following=found[-1][0].login if len(rows) > A_PAGE else None,
        roles={name: labels[lang() != "zh"] for name, labels in ROLES.items()},
        moves=MOVES,
        own=here.account.id,
        ask_code=stepup.needs_code(here.account, now),
        error=error,
    )
