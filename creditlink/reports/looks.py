"""A look at the verify page: what whoever holds the paper is told, and the count of it that the firm sees."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.access.opaque import hash_of
from creditlink.kit import keyring
from creditlink.kit.clock import day_of
from creditlink.profiles.reliance.endings.service import endings_of
from creditlink.reports import service
from creditlink.reports.content import Claims
from creditlink.reports.rules import State, masked, state_at
from creditlink.reports.tables import CreditReport, ReportView

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_VISITOR = "creditlink report views"


@dataclass(frozen=True)
class Told:
    """What the verify page tells: never more of what the report says than a paper can be compared by.

    Of a report that is not valid any more only that is told, with its days.
    """

    state: State
    made_at: datetime
    valid_until: datetime
    ended_at: datetime | None
    digest: str
    figures: Mapping[str, object] | None


@dataclass(frozen=True)
class DayOfViews:
    """How many looked on one day, and how often in all."""

    day: date
    visitors: int
    looks: int


def hold(session: Session, token: str) -> CreditReport | None:
    """Return the report whose address has this token, and let the transaction see it; None: there is none."""
    if not _TOKEN.fullmatch(token):
        return None
    hashed = hash_of(token)
    session.execute(select(func.set_config("creditlink.report", hashed, True)))
    return session.scalars(select(CreditReport).where(CreditReport.token_hash == hashed)).one_or_none()


def look(session: Session, report: CreditReport, *, address: str | None, secret: keyring.Secret, now: datetime) -> Told:
    """Tell what a report is now, and count the look from an address; None: it is not to be counted."""
    if address is not None:
        _count(session, report, address, secret, now)
    state = state_of(session, report, now)
    ended = report.revoked_at
    whole = service.opened(session, report, secret=secret) if state == "valid" else None
    figures = None if whole is None else figures_of(whole.claims)
    return Told(state, report.made_at, report.valid_until, ended, report.digest, figures)


def state_of(session: Session, report: CreditReport, now: datetime) -> State:
    """Return what a report is now."""
    return states_of(session, [report], now)[report.id]


def states_of(session: Session, reports: Sequence[CreditReport], now: datetime) -> dict[UUID, State]:
    """Return report -> what it is now, asked for all of them at once."""
    consents = service.consent_states(session, reports)
    over = endings_of(session, {one.profile_id for one in reports})
    return {
        one.id: state_at(
            valid_until=one.valid_until,
            revoked_at=one.revoked_at,
            consent_state=consents[one.consent_id],
            profile_over=one.profile_id in over,
            now=now,
        )
        for one in reports
    }


def figures_of(claims: Claims) -> dict[str, object]:
    """Return the few figures that a paper is compared by: its firm, half hidden; grade, points, day, whom, what for."""
    firm, profile = claims["firm"], claims["profile"]
    return {
        "name": masked(firm["name"]),
        "uscc": "*" * 12 + firm["uscc"][-6:],
        "grade": profile["grade"],
        "points": profile["points"],
        "as_of": profile["as_of"],
        "recipient": claims["recipient"],
        "purpose": claims["purpose"],
    }


def _count(session: Session, report: CreditReport, address: str, secret: keyring.Secret, now: datetime) -> None:
    day = day_of(now)
    visitor = keyring.fingerprint(secret, _VISITOR, f"{report.id} {day} {address}")[:32]
    session.execute(
        insert(ReportView)
        .values(report_id=report.id, day=day, visitor=visitor, looks=1)
        .on_conflict_do_update(
            index_elements=[ReportView.report_id, ReportView.day, ReportView.visitor],
            set_={"looks": ReportView.looks + 1},
        )
        .execution_options(synchronize_session=False)
    )


def views_of(session: Session, reports: Sequence[CreditReport]) -> dict[UUID, list[DayOfViews]]:
    """Return report -> its looks by day, the newest first."""
    rows = session.execute(
        select(ReportView.report_id, ReportView.day, func.count(), func.sum(ReportView.looks))
        .where(ReportView.report_id.in_([one.id for one in reports]))
        .group_by(ReportView.report_id, ReportView.day)
        .order_by(ReportView.report_id, ReportView.day.desc())
    )
    found: dict[UUID, list[DayOfViews]] = {}
    for report_id, day, visitors, looks in rows:
        found.setdefault(report_id, []).append(DayOfViews(day, visitors, int(looks)))
    return found
