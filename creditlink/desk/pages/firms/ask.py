"""Asking a firm for its consent: into its inbox, or by a code that it scans."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk import asking
from creditlink.desk.asking import Asked
from creditlink.desk.site import LenderHere, at_desk, blueprint, in_words, show
from creditlink.desk.wire.sending import api_of, items_of
from creditlink.desk.wire.software import ApiRefused
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.kit import uscc as uscc_rules
from creditlink.portal.site import fair_use, lang, see_other

_LONGEST_LABEL = 60
_LONGEST_BINDING = 64
_MONTHS = (6, 12, 13, 24, 36)


@blueprint.get("/ask")
@at_desk("lender")
def ask(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show the form."""
    del now
    return _form(here, flask.request.args)


@blueprint.post("/ask")
@at_desk("lender")
def ask_submit(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Send the request; nothing of the firm is known from the answer, not even whether there is such a firm."""
    form = flask.request.form
    try:
        asked = _read(form, now)
    except ValueError as wrong:
        return _form(here, form, error=str(wrong), status=422)
    api = api_of(here.actor)
    try:
        if form.get("channel") == "code":
            kept, _ = asking.ask_by_code(api, asked, here.actor.institution, now)
        else:
            kept = asking.ask_in_inbox(api, asked, now)
    except ApiRefused as refused:
        return _form(here, form, error=in_words(refused), status=422)
    return see_other(flask.url_for("portal.bank.firm", request_id=kept.wire_id))


def _read(form: Mapping[str, str], now: datetime) -> Asked:
    """Return what the form asks for.

    Raises
    ------
    ValueError
        A field is wrong; the message is for the lender.
    """
    label, binding = " ".join(form.get("label", "").split()), form.get("binding", "").strip()
    if not (1 <= len(label) <= _LONGEST_LABEL and label.isprintable()):
        raise ValueError(gettext("Write what you call the firm, in at most %(most)d characters.", most=_LONGEST_LABEL))
    if len(binding) > _LONGEST_BINDING or not binding.isprintable():
        raise ValueError(gettext("The reference has at most %(most)d characters.", most=_LONGEST_BINDING))
    code = form.get("uscc", "").strip()
    checked = uscc_rules.check(code)
    if form.get("channel") != "code" and not code:
        raise ValueError(gettext("The inbox of which firm? Its unified social credit code is needed."))
    if code and (not code.isascii() or not checked.well_formed):
        raise ValueError(gettext("The unified social credit code is not right."))
    purpose, days, months = form.get("purpose", ""), form.get("days", ""), form.get("months", "")
    rules = fair_use().for_lenders
    if purpose not in rules or not (days.isascii() and days.isdigit() and len(days) < 6) or int(days) < 1:
        raise ValueError(gettext("Choose a purpose, and how many days the consent is to run."))
    if months not in {str(one) for one in _MONTHS}:
        raise ValueError(gettext("Choose how many months back."))
    names = flask.request.form.getlist("category")
    if not names:
        raise ValueError(gettext("Choose at least one kind of data."))
    until = now + timedelta(days=int(days))
    return Asked(
        uscc=checked.uscc if code else None, label=label, purpose=purpose, categories=names,
        optional=[one for one in flask.request.form.getlist("optional") if one in names],
        history_months=int(months), valid_until=until.isoformat(timespec="seconds"), binding=binding,
    )  # fmt: skip


def _form(
    here: LenderHere, given: Mapping[str, str], *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    api = api_of(here.actor)
    kinds = [
        one
        for one in items_of(api.own("GET", "/v1/data-categories", noted=False))
        if one.get("source") and one["code"] not in PUBLIC_CATEGORIES
    ]
    own = lang()
    purposes = [
        (name, rules.label_zh if own == "zh" else rules.label_en, rules.consent_days)
        for name, rules in fair_use().for_lenders.items()
    ]
    return show(
        "firms/ask.html", status=status, institution=here.institution_name, kinds=kinds, purposes=purposes,
        months=_MONTHS, given=given, error=error,
        chosen=flask.request.form.getlist("category") or ["tax", "social_security", "electricity"],
        optional=flask.request.form.getlist("optional"),
    )  # fmt: skip
