"""The consent funnel and the regulator's figures as a page, and the figures as a file."""

from __future__ import annotations

from datetime import datetime

import flask
import polars as pl
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.consents import funnel, readings
from creditlink.consents.agreement.questions import ANSWERS, NAMES
from creditlink.engine.vocabulary import FEWEST_FIRMS, GRADES
from creditlink.kit.files.csvexport import csv_of
from creditlink.portal.site import blueprint, lang, page
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import operating
from creditlink.portal.staff.operator.figures.counting import KINDS, NO_GRADE, CalendarQuarter, firms_by, quarters
from creditlink.portal.staff.operator.figures.hiding import OTHER, SafeTable, safe_table
from creditlink.portal.staff.operator.figures.regions import name_of
from creditlink.portal.staff.operator.figures.sections import section_name


@blueprint.get("/staff/operator/figures")
@operating
def operator_figures(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show the funnel of the last 30 days, and a quarter's figures with small numbers hidden."""
    kind, quarter = _asked(now)
    reached = funnel.counts(session, now)
    table = safe_table(firms_by(session, kind, quarter), least=FEWEST_FIRMS)
    return page(
        "staff/operator/figures.html",
        stages=[(stage, reached.get(stage)) for stage in funnel.STAGES],
        most=max(reached.values(), default=1),
        read=_read_table(session, now),
        times=readings.times(session, now),
        days=funnel.WINDOW.days,
        kind=kind,
        kinds=KINDS,
        quarter=quarter,
        quarters=quarters(now),
        table=table and _ordered(table, kind),
        least=FEWEST_FIRMS,
        other=OTHER,
        city=_city,
        column=lambda name: _column(name, kind),
    )


@blueprint.get("/staff/operator/figures.csv")
@operating
def export_figures(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Return a quarter's figures as CSV, as the page shows them; that they went out is evidence."""
    kind, quarter = _asked(now)
    table = safe_table(firms_by(session, kind, quarter), least=FEWEST_FIRMS)
    audit.record(
        session, action="figures.export", result="done", actor=here.actor.name, now=now,
        detail={"kind": kind, "quarter": quarter.name, "least": FEWEST_FIRMS},
    )  # fmt: skip
    body = "\ufeff" + csv_of(_frame(_ordered(table, kind) if table else None, kind))
    headers = {"Content-Disposition": f'attachment; filename="{kind}-{quarter.name}.csv"'}
    return flask.Response(body, content_type="text/csv; charset=utf-8", headers=headers)


def _read_table(session: Session, now: datetime) -> SafeTable | None:
    """Return how the consent page's questions were answered, in its own order; None: by too few firms."""
    table = safe_table(readings.answers(session, now), least=FEWEST_FIRMS)
    if table is None:
        return None
    columns = [name for name in (*ANSWERS, OTHER) if name in table.columns]
    rows = [name for name in (*NAMES, OTHER) if name in table.rows]
    across, down = [table.columns.index(name) for name in columns], [table.rows.index(name) for name in rows]
    return SafeTable(
        tuple(rows), tuple(columns), tuple(tuple(table.cells[r][c] for c in across) for r in down),
        tuple(table.row_totals[r] for r in down), tuple(table.column_totals[c] for c in across), table.total,
    )  # fmt: skip


def _asked(now: datetime) -> tuple[str, CalendarQuarter]:
    given, offered = flask.request.args, quarters(now)
    kind = given.get("kind", "")
    chosen = next((one for one in offered if one.name == given.get("quarter")), offered[0])
    return kind if kind in KINDS else KINDS[0], chosen


def _ordered(table: SafeTable, kind: str) -> SafeTable:
    """Return a table of grades with its columns from the best grade to the worst."""
    if kind != "grades":
        return table
    places = [name for name in (*GRADES, NO_GRADE, OTHER) if name in table.columns]
    at = [table.columns.index(name) for name in places]
    cells = tuple(tuple(line[k] for k in at) for line in table.cells)
    down = tuple(table.column_totals[k] for k in at)
    return SafeTable(table.rows, tuple(places), cells, table.row_totals, down, table.total)


def _frame(table: SafeTable | None, kind: str) -> pl.DataFrame:
    if table is None:
        return pl.DataFrame(schema={"city": pl.String})
    hidden = gettext("hidden")

    def shown(number: int | None) -> str:
        return hidden if number is None else str(number)

    lines = [
        *zip(table.rows, table.cells, table.row_totals, strict=True),
        (gettext("in all"), table.column_totals, table.total),
    ]
    columns: dict[str, list[str]] = {"city": [_city(name) for name, _, _ in lines]}
    columns |= {_column(name, kind): [shown(cells[k]) for _, cells, _ in lines] for k, name in enumerate(table.columns)}
    return pl.DataFrame(columns | {gettext("in all"): [shown(total) for _, _, total in lines]})


def _city(code: str) -> str:
    if code == OTHER:
        return str(gettext("other cities"))
    return name_of(code + "00") if code.isdigit() else code


def _column(name: str, kind: str) -> str:
    if name == OTHER:
        return str(gettext("other ones"))
    if kind == "grades":
        return str(gettext("no score")) if name == NO_GRADE else name
    return section_name(name, lang())
