"""The evidence searched by who, what, firm and time, and a firm's chain checked; each search is evidence itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import flask
import polars as pl
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import literal, select, tuple_
from sqlalchemy.orm import Session

from creditlink.audit import chain, service
from creditlink.audit.tables import AuditEntry
from creditlink.enterprises import accounts
from creditlink.enterprises.service import by_uscc
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.clock import SHANGHAI, day_of, start_of_day
from creditlink.kit.files.csvexport import csv_of
from creditlink.portal.sheets.sheet import MOST
from creditlink.portal.site import blueprint, page
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, searching

FIELDS = ("actor", "action", "uscc", "since", "until", "result", "order")
"""They come in the body of a form: no address and no log of addresses holds a firm's code."""
LONGEST_CHECK = 20_000
"""A chain with more links is checked on the command line: a page does not wait that long."""

_COLUMNS = ("at", "who", "action", "purpose", "firm", "result", "link", "detail")
_LATELY = timedelta(days=7)
_LONGEST = 200
_PERSON = "staff:"
_ACCOUNT = "account:"


class SearchRefused(Exception):
    """A field holds what cannot be looked for; the message says which and what."""


@dataclass(frozen=True)
class FoundEntry:
    """An entry of the evidence with names beside ids."""

    row: AuditEntry
    who: str
    firm: str | None


@dataclass(frozen=True)
class CheckedChain:
    """What the check of a firm's chain said: how many links, and the first break."""

    links: int
    broken: chain.Break | None
    too_long: bool = False


