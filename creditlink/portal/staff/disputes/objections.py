"""Objections at the operator's desk: those that no bank answered, and those whose answer did not satisfy the firm."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.objections import rules, service
from creditlink.objections.service import ObjectionQuery
from creditlink.portal.firm.records.objections import said_of
from creditlink.portal.site import blueprint, lang, page, see_other
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, operating


@blueprint.get("/staff/operator/objections")
@operating
def operator_objections(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show objections in one state, the newest first."""
    return _show(session, now)


@blueprint.post("/staff/operator/objections/<objection_id>")
@operating
def decide_objection(session: Session, here: AtDesk, now: datetime, objection_id: str) -> ResponseReturnValue:
    """Say what was found; bank and firm read it."""
    form = flask.request.form
    try:
        with session.begin_nested():
            service.decide(
                session, objection_id, finding=form.get("finding", ""), words=form.get("words", ""),
                actor=here.actor.name, now=now,
            )  # fmt: skip
    except InvalidRequest:
        error = gettext("Choose a finding, and say why in at most %(n)d characters.", n=rules.MOST_WORDS)
        return _show(session, now, error=error, status=422)
    except Conflict:
        return _show(session, now, error=gettext("This objection is no longer with you."), status=409)
    return see_other(flask.url_for("portal.operator_objections"))


def _show(session: Session, now: datetime, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    asked = flask.request.args.get("state", "escalated")
    state = asked if asked in rules.STATES else "escalated"
    try:
        query = ObjectionQuery(A_PAGE, state, flask.request.args.get("cursor") or None)
        found, cursor = service.page_of(session, query, None)
    except InvalidRequest:
        found, cursor = [], None
        error, status = gettext("This page of the list does not exist any more."), 422
    lenders = session.scalars(select(Institution).where(Institution.id.in_({one.institution_id for one in found})))
    names = {one.id: one.name_zh if lang() == "zh" else one.name_en for one in lenders}
    firms = session.scalars(select(Enterprise).where(Enterprise.id.in_({one.enterprise_id for one in found})))
    whose = {one.id: one.name for one in firms}
    return page(
        "staff/operator/objections.html",
        status=status,
        found=[(one, said_of(one), names[one.institution_id], whose[one.enterprise_id]) for one in found],
        state=state,
        states={code: words[0 if lang() == "zh" else 1] for code, words in rules.STATES.items()},
        findings={code: words[0 if lang() == "zh" else 1] for code, words in rules.FINDINGS.items()},
        cursor=cursor,
        error=error,
        now=now,
        most=rules.MOST_WORDS,
    )
