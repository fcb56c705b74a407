"""The desk of a member of staff: what waits for a second person, one's own acts, command lines that want to sign in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.kit.errors import Conflict, NotFound
from creditlink.lifecycle.steps import ModelStepRefused
from creditlink.messages import assigned as _assigned  # noqa: F401 (its acts are shown here)
from creditlink.portal.person import stepup, throttle
from creditlink.portal.site import blueprint, browser, lang, page, see_other
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.staff import acts, login
from creditlink.staff.actor import RoleMissing
from creditlink.staff.roles import ROLES
from creditlink.staff.tables import StaffAct


@blueprint.get("/staff/")
@staff_signed_in
def desk(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show the desk."""
    return _show(session, here, now)


@blueprint.post("/staff/acts/<act_id>")
@staff_signed_in
def decide_act(session: Session, here: AtDesk, now: datetime, act_id: str) -> ResponseReturnValue:
    """Approve an act with a code, or end it without one."""
    act = acts.waiting_act(session, act_id, now)
    try:
        if flask.request.form.get("decision") != "approve":
            acts.decline(session, act, by=here.actor, now=now)
            return see_other(flask.url_for("portal.desk"))
        lacking = stepup.missing(session, here.account, flask.request.form, now)
        if lacking is not None:
            return _show(session, here, now, error=lacking.text, status=lacking.status)
        with session.begin_nested():
            acts.approve(session, act, by=here.actor, now=now, at_desk=True)
    except (RoleMissing, Conflict, ModelStepRefused) as refused:
        return _show(session, here, now, error=str(refused), status=409)
    return see_other(flask.url_for("portal.desk"))


@blueprint.post("/staff/login")
@staff_signed_in
def decide_login(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Let a command line sign in one's name for a working day: its code, and one's own code, are needed."""
    form = flask.request.form
    keys = throttle.keys_for(f"login:{here.account.login}", flask.request.remote_addr or "")
    if throttle.admit(session, keys, now) is not None:
        return _show(session, here, now, error=gettext("Too many tries. Wait a while and try again."), status=429)
    try:
        if form.get("decision") != "approve":
            login.deny(session, form.get("user_code", ""), by=here.actor, now=now)
            return see_other(flask.url_for("portal.desk"))
        lacking = stepup.missing(session, here.account, form, now)
        if lacking is not None:
            return _show(session, here, now, error=lacking.text, status=lacking.status)
        login.approve(session, form.get("user_code", ""), by=here.actor, now=now)
    except NotFound:
        return _show(session, here, now, error=gettext("No command line waits with this code."), status=422)
    throttle.forgive(session, keys)
    return see_other(flask.url_for("portal.desk"))


@blueprint.post("/staff/sign-out")
def staff_sign_out() -> ResponseReturnValue:
    """End this session."""
    browser().end()
    return see_other(flask.url_for("portal.staff_sign_in"))


def _show(
    session: Session, here: AtDesk, now: datetime, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    waiting = acts.waiting(session, now)
    own = acts.proposed_by(session, here.actor)
    who = {act.proposed_by for act in waiting} | {act.proposed_by for act in own}
    found = session.execute(select(Account.id, Account.display_name).where(Account.id.in_(who)))
    names = {row.id: row.display_name for row in found}
    return page(
        "staff/desk.html",
        status=status,
        roles=[ROLES[role][lang() != "zh"] for role in sorted(here.actor.roles)],
        waiting=[_row(act, here) | {"who": names[act.proposed_by]} for act in waiting],
        own=[_row(act, here) | {"who": names[act.proposed_by]} for act in own if act.end_reason is not None],
        ask_code=stepup.needs_code(here.account, now),
        user_code=flask.request.args.get("code", "")[:16],
        error=error,
    )


def _row(act: StaffAct, here: AtDesk) -> dict[str, object]:
    kind = acts.KINDS.of(act.kind)
    may = act.proposed_by != here.actor.account_id and bool(here.actor.roles & set(kind.approves))
    ends = {"done": gettext("Done"), "declined": gettext("Declined"), "taken_back": gettext("Taken back")}
    return {
        "id": act.wire_id,
        "label": kind.label_zh if lang() == "zh" else kind.label_en,
        "subject": _lines(act.subject),
        "reason": act.reason,
        "proposed_at": act.proposed_at,
        "open_until": act.open_until,
        "end": ends.get(act.end_reason or "", ""),
        "ended_at": act.ended_at,
        "may_approve": may,
        "is_own": act.proposed_by == here.actor.account_id,
    }


def _lines(subject: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the subject as it was signed, member by member: nothing is left out that somebody approves."""
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in sorted(subject.items())
    ]
