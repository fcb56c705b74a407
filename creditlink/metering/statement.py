"""What an institution used in a month, line by line: read by the bank, the operator and whoever writes the invoice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from uuid import UUID

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.kit.clock import add_months, day_of, month_start
from creditlink.kit.files.csvexport import csv_of
from creditlink.metering.contracts import Terms, terms_of
from creditlink.metering.tables import UsageCount, UsageDay

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class StatementLine:
    """What one client used on one day: calls of one scope, or new profiles."""

    day: date
    client_id: str
    unit: str
    what: str
    units: int


@dataclass(frozen=True)
class MonthlyStatement:
    """One month of one institution; `is_final`: the month is over in Shanghai, and nothing is added to it."""

    month: str
    is_final: bool
    lines: Sequence[StatementLine]

    def total(self, unit: str) -> int:
        """Return how many of a unit were used."""
        return sum(line.units for line in self.lines if line.unit == unit)

    def as_json(self) -> dict[str, object]:
        """Return the statement as the API answers it."""
        lines = [asdict(line) | {"day": line.day.isoformat()} for line in self.lines]
        totals = {"calls": self.total("call"), "profiles": self.total("profile")}
        return {"month": self.month, "is_final": self.is_final, **totals, "lines": lines}

    def as_csv(self) -> str:
        """Return the lines as CSV, with a header."""
        columns = {"day": pl.String, "client_id": pl.String, "unit": pl.String, "what": pl.String, "units": pl.Int64}
        rows = [(line.day.isoformat(), line.client_id, line.unit, line.what, line.units) for line in self.lines]
        return csv_of(pl.DataFrame(rows, schema=columns, orient="row"))


@dataclass(frozen=True)
class UsedOfContract:
    """What is agreed, and what of it is used today and this month."""

    terms: Terms
    calls_today: int
    calls_this_month: int
    profiles_this_month: int


def month_of(text: str) -> date:
    """Return the first day of a month given as `YYYY-MM`.

    Raises
    ------
    ValueError
        It is not one.
    """
    if not _MONTH.fullmatch(text):
        raise ValueError(f"a month is YYYY-MM, got {text[:20]!r}")
    return date.fromisoformat(f"{text}-01")


def statement_of(session: Session, institution_id: UUID, month: date, now: datetime) -> MonthlyStatement:
    """Return an institution's statement of the month that begins on the day `month`."""
    rows = session.execute(
        select(UsageCount.day, UsageCount.client_id, UsageCount.unit, UsageCount.what, UsageCount.units)
        .where(
            UsageCount.institution_id == institution_id,
            UsageCount.day >= month,
            UsageCount.day < add_months(month, 1),
            UsageCount.units > 0,
        )
        .order_by(UsageCount.day, UsageCount.client_id, UsageCount.unit, UsageCount.what)
    )
    lines = [StatementLine(*row) for row in rows]
    return MonthlyStatement(f"{month:%Y-%m}", month_start(day_of(now)) > month, lines)


def used_of_contract(session: Session, institution_id: UUID, now: datetime) -> UsedOfContract:
    """Return what is agreed with an institution, and what of it is used."""
    today = day_of(now)
    rows = session.execute(
        select(UsageDay.unit, UsageDay.day, UsageDay.units).where(
            UsageDay.institution_id == institution_id, UsageDay.day.between(month_start(today), today)
        )
    ).all()
    return UsedOfContract(
        terms_of(session, institution_id),
        sum(units for unit, day, units in rows if unit == "call" and day == today),
        sum(units for unit, _, units in rows if unit == "call"),
        sum(units for unit, _, units in rows if unit == "profile"),
    )
