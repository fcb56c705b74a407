"""One access to a firm's data, whole, and the firm's objection to it."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.decisions.kept import classes_of
from creditlink.disputes import configuration as disputes
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.objections import rules, service
from creditlink.objections.ending import CLASS
from creditlink.objections.rules import ObjectionSettings
from creditlink.objections.tables import AccessObjection
from creditlink.portal.firm import overview
from creditlink.portal.firm.firms import chosen, firms_of, first_with
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, settings, signed_in


@blueprint.get("/accesses/<int:seq>")
@signed_in
def access(session: Session, account: Account, now: datetime, seq: int) -> ResponseReturnValue:
    """Show one line of the evidence: who, when, what for, which data, under which consent, and an objection to it."""
    firm = _firm(session, account, now, flask.request.args.get("enterprise"))
    return _show(session, firm, seq)


@blueprint.post("/accesses/<int:seq>/objection")
@signed_in
def object_to_access(session: Session, account: Account, now: datetime, seq: int) -> ResponseReturnValue:
    """Object to an access: its bank is asked why."""
    form = flask.request.form
    firm = _firm(session, account, now, form.get("enterprise"))
    try:
        service.object_to(
            session, firm, account, seq, form.get("words", ""), settings=_clocks(),
            calendar=disputes.current().calendar, keep_until=classes_of(settings()).of(CLASS).until(now), now=now,
        )  # fmt: skip
    except InvalidRequest:
        error = gettext("Say in 1 to %(n)d characters what you want to know.", n=rules.MOST_WORDS)
        return _show(session, firm, seq, error=error, status=422)
    except Conflict as refused:
        if refused.extra.get("reason") == "too_old":
            raise Conflict(gettext("The access is too old to object to.")) from None
    return see_other(flask.url_for("portal.access", seq=seq, enterprise=firm.id))


@blueprint.post("/objections/<objection_id>/<any(accept, escalate):step>")
@signed_in
def end_objection(
    session: Session, account: Account, now: datetime, objection_id: str, step: str
) -> ResponseReturnValue:
    """Accept the bank's answer, or bring it to the operator."""
    wanted = ids.internal("obj", objection_id)

    def own(firm: Enterprise) -> AccessObjection | None:
        return session.scalars(
            select(AccessObjection).where(AccessObjection.id == wanted, AccessObjection.enterprise_id == firm.id)
        ).first()

    firm, found = first_with(session, account, now, own)
    found = service.lock(session, found)
    take = service.accept if step == "accept" else service.escalate
    try:
        take(session, found, account, now)
    except Conflict:
        raise Conflict(gettext("There is no answer to decide on any more.")) from None
    return see_other(flask.url_for("portal.access", seq=found.line, enterprise=firm.id))


def _firm(session: Session, account: Account, now: datetime, named: str | None) -> Enterprise:
    firm = chosen(session, firms_of(session, account, now), named)
    if firm is None:
        raise NotFound
    return firm


def _clocks() -> ObjectionSettings:
    return settings().parsed(rules.FILE, rules.parse)


def _show(
    session: Session, firm: Enterprise, line: int, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    found = session.execute(overview.line_query(firm, line)).one_or_none()
    if found is None:
        raise NotFound
    entry, institution = found
    one = service.about(session, firm, line)
    return page(
        "consents/access.html",
        status=status,
        firm=firm,
        row=overview.access_row(entry, institution, lang=lang(), fair_use=fair_use()),
        consent=None if entry.consent_id is None else ids.external("cns", entry.consent_id),
        one=one,
        error=error,
        days=_clocks().answer_days,
        most=rules.MOST_WORDS,
        words=said_of(one) if one else None,
        may_object=isinstance(institution, Institution) and one is None,
    )


def said_of(one: AccessObjection) -> dict[str, str | None]:
    """Return the codes of an objection in words."""

    def own(words: tuple[str, str] | None) -> str | None:
        return None if words is None else words[0 if lang() == "zh" else 1]

    return {
        "state": own(rules.STATES[one.state]),
        "reason": own(rules.REASONS.get(one.answer_reason or "")),
        "escalated": own(rules.ESCALATIONS.get(one.escalated_for or "")),
        "finding": own(rules.FINDINGS.get(one.finding or "")),
    }
