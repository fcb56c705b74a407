"""Applications before the institution: an inbox with the time left to answer, offers, typed declines, signatures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk import asking
from creditlink.desk.pages.confirm import lacking
from creditlink.desk.pages.lending.listing import ApplicationLine, columns, filters
from creditlink.desk.pages.lending.words import answer_clock, state_words
from creditlink.desk.pages.numbers import bps_of, fen_of, whole_of
from creditlink.desk.site import LenderHere, at_desk, blueprint, in_words, show
from creditlink.desk.wire.sending import DeskApi, api_of, items_of
from creditlink.desk.wire.software import ApiRefused
from creditlink.kit.clock import day_of
from creditlink.kit.files.documents import SCANS, SERVED
from creditlink.portal.person import stepup
from creditlink.portal.sheets.filling import export_of, of_rows, status_of
from creditlink.portal.site import lang, see_other

_PATH = "/v1/financing/applications"
_MOST_REASONS = 4
_PAGES = 10
"""Pages of the API that the list reads at most: a thousand applications, the latest."""
_OFFER_DAYS = 14


@blueprint.get("/applications")
@at_desk("lender")
def applications(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show the applications, by what is due first where an answer is due."""
    lines = [ApplicationLine(one, answer_clock(one, now)) for one in _all(api_of(here.actor))]
    found = of_rows(
        lines, columns(), filters(), label=gettext("Applications"), first="due",
        empty=gettext("No application is before your institution."),
    )  # fmt: skip
    return export_of(found, name="applications") or show(
        "lending/list.html",
        status=status_of(found),
        institution=here.institution_name,
        found=found,
        states=state_words(),
    )


@blueprint.get("/applications/<application_id>")
@at_desk("lender")
def application(here: LenderHere, now: datetime, application_id: str) -> ResponseReturnValue:
    """Show one application with what may be done."""
    return page_of(here, now, application_id)


@blueprint.post("/applications/<application_id>/file")
@at_desk("lender")
def open_file(here: LenderHere, now: datetime, application_id: str) -> ResponseReturnValue:
    """Open the firm's file under the consent that it gave with this application."""
    api = api_of(here.actor)
    found = api.own("GET", f"{_PATH}/{_plain(application_id)}")
    request = found["request"]
    label = gettext("Application for %(amount)s", amount=f"¥{request['amount_fen'] / 100:,.0f}")
    try:
        kept = asking.pick_up(api, str(found["id"]), label, now)
    except ApiRefused as refused:
        error = in_words(refused)
        if refused.status == 404:
            error = gettext("The firm applied through your own software, which has its consent.")
        return page_of(here, now, application_id, error=error, status=409)
    return see_other(flask.url_for("portal.bank.firm", request_id=kept.wire_id))


@blueprint.get("/applications/<application_id>/documents/<document_id>")
@at_desk("lender")
def application_document(here: LenderHere, now: datetime, application_id: str, document_id: str) -> ResponseReturnValue:
    """Hand a document of the firm out as a download; no browser opens it as a page of ours."""
    try:
        found = api_of(here.actor).file(f"{_PATH}/{_plain(application_id)}/documents/{_plain(document_id)}")
    except ApiRefused as refused:
        if refused.status != 404:
            raise
        error = gettext("The document is not there: it was taken back, is not scanned yet, or the consent is over.")
        return page_of(here, now, application_id, error=error, status=404)
    response = flask.Response(found.content, content_type=found.content_type)
    response.headers["Content-Disposition"] = found.disposition
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@blueprint.post("/applications/<application_id>/<any(receipt, review):step>")
@at_desk("lender")
def take_step(here: LenderHere, now: datetime, application_id: str, step: str) -> ResponseReturnValue:
    """Say that the application arrived, or that somebody looks at it."""
    return do(here, now, application_id, step, None)


