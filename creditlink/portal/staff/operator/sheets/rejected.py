"""Rows of a source that did not read, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import flask
from flask_babel import gettext, ngettext
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Enterprise
from creditlink.portal.sheets.filling import of_query
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter
from creditlink.portal.staff.operator.sheets.offices import office_name
from creditlink.records.rejections.desk import ListedRejection
from creditlink.records.rejections.identity import STATES
from creditlink.records.tables import RejectedRow

_CLOSED = ("dismissed", "corrected")


def sheet_of(
    session: Session, source: str, state: str, counts: Mapping[str, Mapping[str, int]]
) -> Sheet[ListedRejection]:
    """Return the entries of one source in one state, those met last first.

    `counts` are the entries of each source by state; no filter takes a firm's code, which no address may hold.
    """
    wanted = select(RejectedRow, Enterprise.uscc).join(Enterprise, Enterprise.id == RejectedRow.enterprise_id)
    if not flask.request.args.get("source", "").strip():
        wanted = wanted.where(RejectedRow.source == source)
    if not flask.request.args.get("state", "").strip():
        wanted = wanted.where(RejectedRow.state == state)
    words = state_words()
    offices = [(name, f"{office_name(name)} ({of_states['open']})") for name, of_states in counts.items()]
    states: list[tuple[str, str]] = [
        (name, f"{words[name]} ({counts[source][name]})" if source else words[name]) for name in STATES
    ]
    return of_query(
        session, wanted, _columns(state), (
            SheetFilter("source", gettext("Office"), "choice", offices, blank=dict(offices).get(source, "")),
            SheetFilter("state", gettext("State"), "choice", states, blank=dict(states)[state]),
            SheetFilter("resource", gettext("Record")),
            SheetFilter("field", gettext("Field")),
            SheetFilter("reason", gettext("What is wrong")),
        ),
        make=lambda row: ListedRejection(*row),
        by={
            "met": RejectedRow.seen_at, "record": RejectedRow.resource, "field": RejectedRow.field,
            "times": RejectedRow.times, "first": RejectedRow.recorded_at,
        },
        where={
            "source": lambda name: RejectedRow.source == name,
            "state": lambda name: RejectedRow.state == name,
            "resource": lambda words: or_(
                RejectedRow.resource.icontains(str(words), autoescape=True), RejectedRow.record_id == str(words)
            ),
            "field": lambda words: RejectedRow.field.icontains(str(words), autoescape=True),
            "reason": lambda words: RejectedRow.reason.icontains(str(words), autoescape=True),
        },
        then=RejectedRow.id, label=gettext("Rejected rows"), first="-met", empty=gettext("No row is in this state."),
    )  # fmt: skip


def state_words() -> dict[str, str]:
    """Return the states in words."""
    return {
        "open": gettext("Not sent back"),
        "sent": gettext("With the office"),
        "corrected": gettext("Corrected"),
        "dismissed": gettext("Dismissed"),
    }


def _columns(state: str) -> Sequence[SheetColumn[ListedRejection]]:
    def times(one: ListedRejection) -> str:
        return str(ngettext("%(n)d time", "%(n)d times", one.row.times, n=one.row.times))

    columns: list[SheetColumn[ListedRejection]] = [
        SheetColumn("row", gettext("Row"), lambda one: one.wire_id, "own", sorts=False),
        SheetColumn("firm", gettext("Firm"), lambda one: one.uscc, sorts=False),
        SheetColumn(
            "record", gettext("Record"), lambda one: one.row.resource,
            note=lambda one: one.row.record_id or one.row.position, note_label=gettext("Record's number or place"),
        ),
        SheetColumn(
            "field", gettext("Field and value"), lambda one: one.row.field, note=lambda one: one.row.excerpt,
            note_label=gettext("Value"),
        ),
        SheetColumn("reason", gettext("What is wrong"), lambda one: one.row.reason, sorts=False),
        SheetColumn("met", gettext("Met"), lambda one: one.row.seen_at, "instant", note=times),
        SheetColumn("times", gettext("Times"), lambda one: one.row.times, "number"),
        SheetColumn("first", gettext("Met first"), lambda one: one.row.recorded_at, "instant"),
    ]  # fmt: skip
    if state in _CLOSED:
        columns += [SheetColumn("note", gettext("Why closed"), lambda one: one.row.note, sorts=False)]
    return columns
