"""The queue of cases as a table: sorted, narrowed, paged and exported by the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import flask
from flask_babel import gettext
from sqlalchemy import ColumnElement, Select, or_, select, true
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.portal.sheets.filling import of_query
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter, Value
from creditlink.portal.site import lang
from creditlink.portal.staff.reviews.listing import QueuedCase
from creditlink.reviews.rules.causes import CAUSES
from creditlink.reviews.rules.states import OPEN, STATES
from creditlink.reviews.tables import ReviewCase

_ALL = "all"


def sheet_of(session: Session, now: datetime) -> Sheet[QueuedCase]:
    """Return the queue, what is due first first; without a choice, what still wants a decision."""
    waits = ReviewCase.state.in_(OPEN) & (ReviewCase.due_at > now)
    asked_all = bool(flask.request.args.get("state", "").strip())
    states = [(_ALL, gettext("all")), *((name, _own(words)) for name, words in STATES.items())]
    causes = [(name, _own(words)) for name, words in CAUSES.items()]
    lines = _lines()
    return of_query(
        session, lines if asked_all else lines.where(waits), _columns(), (
            SheetFilter("state", gettext("State"), "choice", states, blank=gettext("waiting for a decision")),
            SheetFilter("cause", gettext("Cause"), "choice", causes),
            SheetFilter("firm", gettext("Firm, by name or code")),
        ),
        make=lambda row: QueuedCase(row[0], row[1], row[2], (row[3], row[4]), row[5], now),
        by={
            "due": ReviewCase.due_at, "firm": Enterprise.name, "bank": Institution.code, "state": ReviewCase.state,
            "reviewer": Account.display_name,
        },
        where={"state": _in_state(now), "cause": lambda cause: ReviewCase.causes.contains([cause]), "firm": _of_firm},
        then=ReviewCase.id, label=gettext("Cases"), first="due", empty=gettext("No case waits."),
    )  # fmt: skip


def _lines() -> Select[ReviewCase, str, str, str, str, str | None]:
    return (
        select(
            ReviewCase, Enterprise.name, Enterprise.uscc, Institution.name_zh, Institution.name_en, Account.display_name
        )
        .join(Enterprise, Enterprise.id == ReviewCase.enterprise_id)
        .join(Institution, Institution.id == ReviewCase.institution_id)
        .outerjoin(Account, Account.id == ReviewCase.claimed_by)
    )


def _in_state(now: datetime) -> Callable[[Value], ColumnElement[bool]]:
    """Return the condition of a state as the page shows it: what is late has expired, found by the sweep or not."""
    late = ReviewCase.state.in_(OPEN) & (ReviewCase.due_at <= now)

    def meets(state: Value) -> ColumnElement[bool]:
        if state == _ALL:
            return true()
        held = ReviewCase.state == state
        return or_(held, late) if state == "expired" else held & ~late

    return meets


def _of_firm(words: Value) -> ColumnElement[bool]:
    return or_(Enterprise.name.icontains(str(words), autoescape=True), Enterprise.uscc == str(words).upper())


def _columns() -> Sequence[SheetColumn[QueuedCase]]:
    between = "、" if lang() == "zh" else ", "
    return (
        SheetColumn("due", gettext("Due"), lambda one: one.row.due_at, "own"),
        SheetColumn(
            "firm", gettext("Firm"), lambda one: one.firm, note=lambda one: one.uscc,
            note_label=gettext("Code of the firm"),
            link=lambda one: flask.url_for("portal.staff_review", case_id=one.row.wire_id),
        ),
        SheetColumn("bank", gettext("Bank"), lambda one: _own(one.bank)),
        SheetColumn(
            "causes", gettext("Why a person looks"), lambda one: between.join(map(_own, one.causes)), sorts=False
        ),
        SheetColumn("result", gettext("The model's result"), _result, "own", sorts=False),
        SheetColumn(
            "state", gettext("State"), lambda one: _own(one.state),
            note=lambda one: "" if one.decision is None else _own(one.decision), note_label=gettext("Decision"),
        ),
        SheetColumn("reviewer", gettext("Reviewer"), lambda one: one.reviewer),
    )  # fmt: skip


def _result(one: QueuedCase) -> str:
    result = one.row.result
    return f"{result['grade']} {result['points']}" if result["state"] == "scored" else str(gettext("no score"))


def _own(words: tuple[str, str]) -> str:
    return words[0] if lang() == "zh" else words[1]
