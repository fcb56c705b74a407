"""Handing in papers with a request, and taking them back: documents and the receivables that it offers as security."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing.applications import applications
from creditlink.financing.applications.states import FINAL
from creditlink.financing.requests import requests, standing
from creditlink.financing.requests.papers import documents, receivables
from creditlink.financing.requests.papers.identity import ReceivableInvalid, identity_from
from creditlink.financing.tables import FinancingRequest
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.files.documents import REFUSALS, HandedFileRefused, file_from
from creditlink.kit.http.downloads import handed_out
from creditlink.portal.firm.financing.page import proposals, show, warnings
from creditlink.portal.firm.financing.papers import bounds
from creditlink.portal.firm.financing.words import label, own_request
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, see_other, signed_in


@blueprint.post("/financing/<request_id>/documents")
@signed_in
def financing_document(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Take a document in; where lenders have the request already, they get it at once, so it takes a code."""
    firm, request = own_request(session, account, request_id, now)
    sent = flask.request.files.get("document")
    content = sent.read() if sent is not None else b""
    name = (sent.filename or "") if sent is not None else ""
    if sent is not None:
        sent.close()  # a large one lies in a file of the system's

    def act(locked: FinancingRequest) -> None:
        if not name:
            raise HandedFileRefused("empty")
        most = bounds()
        taken = file_from(name, content, most_bytes=most.most_file_bytes)
        about = flask.request.form.get("about", "")
        documents.take(session, locked, taken, about, most=most.most_files, account=account, now=now)

    return _changed(session, account, firm, request, now, act)


@blueprint.get("/financing/<request_id>/documents/<document_id>")
@signed_in
def open_financing_document(
    session: Session, account: Account, now: datetime, request_id: str, document_id: str
) -> ResponseReturnValue:
    """Hand a document back to its firm, once it was scanned."""
    _, request = own_request(session, account, request_id, now)
    found = documents.opened(session, request.id, document_id)
    return handed_out(found.content, kind=found.row.kind, name=found.row.name, plain="document")


@blueprint.post("/financing/<request_id>/documents/<document_id>/remove")
@signed_in
def remove_financing_document(
    session: Session, account: Account, now: datetime, request_id: str, document_id: str
) -> ResponseReturnValue:
    """Take a document back: it takes no code, as less is shared then."""
    _, request = own_request(session, account, request_id, now)
    locked = applications.locked_request(session, request.id)
    documents.remove(session, locked, document_id, account=account, now=now)
    return _back(request)


@blueprint.post("/financing/<request_id>/receivables")
@signed_in
def financing_receivable(session: Session, account: Account, now: datetime, request_id: str) -> ResponseReturnValue:
    """Name a receivable as security, by an invoice or by a contract and its debtor."""
    firm, request = own_request(session, account, request_id, now)
    form = flask.request.form

    def act(locked: FinancingRequest) -> None:
        identity = identity_from(form.get("known_by", ""), form.get("number", ""), form.get("debtor", ""))
        receivables.add(session, locked, identity, account=account, now=now)

    return _changed(session, account, firm, request, now, act)


@blueprint.post("/financing/<request_id>/receivables/<receivable_id>/remove")
@signed_in
def remove_receivable(
    session: Session, account: Account, now: datetime, request_id: str, receivable_id: str
) -> ResponseReturnValue:
    """Take a receivable back; where lenders count on it, they read the request without it, so it takes a code."""
    firm, request = own_request(session, account, request_id, now)
    return _changed(
        session, account, firm, request, now,
        lambda locked: receivables.remove(session, locked, receivable_id, account=account, now=now),
    )  # fmt: skip


def _changed(
    session: Session,
    account: Account,
    firm: Enterprise,
    request: FinancingRequest,
    now: datetime,
    act: Callable[[FinancingRequest], None],
) -> ResponseReturnValue:
    """Change what a request carries, confirmed where lenders have it; they then read the warnings of now."""
    held = requests.of_request(session, request.id)
    if any(one.state not in FINAL for one in held):
        missing = stepup.missing(session, account, flask.request.form, now)
        if missing:
            return show(session, account, firm, request, now, error=missing.text, status=missing.status)
    error, status = None, 422
    try:
        with session.begin_nested():
            act(applications.locked_request(session, request.id))
    except HandedFileRefused as refused:
        error = (f"{refused.name}: " if refused.name else "") + label(REFUSALS[refused.reason])
    except ReceivableInvalid as wrong:
        error = _invalid(wrong)
    except InvalidRequest:
        error = gettext("Choose what the document is.")
    except Conflict as conflict:
        error, status = _refused(conflict), 409
    if error is not None:
        return show(session, account, firm, request, now, error=error, status=status)
    if held:
        standing.tell_lenders(session, held, warnings(session, request, proposals(session, firm, request, now)))
    return _back(request)


def _back(request: FinancingRequest) -> ResponseReturnValue:
    return see_other(flask.url_for("portal.financing_request", request_id=request.wire_id) + "#papers")


def _invalid(wrong: ReceivableInvalid) -> str:
    if wrong.field == "debtor":
        return str(gettext("A contract needs the credit code of the one who owes: 18 letters and digits."))
    return str(
        gettext(
            "The number does not read: an invoice has 20 digits, or a code of 10 or 12 digits followed by a number of "
            "8; a contract 2 to 60 letters and digits."
        )
    )


def _refused(conflict: Conflict) -> str:
    reasons = {
        "too_many": gettext("The request has as many of these as it may."),
        "repeated": gettext("The request has this already."),
    }
    return str(reasons.get(str(conflict.extra.get("reason")), gettext("The request has ended.")))