@blueprint.post("/applications/<application_id>/offers")
@at_desk("lender")
def offer(here: LenderHere, now: datetime, application_id: str) -> ResponseReturnValue:
    """Make an offer, or a better one; it binds, so it takes a code."""
    form = flask.request.form
    missing = lacking(here, form, now)
    if missing is not None:
        return page_of(here, now, application_id, error=missing.text, status=missing.status)
    try:
        days = whole_of(form.get("days", ""), gettext("How many days the offer stands"), most=180)
        body: dict[str, object] = {
            "amount_fen": fen_of(form.get("amount", ""), gettext("The amount")),
            "term_months": whole_of(form.get("months", ""), gettext("The term"), most=600),
            "rate_bps": bps_of(form.get("rate", ""), gettext("The rate")),
            "cooling_off_days": whole_of(form.get("cooling", "3"), gettext("Days to step back"), most=60),
            "conditions": form.get("conditions", "").strip(),
            "valid_until": (now + timedelta(days=days)).isoformat(timespec="seconds"),
        }
        if form.get("fee", "").strip():
            body["fee_fen"] = fen_of(form["fee"], gettext("The fee"))
    except ValueError as wrong:
        return page_of(here, now, application_id, error=str(wrong), status=422)
    return do(here, now, application_id, "offers", body)


@blueprint.post("/applications/<application_id>/decline")
@at_desk("lender")
def decline(here: LenderHere, now: datetime, application_id: str) -> ResponseReturnValue:
    """Decline with typed reasons; the firm sees them."""
    form = flask.request.form
    missing = lacking(here, form, now)
    if missing is not None:
        return page_of(here, now, application_id, error=missing.text, status=missing.status)
    reasons = form.getlist("reason")
    if not 1 <= len(reasons) <= _MOST_REASONS:
        error = gettext("Choose one to %(most)d reasons.", most=_MOST_REASONS)
        return page_of(here, now, application_id, error=error, status=422)
    # Whoever presses this button is the person who decided.
    body = {"reasons": reasons, "note": form.get("note", "").strip(), "decided_by_person": True}
    return do(here, now, application_id, "decline", body)


@blueprint.post("/applications/<application_id>/signature")
@at_desk("lender")
def sign(here: LenderHere, now: datetime, application_id: str) -> ResponseReturnValue:
    """Say that the contract was signed, on exactly the offer that was shown."""
    form = flask.request.form
    missing = lacking(here, form, now)
    if missing is not None:
        return page_of(here, now, application_id, error=missing.text, status=missing.status)
    return do(here, now, application_id, "signature", {"offer_sha256": form.get("offer_sha256", "")})


def do(here: LenderHere, now: datetime, application_id: str, step: str, body: object) -> ResponseReturnValue:
    """Take one step of an application by the API; what it refuses is said on the page."""
    try:
        api_of(here.actor).own("POST", f"{_PATH}/{_plain(application_id)}/{step}", json=body)
    except ApiRefused as refused:
        if refused.status == 404:
            raise
        return page_of(here, now, application_id, error=in_words(refused), status=refused.status)
    return see_other(flask.url_for("portal.bank.application", application_id=application_id))


def page_of(
    here: LenderHere, now: datetime, application_id: str, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    """Show one application as the API tells it."""
    api = api_of(here.actor)
    path = f"{_PATH}/{_plain(application_id)}"
    found = api.own("GET", path)
    is_open = found["consent_state"] == "ACTIVE"
    return show(
        "lending/application.html", status=status, one=found,
        papers=items_of(api.own("GET", f"{path}/documents")) if is_open else (),
        pledged=items_of(api.own("GET", f"{path}/receivables")) if is_open else (),
        scans={name: own_words(words) for name, words in SCANS.items()}, served=SERVED,
        clock=answer_clock(found, now), states=state_words(),
        reasons=_reasons(api) if "decline" in found["allowed"] else (), error=error, today=day_of(now),
        month=day_of(now).replace(day=1), offer_days=_OFFER_DAYS, ask_code=stepup.needs_code(here.account, now),
    )  # fmt: skip


def _all(api: DeskApi) -> list[Mapping[str, object]]:
    found: list[Mapping[str, object]] = []
    params = {"limit": "100"}
    for _ in range(_PAGES):
        answer = api.own("GET", _PATH, params=params)
        found += items_of(answer)
        if not answer.get("next_cursor"):
            break
        params["cursor"] = str(answer["next_cursor"])
    return found


def _reasons(api: DeskApi) -> list[Mapping[str, object]]:
    return items_of(api.own("GET", "/v1/decline-reasons", noted=False))


def own_words(words: tuple[str, ...]) -> str:
    """Return the word of the page's language, of a pair in zh and en."""
    return words[0 if lang() == "zh" else 1]


def _plain(application_id: str) -> str:
    """Return an id that goes into an address: of another form there is none."""
    return application_id if application_id.isascii() and application_id.replace("_", "").isalnum() else "none"
