"""The list of archived decisions, narrowed by what names them, by what people decided, or by what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.decisions.archive import Archive, DecisionQuery
from creditlink.decisions.classes import DECISION_RECORD
from creditlink.decisions.looks import found as looks
from creditlink.decisions.looks.marks import CODE, INDICATOR, mark_of
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.profile.codes import code_book
from creditlink.engine.profile.live_model import LiveModel
from creditlink.enterprises.service import by_uscc
from creditlink.institutions.service import RegistrationRefused, institution_of
from creditlink.kit.errors import InsufficientRole, InvalidRequest
from creditlink.kit.processes import runtime
from creditlink.portal.site import blueprint, lang, page, settings
from creditlink.portal.staff.decisions.access import archive_transaction, purposes, reader_of
from creditlink.portal.staff.decisions.listing import OVERRIDES, ListedDecision, choices, listed, overridden
from creditlink.portal.staff.guard import AtDesk, staff_signed_in

_A_PAGE = 25
NAMED = ("uscc", "bank", "since", "until", "grade", "model", "bundle", "override")
SAID = {"code": CODE, "indicator": INDICATOR}
"""Field of the form -> kind of the mark: whoever narrows by one learns what the decisions found say of it."""


class FilterRefused(Exception):
    """A field of the form holds what it cannot; the message says which and what."""


@blueprint.get("/staff/decisions")
@staff_signed_in
def decisions(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show decisions, newest first; what they say is on a page of their own, which leaves evidence."""
    asked = {name: flask.request.args.get(name, "").strip() for name in (*NAMED, *SAID, "purpose")}
    error, found, cursor = None, list[ListedDecision](), None
    with archive_transaction(here) as archive:
        offered = choices(archive)
        try:
            query = replace(query_of(archive, asked), limit=_A_PAGE)
            after = flask.request.args.get("cursor") or None
            further = [overridden(asked["override"])] if asked["override"] else []
            by, reader = _said(asked), reader_of(here, asked["purpose"])
            if by:
                reader.check(runtime.part(Archive).classes.of(DECISION_RECORD))
                query = replace(query, marks=tuple(mark_of(*one, settings().secret_key) for one in by))
            found, cursor = listed(archive, query, cursor=after, further=further)
            if by:
                rows = [one.row for one in found]
                looks.note_found(archive, rows, reader, by=by, classes=runtime.part(Archive).classes, now=now)
        except InsufficientRole:
            error = gettext("Say why you search by what decisions say: the firms found read it in their logs.")
        except InvalidRequest:
            error = gettext("This page of the list does not exist any more.")
        except FilterRefused as refused:
            error = str(refused)
        return page(
            "staff/decisions/list.html",
            status=200 if error is None else 422,
            asked=asked,
            narrowed={name: value for name, value in asked.items() if value and name != "purpose"},
            kept={name: value for name, value in asked.items() if value},
            offered=offered,
            codes=codes(),
            indicators=sorted((getattr(one, _label()), name) for name, one in BY_NAME.items()),
            purposes=purposes(here),
            found=[] if error else found,
            cursor=cursor,
            error=error,
        )


def query_of(session: Session, asked: Mapping[str, str]) -> DecisionQuery:
    """Return the decisions that a form's fields name.

    Raises
    ------
    FilterRefused
        A field holds what it cannot.
    """
    firm = by_uscc(session, asked["uscc"].upper()) if asked.get("uscc") else None
    if asked.get("uscc") and firm is None:
        raise FilterRefused(gettext("No firm has the code %(code)s.", code=asked["uscc"][:40]))
    try:
        bank = institution_of(session, asked["bank"]) if asked.get("bank") else None
    except RegistrationRefused:
        raise FilterRefused(gettext("No institution has the code %(code)s.", code=asked["bank"][:40])) from None
    if asked.get("override", "") not in ("", *OVERRIDES):
        raise FilterRefused(gettext("%(text)s is not one of the choices.", text=asked["override"][:40]))
    return DecisionQuery(
        enterprise_id=None if firm is None else firm.id,
        institution_id=None if bank is None else bank.id,
        since=_day(asked, "since"),
        until=_day(asked, "until"),
        grade=asked.get("grade") or None,
        model_id=asked.get("model") or None,
        bundle_sha256=asked.get("bundle") or None,
    )


def _day(asked: Mapping[str, str], name: str) -> date | None:
    if not asked.get(name):
        return None
    try:
        return date.fromisoformat(asked[name])
    except ValueError:
        raise FilterRefused(gettext("%(text)s is not a day (YYYY-MM-DD).", text=asked[name][:40])) from None


def _said(asked: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return kind and name of what decisions should say; only what the books know, so that evidence names nothing else.

    Raises
    ------
    FilterRefused
    """
    said = [(kind, asked[field]) for field, kind in SAID.items() if asked[field]]
    known = {CODE: {code for code, _ in codes()}, INDICATOR: set(BY_NAME)}
    for kind, name in said:
        if name not in known[kind]:
            raise FilterRefused(gettext("%(text)s is not one of the choices.", text=name[:40]))
    return said


def codes() -> list[tuple[str, str]]:
    """Return every code that a decision may give, and what it is called."""
    book, is_zh = code_book(runtime.part(LiveModel).rules), lang() == "zh"
    return [(one["code"], one["label_zh"] if is_zh else one["label_en"]) for one in book.items]


def _label() -> str:
    return "label_zh" if lang() == "zh" else "label_en"
