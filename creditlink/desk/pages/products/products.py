"""Products: versions in every state, the editor, what the rule checker found, counts, and the check by a colleague."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk import acts
from creditlink.desk.pages.confirm import lacking
from creditlink.desk.pages.products.form import FormInvalid, body_of, rules_text
from creditlink.desk.site import LenderHere, at_desk, blueprint, in_words, show
from creditlink.desk.wire.sending import api_of, items_of
from creditlink.desk.wire.software import Answer, ApiRefused
from creditlink.engine.vocabulary import PRODUCT_KINDS, REPAYMENTS
from creditlink.kit.clock import day_of
from creditlink.kit.errors import NotFound
from creditlink.portal.person import stepup
from creditlink.portal.sheets.filling import export_of, of_rows, status_of
from creditlink.portal.sheets.sheet import SheetColumn, SheetFilter
from creditlink.portal.site import see_other

_PATH = "/v1/catalogue/products"
_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,39}")
_PAGES = 5
WROTE = "product"
"""The kind of the note of who wrote a version: somebody else checks it."""


@blueprint.get("/products")
@at_desk("product_editor")
def products(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show the institution's products."""
    del now
    rows: list[Answer] = []
    params = {"limit": "200"}
    for _ in range(_PAGES):
        answer = api_of(here.actor).own("GET", _PATH, params=params, noted=False)
        rows += items_of(answer)
        if not answer.get("next_cursor"):
            break
        params["cursor"] = str(answer["next_cursor"])
    found = of_rows(
        rows, _columns(), _filters(), label=gettext("Products"), first="-changed",
        empty=gettext("Your institution has no product here yet."),
    )  # fmt: skip
    return export_of(found, name="products") or show(
        "products/list.html", status=status_of(found), institution=here.institution_name, found=found
    )


def _columns() -> Sequence[SheetColumn[Answer]]:
    words, tones = states(), {"live": "active", "draft": "requested", "checked": "requested", "scheduled": "requested"}
    return (
        SheetColumn(
            "code", gettext("Code"), lambda one: str(one["code"]),
            link=lambda one: flask.url_for("portal.bank.product", code=one["code"], version=one["version"]),
        ),
        SheetColumn("version", gettext("Version"), lambda one: int(one["version"]), "number"),
        SheetColumn(
            "state", gettext("State"), lambda one: str(one["state"]), text=lambda one: words[one["state"]],
            tone=lambda one: tones.get(one["state"], "expired"),
        ),
        SheetColumn(
            "changed", gettext("Changed"), lambda one: datetime.fromisoformat(str(one["changed_at"])), "instant"
        ),
    )  # fmt: skip


def _filters() -> Sequence[SheetFilter[Answer]]:
    return (
        SheetFilter(
            "words", gettext("Code"), meets=lambda one, words: str(words).casefold() in str(one["code"]).casefold()
        ),
        SheetFilter(
            "state", gettext("State"), "choice", list(states().items()), meets=lambda one, state: one["state"] == state
        ),
    )  # fmt: skip


