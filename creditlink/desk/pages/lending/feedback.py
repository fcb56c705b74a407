"""What became of a loan, told with one click: drawn, paid on time, late, repaid, written off."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk.pages.lending.applications import do, page_of
from creditlink.desk.pages.numbers import fen_of, whole_of
from creditlink.desk.site import LenderHere, at_desk, blueprint
from creditlink.kit.clock import day_of

_KINDS = {"draw", "repayment", "closure", "write_off"}
_MOST_DAYS = 3650


@blueprint.post("/applications/<application_id>/result")
@at_desk("lender")
def tell_result(here: LenderHere, now: datetime, application_id: str) -> ResponseReturnValue:
    """Report one thing; a different one for the same day corrects it, so that a wrong click is no harm."""
    form, today = flask.request.form, day_of(now)
    kind = form.get("kind", "")
    if kind not in _KINDS:
        return page_of(here, now, application_id, error=gettext("Choose what became of the loan."), status=422)
    try:
        body: dict[str, object] = {
            "kind": kind,
            "on": (today.replace(day=1) if kind == "repayment" else today).isoformat(),
            "amount_fen": fen_of(form.get("amount", "0") or "0", gettext("The amount")),
        }
        if kind == "repayment":
            days = form.get("days_past_due", "0")
            body["days_past_due"] = whole_of(days, gettext("Days past due"), most=_MOST_DAYS)
        if form.get("on"):
            body["on"] = form["on"]
    except ValueError as wrong:
        return page_of(here, now, application_id, error=str(wrong), status=422)
    return do(here, now, application_id, "outcomes", body)