@blueprint.get("/staff/operator/evidence")
@searching
def operator_evidence(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show the form: nothing is looked at before somebody says for what."""
    return _page(_asked(now))


@blueprint.post("/staff/operator/evidence")
@searching
def search_evidence(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show a page of entries, the latest first, or check a firm's chain; a firm sees in its log that it was named."""
    asked, form = _asked(now), flask.request.form
    try:
        firm = _firm(session, asked["uscc"])
        if form.get("doing") == "check":
            if firm is None:
                raise SearchRefused(gettext("Name the firm whose chain is to be checked."))
            checked = _check(session, firm)
            _note(session, here, now, asked, firm, doing="check", count=checked.links)
            return _page(asked, checked=checked, firm=firm)
        is_export = form.get("doing") == "export"
        found, following = _found(session, asked, firm, form.get("before", ""), MOST if is_export else A_PAGE)
        if is_export and following is not None:
            raise SearchRefused(gettext("More than %(most)s rows fit. Narrow the list first.", most=f"{MOST:,}"))
    except SearchRefused as refused:
        return _page(asked, error=str(refused), status=422)
    _note(session, here, now, asked, firm, doing="export" if is_export else "search", count=len(found))
    if is_export:
        return _file(found)
    return _page(asked, found=found, following=following, searched=True)


def _asked(now: datetime) -> dict[str, str]:
    asked = {name: flask.request.form.get(name, "").strip()[:_LONGEST] for name in FIELDS}
    if flask.request.method == "GET":
        asked["since"] = day_of(now - _LATELY).isoformat()
    return asked


def _firm(session: Session, uscc: str) -> Enterprise | None:
    firm = by_uscc(session, uscc.upper()) if uscc else None
    if uscc and firm is None:
        raise SearchRefused(gettext("No firm has the code %(code)s.", code=uscc[:40]))
    return firm


def _found(
    session: Session, asked: dict[str, str], firm: Enterprise | None, before: str, limit: int
) -> tuple[list[FoundEntry], int | None]:
    rises = asked["order"] == "oldest"
    order = (AuditEntry.at, AuditEntry.id) if rises else (AuditEntry.at.desc(), AuditEntry.id.desc())
    wanted = select(AuditEntry).order_by(*order)
    if firm is not None:
        wanted = wanted.where(AuditEntry.enterprise_id == firm.id)
    if asked["action"]:
        wanted = wanted.where(AuditEntry.action == asked["action"])
    if asked["actor"]:
        wanted = wanted.where(AuditEntry.actor == _actor(session, asked["actor"]))
    if asked["result"]:
        wanted = wanted.where(AuditEntry.result == asked["result"])
    since, until = _day(asked["since"]), _day(asked["until"])
    if since is not None:
        wanted = wanted.where(AuditEntry.at >= start_of_day(since))
    if until is not None:
        wanted = wanted.where(AuditEntry.at < start_of_day(until + timedelta(days=1)))
    if before:
        last = session.get(AuditEntry, int(before)) if _is_number(before) else None
        if last is None:
            raise SearchRefused(gettext("This page of the list does not exist any more."))
        here, place = tuple_(AuditEntry.at, AuditEntry.id), tuple_(literal(last.at), literal(last.id))
        wanted = wanted.where(here > place if rises else here < place)
    rows = session.scalars(wanted.limit(limit + 1)).all()
    shown = rows[:limit]
    people = _people(session, [row.actor for row in shown])
    about = {row.enterprise_id for row in shown if row.enterprise_id is not None}
    firms = dict(session.execute(select(Enterprise.id, Enterprise.name).where(Enterprise.id.in_(about))).all())
    found = [
        FoundEntry(
            row, people.get(row.actor, row.actor), None if row.enterprise_id is None else firms.get(row.enterprise_id)
        )
        for row in shown
    ]
    return found, shown[-1].id if len(rows) > limit else None


def _file(found: list[FoundEntry]) -> ResponseReturnValue:
    """Return entries as CSV; no text in it is a formula."""
    rows = [
        {
            "at": one.row.at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S"),
            "who": one.who,
            "action": one.row.action,
            "purpose": one.row.purpose or "",
            "firm": one.firm or "",
            "result": one.row.result,
            "link": str(one.row.seq),
            "detail": json.dumps(one.row.detail, ensure_ascii=False),
        }
        for one in found
    ]
    body = "\ufeff" + csv_of(pl.DataFrame(rows, schema=dict.fromkeys(_COLUMNS, pl.String)))
    headers = {"Content-Disposition": 'attachment; filename="evidence.csv"'}
    return flask.Response(body, content_type="text/csv; charset=utf-8", headers=headers)


def _actor(session: Session, given: str) -> str:
    """Return an actor as the evidence names it: given by that name, or by a login."""
    account = None if ":" in given else accounts.by_login(session, given)
    if account is None:
        return given
    return f"{_PERSON if account.role == 'staff' else _ACCOUNT}{account.id}"


def _people(session: Session, actors: list[str]) -> dict[str, str]:
    """Return names by actor; of firms' people none: their accounts are not what evidence is searched for."""
    ids = {actor: UUID(actor.removeprefix(_PERSON)) for actor in actors if actor.startswith(_PERSON)}
    rows = session.execute(select(Account.id, Account.display_name).where(Account.id.in_(ids.values())))
    names = dict(rows.all())
    return {actor: names.get(account, actor) for actor, account in ids.items()}


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise SearchRefused(gettext("%(text)s is not a day (YYYY-MM-DD).", text=text[:40])) from None
    if not date(2000, 1, 1) <= found <= date(2200, 1, 1):
        raise SearchRefused(gettext("%(text)s is not a day (YYYY-MM-DD).", text=text[:40]))
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _check(session: Session, firm: Enterprise) -> CheckedChain:
    links = service.head_of(session, firm.id).seq
    if links > LONGEST_CHECK:
        return CheckedChain(links, None, too_long=True)
    return CheckedChain(links, service.check(session, firm.id))


def _note(
    session: Session, here: AtDesk, now: datetime, asked: dict[str, str], firm: Enterprise | None, *, doing: str,
    count: int,
) -> None:  # fmt: skip
    role = here.actor.acting_as("auditor", "risk", "operator")
    given = {name: value for name, value in asked.items() if value and name != "uscc"}
    service.record(
        session, action=f"evidence.{doing}", result="disclosed", actor=here.actor.name, now=now,
        enterprise_id=None if firm is None else firm.id, detail={**given, "role": role, "count": count},
    )  # fmt: skip


def _page(
    asked: dict[str, str], *, found: list[FoundEntry] | None = None, following: int | None = None,
    searched: bool = False, checked: CheckedChain | None = None, firm: Enterprise | None = None,
    error: str | None = None, status: int = 200,
) -> ResponseReturnValue:  # fmt: skip
    return page(
        "staff/operator/evidence.html",
        status=status,
        asked=asked,
        found=found or [],
        following=following,
        searched=searched,
        checked=checked,
        firm=firm,
        error=error,
    )
