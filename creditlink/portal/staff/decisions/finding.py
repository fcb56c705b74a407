"""The list of archived decisions, narrowed by what names them, by what people decided, or by what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import ColumnElement, case, true
from sqlalchemy.orm import Session

from creditlink.decisions.archive import Archive, DecisionQuery
from creditlink.decisions.classes import DECISION_RECORD
from creditlink.decisions.looks import found as looks
from creditlink.decisions.looks.marks import CODE, INDICATOR, mark_of
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.tables import DecisionRow
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.profile.codes import code_book
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.vocabulary import GRADES
from creditlink.enterprises.service import by_uscc
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.service import RegistrationRefused, institution_of
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of
from creditlink.kit.errors import InsufficientRole
from creditlink.kit.processes import runtime
from creditlink.portal.sheets.filling import export_of, of_query, status_of
from creditlink.portal.sheets.sheet import SheetColumn, SheetFilter, SheetRefused, Value
from creditlink.portal.site import blueprint, lang, page, settings
from creditlink.portal.staff.decisions.access import archive_transaction, purposes, reader_of
from creditlink.portal.staff.decisions.listing import OVERRIDES, Choices, ListedDecision, choices, overridden, wanted
from creditlink.portal.staff.guard import AtDesk, staff_signed_in

SAID = {"code": CODE, "indicator": INDICATOR}
"""Filter -> kind of the mark: whoever narrows by one learns what the decisions found say of it."""

MOST_FOUND = 200
"""Decisions of one answer at most that are found by what they say: each of their firms has it in its log."""


@blueprint.get("/staff/decisions")
@staff_signed_in
def decisions(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show decisions, newest first; what they say is on a page of their own, which leaves evidence."""
    reader = reader_of(here, flask.request.args.get("purpose", ""))
    with archive_transaction(here) as archive:
        found = of_query(
            archive, wanted(DecisionQuery()), _columns(), _filters(choices(archive), here),
            make=lambda row: ListedDecision(*row),
            by={
                "when": DecisionRow.decided_at, "firm": Enterprise.name, "bank": Institution.code,
                "grade": case({grade: place for place, grade in enumerate(GRADES)}, value=DecisionRow.grade),
                "model": DecisionRow.model_id, "kept": DecisionRow.keep_until,
            },
            where={
                "uscc": partial(_of_firm, archive), "bank": partial(_for_bank, archive),
                "since": lambda day: DecisionRow.as_of >= day, "until": lambda day: DecisionRow.as_of <= day,
                "grade": lambda grade: DecisionRow.grade == grade, "model": lambda model: DecisionRow.model_id == model,
                "bundle": lambda bundle: DecisionRow.bundle_sha256 == bundle,
                "override": lambda how: overridden(str(how)), "purpose": lambda _: true(),
                **{field: partial(_says, reader, kind) for field, kind in SAID.items()},
            },
            then=DecisionRow.id, label=gettext("Decisions"), first="-when",
            empty=gettext("No decision has been made yet."),
        )  # fmt: skip
        by = [(kind, str(found.asked.values[field])) for field, kind in SAID.items() if field in found.asked.values]
        if by and not found.refusal:
            if len(found.rows) > MOST_FOUND:
                told = gettext("More than %(most)s rows fit. Narrow the list first.", most=MOST_FOUND)
                found = replace(found, rows=(), refusal=told)
            rows = [one.row for one in found.rows]
            looks.note_found(archive, rows, reader, by=by, classes=runtime.part(Archive).classes, now=now)
        return export_of(found, name="decisions") or page(
            "staff/decisions/list.html", status=status_of(found), found=found
        )


def _columns() -> Sequence[SheetColumn[ListedDecision]]:
    return (
        SheetColumn("when", gettext("When"), lambda one: one.row.decided_at, "instant"),
        SheetColumn(
            "firm", gettext("Firm"), lambda one: one.firm, note=lambda one: one.uscc,
            note_label=gettext("Code of the firm"),
            link=lambda one: flask.url_for("portal.decision", decision_id=one.row.wire_id),
        ),
        SheetColumn("bank", gettext("Bank"), lambda one: one.bank_zh if lang() == "zh" else one.bank_en),
        SheetColumn(
            "grade", gettext("Grade"), lambda one: one.row.grade, text=lambda one: one.row.grade or gettext("no score")
        ),
        SheetColumn("model", gettext("Model"), lambda one: one.row.model_id),
        SheetColumn("kept", gettext("Kept until"), lambda one: day_of(one.row.keep_until), "day"),
    )  # fmt: skip


def _filters(offered: Choices, here: AtDesk) -> Sequence[SheetFilter[ListedDecision]]:
    banks = [(code, zh if lang() == "zh" else en) for code, zh, en in offered.banks]
    return (
        SheetFilter("uscc", gettext("Code of the firm")),
        SheetFilter("bank", gettext("Bank"), "choice", banks),
        SheetFilter("since", gettext("First day"), "day"),
        SheetFilter("until", gettext("Until the day"), "day"),
        SheetFilter("grade", gettext("Grade"), "choice", [(one, one) for one in offered.grades]),
        SheetFilter("model", gettext("Model"), "choice", [(one, one) for one in offered.models]),
        SheetFilter("override", gettext("What people decided"), "choice", _departures()),
        SheetFilter("code", gettext("Reason, knock-out or note for review"), "choice", _codes()),
        SheetFilter("indicator", gettext("Indicator that moved it by 5 points or more"), "choice", _indicators()),
        SheetFilter("purpose", gettext("Why you search by it"), "choice", purposes(here)),
        SheetFilter("bundle", "", "hidden"),
    )


def _of_firm(session: Session, code: Value) -> ColumnElement[bool]:
    firm = by_uscc(session, str(code).upper())
    if firm is None:
        raise SheetRefused("said", gettext("No firm has the code %(code)s.", code=str(code)[:40]))
    return DecisionRow.enterprise_id == firm.id


def _for_bank(session: Session, code: Value) -> ColumnElement[bool]:
    try:
        return DecisionRow.institution_id == institution_of(session, str(code)).id
    except RegistrationRefused:
        raise SheetRefused("choice", str(code)) from None


def _says(reader: Reader, kind: str, name: Value) -> ColumnElement[bool]:
    """Return the condition that a decision says something; whoever asks learns it, and so needs a purpose."""
    try:
        reader.check(runtime.part(Archive).classes.of(DECISION_RECORD))
    except InsufficientRole:
        told = gettext("Say why you search by what decisions say: the firms found read it in their logs.")
        raise SheetRefused("said", told) from None
    return DecisionRow.marks.contains([mark_of(kind, str(name), settings().secret_key)])


def _departures() -> list[tuple[str, str]]:
    words = [gettext("departed from the result"), gettext("loosened it")]
    words += [gettext("tightened it"), gettext("nobody departed")]
    return list(zip(OVERRIDES, words, strict=True))


def _codes() -> list[tuple[str, str]]:
    """Return every code that a decision may give, and what it is called."""
    book, label = code_book(runtime.part(LiveModel).rules), lang() == "zh"
    return [(one["code"], f"{one['code']} {one['label_zh'] if label else one['label_en']}") for one in book.items]


def _indicators() -> list[tuple[str, str]]:
    label = "label_zh" if lang() == "zh" else "label_en"
    return sorted(((name, getattr(one, label)) for name, one in BY_NAME.items()), key=lambda pair: pair[1])