@blueprint.get("/products/new")
@at_desk("product_editor")
def new_product(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show an empty form."""
    return _editor(here, {}, {"valid_from": day_of(now).isoformat(), "code": f"{here.actor.institution}-"}, is_new=True)


@blueprint.get("/products/<code>/<int:version>")
@at_desk("product_editor")
def product(here: LenderHere, now: datetime, code: str, version: int) -> ResponseReturnValue:
    """Show one version with what may be done."""
    return _show(here, now, code, version)


@blueprint.get("/products/<code>/<int:version>/edit")
@at_desk("product_editor")
def edit_product(here: LenderHere, now: datetime, code: str, version: int) -> ResponseReturnValue:
    """Show the form, filled with a version; what is written becomes a draft."""
    del now
    found = _version(here, code, version)
    return _editor(here, found["product"], _filled(found["product"]), is_new=False)


@blueprint.post("/products")
@at_desk("product_editor")
def write_product(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Write a draft; the API says of every field what is wrong."""
    form = flask.request.form
    code = form.get("code", "").strip().upper()
    before: Answer = {}
    if form.get("version", "").isdigit():
        before = _version(here, code, int(form["version"][:9]))["product"]
    given = dict(form)
    if not _CODE.fullmatch(code):
        error = gettext("The code has 3 to 40 capital letters, digits and hyphens.")
        return _editor(here, before, given, is_new=not before, error=error, status=422)
    try:
        own = {"institution_code": here.actor.institution, "institution_kind": here.institution_kind}
        body = body_of(form, form.getlist("category"), before) | own
        answer = api_of(here.actor).own("PUT", f"{_PATH}/{code}", json=body)
    except FormInvalid as wrong:
        return _editor(here, before, given, is_new=not before, error=wrong.message, status=422)
    except ApiRefused as refused:
        return _editor(here, before, given, is_new=not before, error=in_words(refused), status=422)
    subject = {"code": code, "version": answer["product"]["version"], "terms_sha256": answer["terms_sha256"]}
    acts.propose(here.actor, WROTE, subject, now)
    return see_other(flask.url_for("portal.bank.product", code=code, version=answer["product"]["version"]))


@blueprint.post("/products/<code>/<int:version>/count")
@at_desk("product_editor")
def count_product(here: LenderHere, now: datetime, code: str, version: int) -> ResponseReturnValue:
    """Count the firms of the last screening that a version is for."""
    try:
        counted = api_of(here.actor).own("POST", f"{_path(code, version)}/count")
    except ApiRefused as refused:
        return _show(here, now, code, version, error=in_words(refused), status=refused.status)
    return _show(here, now, code, version, counted=counted)


@blueprint.post("/products/<code>/<int:version>/check")
@at_desk("product_editor")
def check_product(here: LenderHere, now: datetime, code: str, version: int) -> ResponseReturnValue:
    """Confirm what a colleague wrote, on exactly the terms that were shown."""
    form = flask.request.form
    missing = lacking(here, form, now)
    if missing is not None:
        return _show(here, now, code, version, error=missing.text, status=missing.status)
    if acts.has_hand_in(here.actor, WROTE, {"code": code, "version": version}):
        error = gettext("Whoever wrote it cannot check it: a colleague does.")
        return _show(here, now, code, version, error=error, status=409)
    body = {"terms_sha256": form.get("terms_sha256", ""), "note": here.actor.login}
    return _step(here, now, code, version, "check", body, hand="checks")


@blueprint.post("/products/<code>/<int:version>/<any(publish, retire):step>")
@at_desk("product_editor")
def step_product(here: LenderHere, now: datetime, code: str, version: int, step: str) -> ResponseReturnValue:
    """Put a checked version on sale, or take one off."""
    missing = lacking(here, flask.request.form, now)
    if missing is not None:
        return _show(here, now, code, version, error=missing.text, status=missing.status)
    return _step(here, now, code, version, step, {"note": here.actor.login})


def states() -> dict[str, str]:
    """Return state of a version -> its words."""
    return {
        "draft": gettext("Draft"),
        "checked": gettext("Checked"),
        "scheduled": gettext("Scheduled"),
        "live": gettext("On sale"),
        "retired": gettext("Off sale"),
    }


def _step(
    here: LenderHere, now: datetime, code: str, version: int, step: str, body: object, *, hand: str = "acts"
) -> ResponseReturnValue:
    try:
        api_of(here.actor, hand=hand).own("POST", f"{_path(code, version)}/{step}", json=body)
    except ApiRefused as refused:
        if refused.status == 404:
            raise
        return _show(here, now, code, version, error=in_words(refused), status=refused.status)
    return see_other(flask.url_for("portal.bank.product", code=code, version=version))


def _path(code: str, version: int) -> str:
    if not _CODE.fullmatch(code):
        raise NotFound
    return f"{_PATH}/{code}/versions/{version}"


def _version(here: LenderHere, code: str, version: int) -> Answer:
    return api_of(here.actor).own("GET", _path(code, version), noted=False)


def _show(
    here: LenderHere,
    now: datetime,
    code: str,
    version: int,
    *,
    error: str | None = None,
    counted: Mapping[str, object] | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    found = _version(here, code, version)
    return show(
        "products/product.html", status=status, one=found, product=found["product"], states=states(), error=error,
        counted=counted, mine=acts.has_hand_in(here.actor, WROTE, {"code": code, "version": version}),
        ask_code=stepup.needs_code(here.account, now),
    )  # fmt: skip


def _editor(
    here: LenderHere,
    before: Answer,
    given: Answer,
    *,
    is_new: bool,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    kinds = items_of(api_of(here.actor).own("GET", "/v1/data-categories", noted=False))
    chosen = flask.request.form.getlist("category") or before.get("required_categories") or []
    return show(
        "products/edit.html", status=status, before=before, given=given, is_new=is_new, error=error,
        kinds=PRODUCT_KINDS, repayments=REPAYMENTS, categories=kinds, chosen=chosen, institution=here.institution_name,
    )  # fmt: skip


def _filled(product: Answer) -> dict[str, str]:
    """Return a product as the form's fields."""
    return {
        "code": product["code"],
        "name_zh": product["name_zh"],
        "name_en": product["name_en"],
        "kind": product["kind"],
        "amount_min": f"{product['amount_min_fen'] / 100:.0f}",
        "amount_max": f"{product['amount_max_fen'] / 100:.0f}",
        "term_min": str(product["term_months_min"]),
        "term_max": str(product["term_months_max"]),
        "rate_min": f"{product['rate_bps_min'] / 100:.2f}",
        "rate_max": f"{product['rate_bps_max'] / 100:.2f}",
        "fees": f"{(product.get('fees_bps') or 0) / 100:.2f}",
        "repayment": product.get("repayment") or "",
        "valid_from": str(product["valid_from"]),
        "rules": rules_text(product["rules"]),
    }
