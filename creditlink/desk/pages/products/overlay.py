"""The institution's overlay on the score: versions, how far it moves a firm, the colleague's check, own columns."""

from __future__ import annotations

import json
from datetime import datetime
from typing import cast

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk import acts
from creditlink.desk.pages.confirm import lacking
from creditlink.desk.pages.products.form import FormInvalid
from creditlink.desk.pages.products.overlay_form import OverlayFilled, filled_by, filled_in, terms_of
from creditlink.desk.pages.products.overlay_parts import outcomes, parts
from creditlink.desk.pages.products.products import states
from creditlink.desk.site import LenderHere, at_desk, blueprint, in_words, show
from creditlink.desk.wire.sending import api_of, items_of
from creditlink.desk.wire.software import Answer, ApiRefused
from creditlink.engine.vocabulary import GRADES
from creditlink.portal.person import stepup
from creditlink.portal.site import see_other

_PATH = "/v1/overlays"
WROTE = "overlay"
_LONGEST = 50_000
_BEGIN: dict[str, object] = {
    "name_zh": "", "name_en": "", "columns": [], "weights": [], "offsets": [],
    "cut_offs": {"grade_at_least": "C", "otherwise": "refer", "on_knock_out": "decline", "rules": []},
    "shown_to_firm": False,
}  # fmt: skip


@blueprint.get("/overlay")
@at_desk("product_editor")
def overlay(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show the versions, and one of them in full."""
    return _show(here, now)


@blueprint.post("/overlay")
@at_desk("product_editor")
def write_overlay(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Write a draft, from the fields or from the terms as JSON; whoever wants more rows is shown them."""
    form = flask.request.form
    given, filled = form.get("terms"), None
    if form.get("more"):
        return _show(here, now, filled=filled_in(form), more=form["more"])
    try:
        if given is None:
            filled = filled_in(form)
            body: object = terms_of(filled)
        else:
            body = json.loads(given[:_LONGEST])
    except FormInvalid as wrong:
        return _show(here, now, filled=filled, error=wrong.message, status=422)
    except (ValueError, RecursionError):
        return _show(here, now, given=given, error=gettext("The terms are no JSON."), status=422)
    try:
        answer = api_of(here.actor).own("PUT", _PATH, json=body)
    except ApiRefused as refused:
        return _show(here, now, given=given, filled=filled, error=in_words(refused), status=422)
    acts.propose(here.actor, WROTE, {"version": answer["version"], "terms_sha256": answer["terms_sha256"]}, now)
    return see_other(flask.url_for("portal.bank.overlay", version=str(answer["version"])))


@blueprint.post("/overlay/<int:version>/<any(check, publish, retire):step>")
@at_desk("product_editor")
def step_overlay(here: LenderHere, now: datetime, version: int, step: str) -> ResponseReturnValue:
    """Check what a colleague wrote, put it to use, or take it out of use."""
    form = flask.request.form
    missing = lacking(here, form, now)
    if missing is not None:
        return _show(here, now, version=version, error=missing.text, status=missing.status)
    body: dict[str, object] = {"note": here.actor.login}
    if step == "check":
        if acts.has_hand_in(here.actor, WROTE, {"version": version}):
            error = gettext("Whoever wrote it cannot check it: a colleague does.")
            return _show(here, now, version=version, error=error, status=409)
        body["terms_sha256"] = form.get("terms_sha256", "")
    try:
        api_of(here.actor, hand="checks" if step == "check" else "acts").own(
            "POST", f"{_PATH}/{version}/{step}", json=body
        )
    except ApiRefused as refused:
        return _show(here, now, version=version, error=in_words(refused), status=refused.status)
    return see_other(flask.url_for("portal.bank.overlay", version=version))


@blueprint.post("/overlay/columns")
@at_desk("product_editor")
def upload_columns(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Hand the institution's own data about firms to the API as it is; one wrong line, and nothing is taken."""
    sent = flask.request.files.get("file")
    content = sent.read() if sent is not None else b""
    if not content:
        return _show(here, now, error=gettext("Choose a file."), status=422)
    try:
        told = api_of(here.actor).own("PUT", f"{_PATH}/columns", content=content, content_type="text/csv")
    except ApiRefused as refused:
        return _show(here, now, error=in_words(refused), status=422)
    return _show(here, now, taken=told)


def _show(
    here: LenderHere,
    now: datetime,
    *,
    version: int | None = None,
    given: str | None = None,
    filled: OverlayFilled | None = None,
    more: str = "",
    error: str | None = None,
    taken: Answer | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    api = api_of(here.actor)
    versions = items_of(api.own("GET", _PATH, noted=False))
    asked = flask.request.args.get("version", "")
    if version is None and asked.isascii() and asked.isdigit() and len(asked) < 9:
        version = int(asked)
    if version is None and versions:
        version = int(str(versions[0]["version"]))
    one = api.own("GET", f"{_PATH}/{version}", noted=False) if version is not None else None
    terms = cast("Answer", one["terms"]) if one else _BEGIN
    fields = filled or filled_by(terms)
    return show(
        "products/overlay.html", status=status, institution=here.institution_name, versions=versions, one=one,
        states=states() | {"live": gettext("In use"), "retired": gettext("Out of use")}, error=error, taken=taken,
        given=json.dumps(terms, ensure_ascii=False, indent=2) if given is None else given, by_terms=given is not None,
        lists=[(part, fields.shown(part, more=more)) for part in parts()], head=fields.head, writing=filled is not None,
        grades=[(one, one) for one in GRADES], outcomes=outcomes(),
        mine=version is not None and acts.has_hand_in(here.actor, WROTE, {"version": version}),
        ask_code=stepup.needs_code(here.account, now),
    )  # fmt: skip
