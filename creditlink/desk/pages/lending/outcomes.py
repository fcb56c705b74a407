"""A whole file of outcomes: the good lines are taken, every wrong one is on the page with line, field and value."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk.site import LenderHere, at_desk, blueprint, in_words, show
from creditlink.desk.wire.sending import api_of
from creditlink.desk.wire.software import Answer, ApiRefused

_SHOWN = 200


@blueprint.get("/outcomes")
@at_desk("lender")
def outcomes(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show how such a file looks."""
    del here, now
    return _show(None)


@blueprint.post("/outcomes")
@at_desk("lender")
def send_outcomes(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Hand a file to the API as it is; sending it again records nothing twice."""
    del now
    sent = flask.request.files.get("file")
    content = sent.read() if sent is not None else b""
    if not content:
        return _show(None, error=gettext("Choose a file."), status=422)
    try:
        told = api_of(here.actor).own("POST", "/v1/financing/outcomes", content=content, content_type="text/csv")
    except ApiRefused as refused:
        return _show(None, error=in_words(refused), status=422)
    return _show(told, status=200 if not told.get("errors") else 422)


def _show(told: Answer | None, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    errors = told["errors"] if told else []
    return show(
        "lending/outcomes.html", status=status, told=told, errors=errors[:_SHOWN], more=max(0, len(errors) - _SHOWN),
        error=error,
    )  # fmt: skip
