"""Fills a table from rows at hand or from a query, as the address of the request asks, and answers with its CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVarTuple

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import ColumnElement, Select, SQLColumnExpression, func, literal, select
from sqlalchemy import Row as Fetched
from sqlalchemy.orm import Session

from creditlink.portal.sheets.sheet import (
    A_PAGE,
    MOST,
    Row,
    Sheet,
    SheetAsked,
    SheetColumn,
    SheetFilter,
    SheetRefused,
    Value,
    asked_of,
    csv_text,
    kept,
    ordered,
)

Columns = TypeVarTuple("Columns")
Condition = Callable[[Value], ColumnElement[bool]]


def of_rows(
    rows: Sequence[Row],
    columns: Sequence[SheetColumn[Row]],
    filters: Sequence[SheetFilter[Row]] = (),
    *,
    label: str,
    first: str,
    prefix: str = "",
    empty: str = "",
    per_page: int = A_PAGE,
) -> Sheet[Row]:
    """Return a table of rows that are at hand, all of them.

    Parameters
    ----------
    label : what the table is, for who hears it.
    first : the order where none is asked for, `name` or `-name`.
    empty : what to say where there is nothing at all.
    """
    asked, refused = _asked(columns, filters, first=first, prefix=prefix)
    found: list[Row] = [] if refused else ordered(kept(rows, filters, asked.values), columns, asked)
    refused = refused or _beyond(asked, len(found), per_page)
    start = (asked.page - 1) * per_page
    shown = found if asked.export else found[start : start + per_page]
    return Sheet(label, columns, filters, asked, shown, len(found), prefix, empty, _in_words(refused), per_page)


def of_query(
    session: Session,
    wanted: Select[*Columns],
    columns: Sequence[SheetColumn[Row]],
    filters: Sequence[SheetFilter[Row]] = (),
    *,
    make: Callable[[Fetched[*Columns]], Row],
    by: Mapping[str, SQLColumnExpression[object]],
    where: Mapping[str, Condition],
    then: SQLColumnExpression[object],
    label: str,
    first: str,
    prefix: str = "",
    empty: str = "",
    per_page: int = A_PAGE,
) -> Sheet[Row]:
    """Return a table of the rows of a query; the database sorts, filters and cuts.

    Parameters
    ----------
    make : makes a row of the table of what the query returns.
    by : for each column that sorts, what the database sorts by.
    where : for each filter, the condition that its value means; it may raise `SheetRefused`.
    then : what orders rows that are equal, so that pages do not overlap.
    """
    asked, refused = _asked(columns, filters, first=first, prefix=prefix)
    rows: list[Row] = []
    total = 0
    if refused is None:
        try:
            met = wanted.where(*(where[name](value) for name, value in asked.values.items()))
            lines = met.with_only_columns(literal(1), maintain_column_froms=True).limit(MOST + 1)
            counted = select(func.count()).select_from(lines.subquery())
            total = session.scalar(counted) or 0
            refused = _beyond(asked, total, per_page)
        except SheetRefused as found:
            refused = found
    if refused is None:
        order = by[asked.sort].desc().nulls_last() if asked.falls else by[asked.sort].asc().nulls_last()
        cut = met.order_by(order, then.desc())
        cut = cut.limit(MOST) if asked.export else cut.offset((asked.page - 1) * per_page).limit(per_page)
        rows = [make(row) for row in session.execute(cut)]
    return Sheet(label, columns, filters, asked, rows, total, prefix, empty, _in_words(refused), per_page)


def export_of(*sheets: Sheet[Row], name: str) -> ResponseReturnValue | None:
    """Return the CSV that the address asks for, of one of a page's tables; None: it asks for the page."""
    for sheet in sheets:
        if sheet.asked.export and not sheet.refusal:
            response = flask.Response(csv_text(sheet), content_type="text/csv; charset=utf-8")
            response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
            return response
    return None


def status_of(*sheets: Sheet[Row]) -> int:
    """Return the status of a page: 422 where one of its tables was asked for what it cannot show."""
    return 422 if any(sheet.refusal for sheet in sheets) else 200


def _asked(
    columns: Sequence[SheetColumn[Row]], filters: Sequence[SheetFilter[Row]], *, first: str, prefix: str
) -> tuple[SheetAsked, SheetRefused | None]:
    """Return what is asked; where that cannot be, the table as it starts, with what was typed, and why not."""
    arguments = list(flask.request.args.items(multi=True))
    try:
        return asked_of(arguments, columns, filters, first=first, prefix=prefix), None
    except SheetRefused as refused:
        started = asked_of([], columns, filters, first=first, prefix=prefix)
        typed = {each.name: flask.request.args.get(prefix + each.name, "")[:200] for each in filters}
        written = {name: text for name, text in typed.items() if text}
        return SheetAsked(started.sort, started.falls, 1, False, {}, written, started.others), refused


def _beyond(asked: SheetAsked, total: int, per_page: int) -> SheetRefused | None:
    if asked.export and total > MOST:
        return SheetRefused("narrow")
    start = (asked.page - 1) * per_page
    if asked.page > 1 and not asked.export and start >= min(total, MOST):
        return SheetRefused("page", str(asked.page))
    return None


def _in_words(refused: SheetRefused | None) -> str:
    if refused is None:
        return ""
    if refused.what == "said":
        return refused.text
    text = refused.text[:40]
    words = {
        "day": gettext("%(text)s is not a day (YYYY-MM-DD).", text=text),
        "number": gettext("%(text)s is not a number.", text=text),
        "choice": gettext("%(text)s cannot be chosen here.", text=text),
        "narrow": gettext("More than %(most)s rows fit. Narrow the list first.", most=f"{MOST:,}"),
    }
    return str(words.get(refused.what, gettext("This page of the list does not exist any more.")))
