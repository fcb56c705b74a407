"""The registry's feed at the operator's desk, and the codes of firms that cannot be right until they are settled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import flask
import polars as pl
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises.registry import clearing, loads, tasks
from creditlink.enterprises.registry.clearing import ClearingQuery
from creditlink.enterprises.registry.tables import UsccClearing
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.csvexport import csv_of
from creditlink.portal.person import stepup
from creditlink.portal.sheets.filling import export_of, status_of
from creditlink.portal.site import blueprint, page, see_other
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, operating
from creditlink.portal.staff.operator.sheets import registered

_A_BATCH = 200


@blueprint.get("/staff/operator/registry")
@operating
def operator_registry(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show what the registry delivered, the latest first, and of which rows were kept aside."""
    found = registered.loads_of(session)
    return export_of(found, name="registry") or page(
        "staff/operator/registry.html", status=status_of(found), found=found
    )


@blueprint.get("/staff/operator/registry/<load_id>")
@operating
def operator_load(session: Session, here: AtDesk, now: datetime, load_id: str) -> ResponseReturnValue:
    """Show one delivery, and the rows that were kept aside with everything that is wrong with each."""
    load = loads.load_of(session, load_id)
    given = flask.request.args.get("after", "0")
    after = int(given) if given.isascii() and given.isdigit() and len(given) < 12 else 0
    refused = loads.refused_rows(session, load, after=after, limit=A_PAGE + 1)
    return page(
        "staff/operator/load.html",
        load=load,
        rows=loads.counts(session, load),
        refused=refused[:A_PAGE],
        after=refused[A_PAGE - 1]["row"] if len(refused) > A_PAGE else None,
    )


@blueprint.get("/staff/operator/codes")
@operating
def operator_clearing(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show the codes that are wrong, shared by two firms, or a slip of the pen away from another's."""
    return _show(session, here, now)


@blueprint.get("/staff/operator/codes.csv")
@operating
def export_codes(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Return the list as the file for the registrar; no text in it is a formula."""
    query = _query(_A_BATCH)
    rows = clearing.rows_of(session, query, today=day_of(now))
    audit.record(
        session, action="clearing.export", result="done", actor=here.actor.name, now=now,
        detail={"count": len(rows), "state": query.state, "kind": query.kind},
    )  # fmt: skip
    body = "\ufeff" + csv_of(pl.DataFrame(rows, schema=dict.fromkeys(clearing.COLUMNS, pl.String)))
    headers = {"Content-Disposition": 'attachment; filename="codes.csv"'}
    return flask.Response(body, content_type="text/csv; charset=utf-8", headers=headers)


@blueprint.post("/staff/operator/codes/<clearing_id>")
@operating
def settle_code(session: Session, here: AtDesk, now: datetime, clearing_id: str) -> ResponseReturnValue:
    """Claim an entry, confirm (with a code) or end an exception, or close what was corrected at the source."""
    item, doing = clearing.clearing_of(session, clearing_id), flask.request.form.get("doing", "")
    if doing not in _ACTS:
        raise NotFound
    if doing == "except":
        lacking = stepup.missing(session, here.account, flask.request.form, now)
        if lacking is not None:
            return _show(session, here, now, error=lacking.text, status=lacking.status)
    try:
        with session.begin_nested():
            _ACTS[doing](session, item, here, now)
    except InvalidRequest:
        return _show(session, here, now, error=gettext("Say why; an exception also needs a day to come."), status=422)
    except Conflict as conflict:
        return _show(session, here, now, error=str(conflict.detail), status=409)
    return see_other(flask.url_for("portal.operator_clearing"))


def _claim(session: Session, item: UsccClearing, here: AtDesk, now: datetime) -> None:
    clearing.assign(session, item, here.account.login, actor=here.actor.name, now=now)


def _except(session: Session, item: UsccClearing, here: AtDesk, now: datetime) -> None:
    try:
        ends_on = date.fromisoformat(flask.request.form.get("ends_on", ""))
    except ValueError:
        raise InvalidRequest("ends_on must be a day") from None
    clearing.confirm_exception(
        session, item, _why(), ends_on=ends_on, actor=here.actor.name, now=now, in_request=True
    )  # fmt: skip
    tasks.queue_exceptions(session)


def _expire(session: Session, item: UsccClearing, here: AtDesk, now: datetime) -> None:
    clearing.expire(session, item, _why(), actor=here.actor.name, now=now)


def _close(session: Session, item: UsccClearing, here: AtDesk, now: datetime) -> None:
    clearing.close(session, item, _why(), actor=here.actor.name, now=now)


def _why() -> str:
    return flask.request.form.get("why", "")


_ACTS: dict[str, Callable[[Session, UsccClearing, AtDesk, datetime], None]] = {
    "claim": _claim, "except": _except, "expire": _expire, "close": _close,
}  # fmt: skip


def _query(limit: int) -> ClearingQuery:
    given = flask.request.args
    state, kind = given.get("state", "open"), given.get("kind", "")
    return ClearingQuery(
        limit=limit,
        state=None if state == "all" else state if state in clearing.STATES else "open",
        kind=kind if kind in clearing.KINDS else None,
    )


def _show(
    session: Session, here: AtDesk, now: datetime, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    found = registered.codes_of(session, today=day_of(now))
    if found.asked.export and found.rows:
        audit.record(
            session, action="clearing.export", result="done", actor=here.actor.name, now=now,
            detail={"count": len(found.rows)} | dict(found.asked.written),
        )  # fmt: skip
    return export_of(found, name="codes") or page(
        "staff/operator/clearing.html",
        status=max(status, status_of(found)),
        found=found,
        state=flask.request.args.get("state", "open"),
        kind=flask.request.args.get("kind", ""),
        ask_code=stepup.needs_code(here.account, now),
        error=error,
    )
