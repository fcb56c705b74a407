"""What became of a firm's disputes: answers, clocks, files, who was told; withdrawing and appealing."""

from __future__ import annotations

from datetime import datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.disputes import configuration, files, service
from creditlink.disputes.corrections import service as corrections
from creditlink.disputes.rules import registration
from creditlink.disputes.rules.datum import CLAIMS
from creditlink.disputes.rules.states import FIRST, STATES, STEPS
from creditlink.disputes.tables import Dispute
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.files.documents import SCANS, SERVED
from creditlink.kit.http import downloads
from creditlink.portal.firm.firms import firms_of
from creditlink.portal.firm.records.disputes import shown
from creditlink.portal.firm.records.disputes.filing import own_firm
from creditlink.portal.site import blueprint, lang, page, see_other, signed_in

_INSTANT = timedelta(microseconds=1)
"""A time that is over at the end of a day has that day as its last."""


@blueprint.get("/disputes")
@signed_in
def disputes(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """List the firm's disputes, the newest first."""
    firm, _ = own_firm(session, account, now, flask.request.args.get("enterprise"))
    rows = [(one, shown.what_of(one.datum)) for one in service.of_firm(session, firm)]
    labels = {name: shown.own(words) for name, words in STATES.items()}
    return page(
        "disputes/list.html", firm=firm, firms=firms_of(session, account, now), rows=rows, labels=labels, now=now
    )


@blueprint.get("/disputes/<dispute_id>")
@signed_in
def dispute(session: Session, account: Account, now: datetime, dispute_id: str) -> ResponseReturnValue:
    """Show one dispute."""
    firm, _ = own_firm(session, account, now, flask.request.args.get("enterprise"))
    return _show(session, firm, service.named(session, dispute_id, firm_id=firm.id), now)


@blueprint.post("/disputes/<dispute_id>")
@signed_in
def step_dispute(session: Session, account: Account, now: datetime, dispute_id: str) -> ResponseReturnValue:
    """Withdraw a dispute, or appeal against the source's answer."""
    form = flask.request.form
    firm, _ = own_firm(session, account, now, form.get("enterprise", ""))
    one = service.named(session, dispute_id, firm_id=firm.id, lock=True)
    error, status = None, 422
    try:
        if form.get("doing") == "withdraw":
            service.withdraw(session, one, account, now=now)
        elif form.get("doing") == "appeal":
            service.appeal(
                session, one, account, form.get("statement", "").strip(), terms=configuration.current(), now=now
            )
        else:
            error = gettext("Choose what to do.")
    except InvalidRequest:
        error = gettext("Say what is wrong, in at most %(n)d characters.", n=service.MOST_STATEMENT)
    except Conflict as conflict:
        error, status = _refusal(conflict), 409
    if error is not None:
        return _show(session, firm, service.named(session, dispute_id, firm_id=firm.id), now, error, status)
    return see_other(flask.url_for("portal.dispute", dispute_id=one.wire_id, enterprise=firm.id))


@blueprint.get("/disputes/<dispute_id>/files/<file_id>")
@signed_in
def dispute_file(
    session: Session, account: Account, now: datetime, dispute_id: str, file_id: str
) -> ResponseReturnValue:
    """Hand a file of evidence back to its firm, once it was scanned."""
    firm, _ = own_firm(session, account, now, flask.request.args.get("enterprise"))
    return handed_out(session, service.named(session, dispute_id, firm_id=firm.id), file_id)


def handed_out(session: Session, one: Dispute, file_id: str) -> ResponseReturnValue:
    """Return a file of evidence as a download; no browser opens it as a page of ours."""
    found = files.opened(session, one, file_id)
    return downloads.handed_out(found.content, kind=found.row.kind, name=found.row.name, plain="evidence")


def in_words(session: Session, one: Dispute) -> dict[str, object]:
    """Return what the firm's and the operator's pages both show of a dispute, in words."""
    return {
        "what": shown.what_of(one.datum),
        "state": shown.own(STATES[one.state]),
        "claim": shown.own(CLAIMS[one.claim]),
        "columns": shown.of_dispute(one),
        "events": [(event, shown.step_of(event)) for event in service.events_of(session, one)],
        "files": [(row, shown.own(SCANS[row.scan]), row.scan in SERVED) for row in files.of_dispute(session, one.id)],
    }


def _refusal(conflict: Conflict) -> str:
    reasons = {
        "too_late": gettext("The time to appeal is over."),
        "appealed": gettext("The source has looked twice already."),
        "disputed": gettext("This row is disputed already; see the list."),
        "corrected": gettext("It is corrected already."),
        "promised": gettext("The source has answered that it corrected the row; it is awaited."),
    }
    return str(reasons.get(str(conflict.extra.get("reason")), gettext("The dispute is over.")))


def _show(
    session: Session, firm: Enterprise, one: Dispute, now: datetime, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    terms = configuration.current()
    told = corrections.of_dispute(session, one)
    return page(
        "disputes/dispute.html",
        status=status,
        error=error,
        firm=firm,
        one=one,
        **in_words(session, one),
        entry=registration.ENTRIES.get(one.subkey) if one.datum.is_registered else None,
        told=[(row, bank.name_zh if lang() == "zh" else bank.name_en, _did(row.action)) for row, bank in told],
        acknowledged=sum(row.acknowledged_at is not None for row, _ in told),
        days_left=terms.calendar.between(now, one.due_at - _INSTANT) if one.is_open and one.due_at > now else 0,
        is_late=one.is_open and one.due_at <= now,
        may_withdraw="withdraw" in STEPS[one.state],
        may_appeal=one.state == "upheld" and one.level == FIRST and one.appeal_until is not None
        and now < one.appeal_until,
        most=service.MOST_STATEMENT,
    )  # fmt: skip


def _did(action: str | None) -> str:
    return "" if action is None else shown.own(corrections.ACTIONS[action])
