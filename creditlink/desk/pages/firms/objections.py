"""Objections of firms to the institution's accesses: read and answered."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk.site import LenderHere, at_desk, blueprint, in_words, show
from creditlink.desk.wire.sending import api_of, items_of
from creditlink.desk.wire.software import ApiRefused
from creditlink.portal.site import see_other

_PATH = "/v1/objections"


@blueprint.get("/objections")
@at_desk("lender")
def objections(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show the objections, the newest first."""
    return _show(here, now)


@blueprint.post("/objections/<objection_id>")
@at_desk("lender")
def answer_objection(here: LenderHere, now: datetime, objection_id: str) -> ResponseReturnValue:
    """Say why the institution looked."""
    form = flask.request.form
    plain = objection_id if objection_id.isascii() and objection_id.replace("_", "").isalnum() else "none"
    body = {"reason": form.get("reason", ""), "words": form.get("words", "").strip()}
    try:
        api_of(here.actor).own("POST", f"{_PATH}/{plain}/answer", json=body)
    except ApiRefused as refused:
        if refused.status == 404:
            raise
        return _show(here, now, error=in_words(refused), status=refused.status)
    return see_other(flask.url_for("portal.bank.objections"))


def _show(here: LenderHere, now: datetime, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    args = flask.request.args
    params = {"limit": "25"} | {name: args[name] for name in ("state", "cursor") if args.get(name)}
    answer = api_of(here.actor).own("GET", _PATH, params=params)
    return show(
        "firms/objections.html", status=status, institution=here.institution_name, found=items_of(answer),
        cursor=answer.get("next_cursor"), state=args.get("state", ""), states=_states(), reasons=_reasons(),
        findings=_findings(), error=error, now=now,
    )  # fmt: skip


def _states() -> dict[str, str]:
    return {
        "asked": gettext("Waits for your answer"),
        "answered": gettext("Answered"),
        "accepted": gettext("Settled"),
        "escalated": gettext("With the operator"),
        "closed": gettext("Decided by the operator"),
    }


def _reasons() -> dict[str, str]:
    return {
        "application": gettext("Handling the firm's application"),
        "offer": gettext("Finding a product to offer"),
        "servicing": gettext("Servicing a loan that runs"),
        "test": gettext("A test or a mistake"),
        "other": gettext("Another reason, in words"),
    }


def _findings() -> dict[str, str]:
    return {
        "proper": gettext("the access was proper"),
        "improper": gettext("the access was improper"),
        "undecided": gettext("it cannot be decided"),
    }
