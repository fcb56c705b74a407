"""The list of archived decisions, narrowed by firm, bank, day, grade, model and bundle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import ColumnElement, case
from sqlalchemy.orm import Session

from creditlink.decisions.archive import DecisionQuery
from creditlink.decisions.tables import DecisionRow
from creditlink.engine.vocabulary import GRADES
from creditlink.enterprises.service import by_uscc
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.service import RegistrationRefused, institution_of
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of
from creditlink.portal.sheets.filling import export_of, of_query, status_of
from creditlink.portal.sheets.sheet import SheetColumn, SheetFilter, SheetRefused, Value
from creditlink.portal.site import blueprint, lang, page
from creditlink.portal.staff.decisions.access import archive_transaction
from creditlink.portal.staff.decisions.listing import Choices, ListedDecision, choices, wanted
from creditlink.portal.staff.guard import AtDesk, staff_signed_in


@blueprint.get("/staff/decisions")
@staff_signed_in
def decisions(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show decisions, newest first; what they say is on a page of their own, which leaves evidence."""
    with archive_transaction(here) as archive:
        found = of_query(
            archive, wanted(DecisionQuery()), _columns(), _filters(choices(archive)),
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
            },
            then=DecisionRow.id, label=gettext("Decisions"), first="-when",
            empty=gettext("No decision has been made yet."),
        )  # fmt: skip
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


def _filters(offered: Choices) -> Sequence[SheetFilter[ListedDecision]]:
    banks = [(code, zh if lang() == "zh" else en) for code, zh, en in offered.banks]
    return (
        SheetFilter("uscc", gettext("Code of the firm")),
        SheetFilter("bank", gettext("Bank"), "choice", banks),
        SheetFilter("since", gettext("First day"), "day"),
        SheetFilter("until", gettext("Until the day"), "day"),
        SheetFilter("grade", gettext("Grade"), "choice", [(one, one) for one in offered.grades]),
        SheetFilter("model", gettext("Model"), "choice", [(one, one) for one in offered.models]),
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
