"""The connected offices at the operator's desk: health, freshness, circuit, rate; pulls under way and failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.kit.clock import day_of
from creditlink.portal.sheets.filling import export_of, status_of
from creditlink.portal.site import blueprint, page
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import operating
from creditlink.portal.staff.operator.sheets import pulls
from creditlink.portal.staff.operator.sheets.pulls import ListedPull, ShownSource
from creditlink.records import sources
from creditlink.records.pulls import health
from creditlink.records.tables import PullPart, SourceBudget, SourceHealth

LATELY = timedelta(days=1)


@blueprint.get("/staff/operator/sources")
@operating
def operator_sources(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show every office, the pulls that are under way, and what failed lately."""
    offices = pulls.sources_of(_shown(session, now))
    under_way = pulls.under_way_of(session)
    failed = pulls.failed_of(session, list(sources.current().config.sources), now - LATELY)
    if under_way.rows or failed.rows:  # both name firms
        audit.record(
            session, action="pulls.read", result="done", actor=here.actor.name, now=now,
            detail={"under_way": len(under_way.rows), "failed": len(failed.rows)},
        )  # fmt: skip
    export = (
        export_of(offices, name="sources") or export_of(under_way, name="pulls") or export_of(failed, name="failed")
    )
    return export or page(
        "staff/operator/sources.html",
        status=max(status_of(offices), status_of(under_way), status_of(failed)),
        offices=offices,
        under_way=under_way,
        parts=_parts(session, under_way.rows),
        failed=failed,
        hours=health.WINDOW_HOURS,
        answers=pulls.answer_words(),
        tone_of=pulls.tone_of,
    )


def _shown(session: Session, now: datetime) -> list[ShownSource]:
    known = {row.name: row for row in session.scalars(select(SourceHealth))}
    budgets = {row.name: row for row in session.scalars(select(SourceBudget))}
    configured = sources.current().config.sources
    found = []
    for told in health.source_health(session, now):
        name = str(told["source"])
        row, budget = known.get(name), budgets.get(name)
        found.append(
            ShownSource(
                name=name,
                state=str(told["state"]),
                since=cast(datetime | None, told["since"]),
                success_rate=cast(float | None, told["success_rate"]),
                answers=cast(int, told["answers"]),
                p50_seconds=cast(float | None, told["p50_seconds"]),
                fresh_hours=cast(float, told["fresh_hours"]),
                rejected=cast(dict[str, int], told["rejections"])["open"],
                known=row,
                limits=configured[name].calls,
                used_today=budget.used if budget is not None and budget.counted_on == day_of(now) else 0,
                circuit_until=row.rests_until if row and row.rests_until and row.rests_until > now else None,
                rests_until=budget.rest_until if budget and budget.rest_until and budget.rest_until > now else None,
            )
        )
    return found


def _parts(session: Session, shown: Sequence[ListedPull]) -> dict[UUID, list[PullPart]]:
    """Return how far each source of some pulls is."""
    parts: dict[UUID, list[PullPart]] = defaultdict(list)
    wanted = select(PullPart).where(PullPart.pull_id.in_([one.row.id for one in shown])).order_by(PullPart.source)
    for part in session.scalars(wanted):
        parts[part.pull_id].append(part)
    return parts
