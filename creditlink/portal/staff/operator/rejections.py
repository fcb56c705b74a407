"""Rows of a source that did not read, at the operator's desk: looked at, handed to their office, dismissed."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.csvexport import csv_of
from creditlink.portal.sheets.filling import export_of, status_of
from creditlink.portal.site import blueprint, page, see_other
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, operating
from creditlink.portal.staff.operator.sheets import rejected
from creditlink.records import sources
from creditlink.records.rejections import desk, handed, queue
from creditlink.records.rejections.desk import ListedRejection
from creditlink.records.rejections.identity import STATES, RejectionState

MOST_EXPORTED = 10_000
"""Entries in one file; an office with more has one fault, not many."""

_LONGEST_NOTE = 500


@blueprint.get("/staff/operator/rejections")
@operating
def operator_rejections(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show the entries of one source in one state, as a table; that they were looked at is evidence."""
    given = flask.request.args
    return _show(session, here, now, given.get("source", "").strip(), given.get("state", "").strip() or "open")


@blueprint.post("/staff/operator/rejections/<source>")
@operating
def move_rejections(session: Session, here: AtDesk, now: datetime, source: str) -> ResponseReturnValue:
    """Bring the ticked entries into another state, all or none; or hand all open ones out as a file."""
    if source not in sources.current().config.sources:
        raise NotFound
    form = flask.request.form
    doing, seen = form.get("doing", ""), form.get("state", "open")
    if doing == "export":
        return _file(session, here, now, source)
    if doing not in ("sent", "dismissed", "open"):
        raise NotFound
    chosen = form.getlist("entry")[:A_PAGE]
    if not chosen:
        return _show(session, here, now, source, seen, error=gettext("Tick the rows first."), status=422)
    note = form.get("note", "").strip()[:_LONGEST_NOTE] or None
    try:
        with session.begin_nested():
            for wire_id in chosen:
                desk.move(
                    session, source, wire_id, cast(RejectionState, doing),
                    note=note if doing == "dismissed" else None, actor=here.actor.name, now=now,
                )  # fmt: skip
    except InvalidRequest:
        error = gettext("Say why the rows need no correction. Nothing was done.")
        return _show(session, here, now, source, seen, error=error, status=422)
    except Conflict as conflict:
        error = gettext("%(why)s. Nothing was done.", why=str(conflict.detail))
        return _show(session, here, now, source, seen, error=error, status=409)
    return see_other(flask.url_for("portal.operator_rejections", source=source, state=seen))


def _file(session: Session, here: AtDesk, now: datetime, source: str) -> ResponseReturnValue:
    """Return the open entries for their office, who then counts as told."""
    found: list[ListedRejection] = []
    cursor: str | None = None
    while len(found) < MOST_EXPORTED:
        more, cursor = desk.page_of(session, source, state="open", cursor=cursor, limit=500)
        found += more
        if cursor is None:
            break
    body = "\ufeff" + csv_of(handed.frame_of(found))
    if flask.request.form.get("sent") == "yes":
        desk.mark_sent(session, found, actor=here.actor.name, now=now)
    desk.note_reading(session, source, len(found), act="export", actor=here.actor.name, now=now)
    headers = {"Content-Disposition": f'attachment; filename="rejected-{source}.csv"'}
    return flask.Response(body, content_type="text/csv; charset=utf-8", headers=headers)


def _show(
    session: Session, here: AtDesk, now: datetime, source: str, state: str, *, error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:  # fmt: skip
    known = queue.counts(session)
    counts = {name: known.get(name, dict.fromkeys(STATES, 0)) for name in sources.current().config.sources}
    chosen = source if source in counts else max(counts, key=lambda name: counts[name]["open"], default="")
    within = state if state in STATES else "open"
    found = rejected.sheet_of(session, chosen, within, counts)
    if found.rows:
        act = "export" if found.asked.export else "read"
        desk.note_reading(session, chosen, len(found.rows), act=act, actor=here.actor.name, now=now)
    return export_of(found, name="rejected") or page(
        "staff/operator/rejections.html",
        status=max(status, status_of(found)),
        source=chosen,
        state=within,
        found=found,
        error=error,
    )
