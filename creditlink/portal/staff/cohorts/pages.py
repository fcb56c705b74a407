"""Two cohorts chosen, counted without a look, and compared once somebody says why: each decision is then looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.decisions import service
from creditlink.decisions.archive import Archive, DecisionQuery, conditions
from creditlink.decisions.classes import DECISION_RECORD
from creditlink.decisions.looks.cohorts import (
    FEWEST_FIRMS,
    CohortMember,
    CohortSummary,
    edges_for,
    member_of,
    summary_of,
)
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.tables import DecisionRow
from creditlink.kit.errors import InsufficientRole, NotFound
from creditlink.kit.processes import runtime
from creditlink.portal.site import blueprint, page
from creditlink.portal.staff.cohorts.shown import compared, csv_text
from creditlink.portal.staff.decisions.access import archive_transaction, purposes, reader_of
from creditlink.portal.staff.decisions.listing import choices, overridden
from creditlink.portal.staff.decisions.narrowing import FilterRefused, query_of
from creditlink.portal.staff.decisions.reading import DAMAGE
from creditlink.portal.staff.guard import AtDesk, staff_signed_in

FIELDS = ("bank", "since", "until", "grade", "model", "override")
SIDES = ("a", "b")
MOST = 150
"""Decisions of a cohort that are opened at most, the newest: each is a look in its firm's log."""

_AT_ONCE = 25
"""Looks of one transaction: a look holds its firm's log until the transaction ends."""


@dataclass(frozen=True)
class ChosenCohort:
    """One side: what was asked for, how many decisions fit, and of how many firms."""

    asked: Mapping[str, str]
    decisions: int
    firms: int
    chosen: Sequence[tuple[UUID, UUID]]  # the newest: (firm, decision)

    @property
    def is_enough(self) -> bool:
        """Return whether it is of enough firms to be summed up."""
        return len({firm for firm, _ in self.chosen}) >= FEWEST_FIRMS


@blueprint.get("/staff/cohorts")
@staff_signed_in
def cohorts(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Choose two cohorts; the counts are of what a list names, and open nothing."""
    return _page(here, flask.request.args)


@blueprint.post("/staff/cohorts")
@staff_signed_in
def compare_cohorts(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Open the decisions of both cohorts, each with its look, and compare them."""
    form = flask.request.form
    reader = reader_of(here, form.get("purpose", ""))
    try:
        reader.check(runtime.part(Archive).classes.of(DECISION_RECORD))
    except InsufficientRole:
        return _page(here, form, error=gettext("Choose a purpose of your role."))
    try:
        with archive_transaction(here) as archive:
            sides = [_chosen(archive, _asked(form, side)) for side in SIDES]
    except FilterRefused as refused:
        return _page(here, form, error=str(refused))
    if not all(side.is_enough for side in sides):
        return _page(here, form, error=_too_few())
    wanted = sorted({pair for side in sides for pair in side.chosen})
    members, damaged = _opened(here, wanted, reader, now)
    of_sides = [[members[one] for _, one in side.chosen if one in members] for side in sides]
    edges = edges_for([one for side in of_sides for one in side])
    summaries = [summary_of(side, edges) for side in of_sides]
    first, second = summaries
    if first is None or second is None:
        return _page(here, form, error=_too_few())
    if form.get("doing") == "export":
        headers = {"Content-Disposition": 'attachment; filename="cohorts.csv"'}
        text = csv_text(compared(first, second, edges.tolist()), (first, second))
        return flask.Response(text, content_type="text/csv; charset=utf-8", headers=headers)
    return _page(here, form, found=(first, second), edges=edges.tolist(), opened=len(members), damaged=damaged)


def _too_few() -> str:
    return str(gettext("Each cohort needs decisions on %(n)d firms at least; nothing was opened.", n=FEWEST_FIRMS))


def _opened(
    here: AtDesk, wanted: Sequence[tuple[UUID, UUID]], reader: Reader, now: datetime
) -> tuple[dict[UUID, CohortMember], int]:
    """Look at decisions in the order of their firms, some in each transaction; return them, and how many are damaged.

    In one order, so that two who compare at once wait for each other and never for good.
    """
    kept = runtime.part(Archive)
    members: dict[UUID, CohortMember] = {}
    damaged = 0
    for some in _in_parts(wanted):
        with archive_transaction(here) as archive:
            for _, decision in some:
                try:
                    record = service.opened(archive, decision, reader, doing="cohort", kept=kept, now=now)
                    members[decision] = member_of(record)
                except DAMAGE:
                    damaged += 1
                except NotFound:  # its time ended meanwhile
                    continue
    return members, damaged


def _in_parts(wanted: Sequence[tuple[UUID, UUID]]) -> Iterator[Sequence[tuple[UUID, UUID]]]:
    for first in range(0, len(wanted), _AT_ONCE):
        yield wanted[first : first + _AT_ONCE]


def _asked(values: Mapping[str, str], side: str) -> dict[str, str]:
    return {name: values.get(f"{side}_{name}", "").strip() for name in FIELDS}


def _chosen(session: Session, asked: Mapping[str, str]) -> ChosenCohort:
    """Return one side's decisions by what names them.

    Raises
    ------
    FilterRefused
    """
    query: DecisionQuery = replace(query_of(session, asked), limit=MOST)
    met = [*conditions(query), *([overridden(asked["override"])] if asked["override"] else [])]
    count, firms = session.execute(
        select(func.count(), func.count(DecisionRow.enterprise_id.distinct())).where(*met)
    ).one()
    newest = select(DecisionRow.chain_id, DecisionRow.id).where(*met)
    rows = session.execute(newest.order_by(DecisionRow.decided_at.desc(), DecisionRow.id).limit(MOST))
    return ChosenCohort(asked, count, firms, [(row.chain_id, row.id) for row in rows])


def _page(
    here: AtDesk,
    values: Mapping[str, str],
    *,
    error: str | None = None,
    found: tuple[CohortSummary, CohortSummary] | None = None,
    edges: Sequence[float] = (),
    opened: int = 0,
    damaged: int = 0,
) -> ResponseReturnValue:
    is_asked = any(values.get(f"{side}_{name}") for side in SIDES for name in FIELDS)
    sides: list[ChosenCohort] = []
    with archive_transaction(here) as archive:
        offered = choices(archive)
        try:
            sides = [_chosen(archive, _asked(values, side)) for side in SIDES] if is_asked else []
        except FilterRefused as refused:
            error = error or str(refused)
        return page(
            "staff/cohorts/cohorts.html",
            status=200 if error is None else 422,
            offered=offered,
            asked={side: _asked(values, side) for side in SIDES},
            sides=sides,
            ready=len(sides) == len(SIDES) and all(side.is_enough for side in sides),
            fewest=FEWEST_FIRMS,
            most=MOST,
            purposes=purposes(here),
            found=found,
            shown=None if found is None else compared(*found, edges),
            opened=opened,
            damaged=damaged,
            error=error,
        )
