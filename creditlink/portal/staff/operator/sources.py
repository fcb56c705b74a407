"""The connected offices at the operator's desk: health, freshness, circuit, rate; pulls under way and failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import day_of
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.http import paging
from creditlink.portal.site import blueprint, page
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, operating
from creditlink.records import sources
from creditlink.records.offices.budget import CallLimits
from creditlink.records.pulls import health
from creditlink.records.pulls.delivery import FAILED
from creditlink.records.pulls.pull import PREFIX
from creditlink.records.tables import Pull, PullPart, SourceBudget, SourceHealth

LATELY = timedelta(days=1)


@dataclass(frozen=True)
class ShownSource:
    """One office: how it answered lately, whether it is left alone, and how much of its limits is used."""

    told: dict[str, object]
    known: SourceHealth | None
    limits: CallLimits
    used_today: int
    circuit_until: datetime | None  # a worker's circuit is open until then
    rests_until: datetime | None  # the office itself asked to be left alone until then

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.told["source"])


@dataclass(frozen=True)
class ListedPull:
    """One round of asking, for whom, and how far each source is."""

    row: Pull
    firm: str
    bank: str
    parts: Sequence[PullPart]

    @property
    def wire_id(self) -> str:
        """Return its id on the wire."""
        return ids.external(PREFIX, self.row.id)


@dataclass(frozen=True)
class FailedPart:
    """What one source did not answer."""

    part: PullPart
    firm: str

    @property
    def wire_id(self) -> str:
        """Return the id of its pull."""
        return ids.external(PREFIX, self.part.pull_id)


@blueprint.get("/staff/operator/sources")
@operating
def operator_sources(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show every office, the pulls that are under way, and what failed lately."""
    error = None
    try:
        under_way, cursor = _open_pulls(session, flask.request.args.get("cursor") or None)
    except InvalidRequest:
        under_way, cursor = [], None
        error = gettext("This page of the list does not exist any more.")
    shown = _shown(session, now)
    failed = _failed(session, [one.name for one in shown], now - LATELY)
    if under_way or failed:  # both name firms
        audit.record(
            session, action="pulls.read", result="done", actor=here.actor.name, now=now,
            detail={"under_way": len(under_way), "failed": len(failed)},
        )  # fmt: skip
    return page(
        "staff/operator/sources.html",
        status=200 if error is None else 422,
        shown=shown,
        under_way=under_way,
        cursor=cursor,
        failed=failed,
        hours=health.WINDOW_HOURS,
        error=error,
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
                told,
                row,
                configured[name].calls,
                budget.used if budget is not None and budget.counted_on == day_of(now) else 0,
                row.rests_until if row is not None and row.rests_until is not None and row.rests_until > now else None,
                budget.rest_until if budget is not None and budget.rest_until and budget.rest_until > now else None,
            )
        )
    return found


def _open_pulls(session: Session, cursor: str | None) -> tuple[list[ListedPull], str | None]:
    is_open = Pull.status == "OPEN"
    after = paging.row_of(session, Pull, PREFIX, cursor, is_open)
    wanted = (
        select(Pull, Enterprise.name, Institution.code)
        .join(Enterprise, Enterprise.id == Pull.enterprise_id)
        .join(Consent, Consent.id == Pull.consent_id)
        .join(Institution, Institution.id == Consent.institution_id)
        .where(is_open)
    )
    rows, more = paging.newest_first(session, wanted, Pull.requested_at, Pull.id, after=after, limit=A_PAGE)
    parts: dict[UUID, list[PullPart]] = defaultdict(list)
    for part in session.scalars(
        select(PullPart).where(PullPart.pull_id.in_([row.id for row, _, _ in rows])).order_by(PullPart.source)
    ):
        parts[part.pull_id].append(part)
    found = [ListedPull(row, firm, bank, parts[row.id]) for row, firm, bank in rows]
    return found, found[-1].wire_id if more else None


def _failed(session: Session, names: Sequence[str], since: datetime) -> list[FailedPart]:
    """Return the latest answers that were none, a page of them; each office's are found by its index."""
    found: list[FailedPart] = []
    for name in names:
        rows = session.execute(
            select(PullPart, Enterprise.name)
            .join(Pull, Pull.id == PullPart.pull_id)
            .join(Enterprise, Enterprise.id == Pull.enterprise_id)
            .where(
                PullPart.source == name, PullPart.finished_at >= since, PullPart.status.in_(FAILED),
                PullPart.reused_pull_id.is_(None),
            )
            .order_by(PullPart.finished_at.desc())
            .limit(A_PAGE)
        ).all()  # fmt: skip
        found += [FailedPart(part, firm) for part, firm in rows]
    found.sort(key=lambda one: (one.part.finished_at or since, one.wire_id), reverse=True)
    return found[:A_PAGE]
