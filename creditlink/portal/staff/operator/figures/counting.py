"""What the regulator's figures count: firms, each once, by city and by what they do or how they were graded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.decisions.tables import DecisionRow
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import OWN_ID
from creditlink.kit.clock import day_of, start_of_day
from creditlink.kit.postgres import db

NO_GRADE = "none"
KINDS = ("consents", "grades")
_QUARTERS = 8


@dataclass(frozen=True, order=True)
class CalendarQuarter:
    """A calendar quarter. Periods of free choice could be subtracted from one another until one firm is left."""

    year: int
    number: int

    @property
    def name(self) -> str:
        """Return its name, such as 2026Q3."""
        return f"{self.year}Q{self.number}"

    @property
    def since(self) -> date:
        """Return its first day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def until(self) -> date:
        """Return the first day after it."""
        return self.following.since

    @property
    def following(self) -> CalendarQuarter:
        """Return the next quarter."""
        return CalendarQuarter(self.year + self.number // 4, self.number % 4 + 1)


def quarters(now: datetime) -> list[CalendarQuarter]:
    """Return the quarters that are over, the latest first: a figure of one that runs would change from day to day."""
    return [*_back(day_of(now))]


def _back(today: date) -> Iterator[CalendarQuarter]:
    first = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    for _ in range(_QUARTERS):
        last = first - timedelta(days=1)
        first = date(last.year, (last.month - 1) // 3 * 3 + 1, 1)
        yield CalendarQuarter(first.year, (first.month - 1) // 3 + 1)


def firms_by(session: Session, kind: str, quarter: CalendarQuarter) -> dict[tuple[str, str], int]:
    """Return how many firms there are by city and, as `kind` says, section of industry or grade.

    `consents`: firms that gave a consent in the quarter. `grades`: firms that were profiled in it, by the last grade.
    """
    since, until = start_of_day(quarter.since), start_of_day(quarter.until)
    if kind == "grades":
        db.enter(session, db.Viewer(actor="audit"))  # lists of decisions are the auditor's; only counts leave here
        return _counted(session, _by_grade(since, until))
    return _counted(session, _by_industry(since, until))


def _by_industry(since: datetime, until: datetime) -> Select[str, str, int]:
    gave = select(Consent.enterprise_id).where(
        Consent.starts_at >= since, Consent.starts_at < until, Consent.institution_id != OWN_ID
    )
    city, section = func.left(Enterprise.region, 4), func.left(Enterprise.industry, 1)
    return select(city, section, func.count()).where(Enterprise.id.in_(gave)).group_by(city, section)


def _by_grade(since: datetime, until: datetime) -> Select[str, str, int]:
    last = (
        select(DecisionRow.enterprise_id, DecisionRow.grade)
        .where(
            DecisionRow.decided_at >= since, DecisionRow.decided_at < until, DecisionRow.about.is_(None),
            DecisionRow.enterprise_id.is_not(None), DecisionRow.institution_id != OWN_ID,
        )
        .ext(distinct_on(DecisionRow.enterprise_id))
        .order_by(DecisionRow.enterprise_id, DecisionRow.decided_at.desc(), DecisionRow.id)
        .subquery()
    )  # fmt: skip
    city, grade = func.left(Enterprise.region, 4), func.coalesce(last.c.grade, NO_GRADE)
    of_firm = select(city, grade, func.count()).join(last, last.c.enterprise_id == Enterprise.id)
    return of_firm.group_by(city, grade)


def _counted(session: Session, wanted: Select[str, str, int]) -> dict[tuple[str, str], int]:
    return {(row, column): count for row, column, count in session.execute(wanted)}
