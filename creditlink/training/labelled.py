"""Loans of firms of a city: what its records say of a firm at its application, and the outcome of its loan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

import polars as pl
import polars.selectors as cs
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.compute import compute
from creditlink.engine.features.reference import Reference
from creditlink.enterprises.tables import Enterprise
from creditlink.financing.applications.states import ACCEPTED
from creditlink.financing.loans.labels import Label, ReportedFact, label_of
from creditlink.financing.tables import Application, LoanFact
from creditlink.kit.clock import day_of
from creditlink.kit.files.csvexport import write_csv
from creditlink.training.city import City, read_frame
from creditlink.training.dataset import known_records

SCHEMA: dict[str, type[pl.DataType]] = {"firm": pl.Int32, "as_of": pl.Date, "is_bad": pl.Int8}
FORMS = (".parquet", ".csv")
_NAMES: dict[str, type[pl.DataType]] = {"uscc": pl.String, "firm": pl.Int32}
INDICATORS = tuple(indicator.name for indicator in CATALOGUE)


@dataclass(frozen=True)
class LabelledLoans:
    """The rows, and how many loans came out as what."""

    # SCHEMA, then one column per indicator, null where missing; `firm` is a number of this file only.
    rows: pl.DataFrame
    counts: dict[str, int]


@dataclass(frozen=True)
class LabelledLoan:
    """An accepted application with every fact ever reported of it."""

    application: UUID
    enterprise: UUID
    uscc: str
    asked_on: date
    facts: tuple[ReportedFact, ...]


def facts_of(session: Session) -> dict[UUID, list[ReportedFact]]:
    """Return application -> every fact ever reported of its loan, in the order in which it was known."""
    facts: dict[UUID, list[ReportedFact]] = {}
    for fact in session.scalars(select(LoanFact).order_by(LoanFact.known_at, LoanFact.id)):
        facts.setdefault(fact.application_id, []).append(
            ReportedFact(fact.kind, fact.about_on, fact.days_past_due, fact.amount_fen, fact.reference, fact.known_at)
        )
    return facts


def loans_of(session: Session) -> list[LabelledLoan]:
    """Return every accepted application, in the order of application."""
    facts = facts_of(session)
    query = (
        select(Application, Enterprise.uscc)
        .join(Enterprise, Enterprise.id == Application.enterprise_id)
        .where(Application.state.in_(ACCEPTED))
        .order_by(Application.made_at, Application.id)
    )
    return [
        LabelledLoan(one.id, one.enterprise_id, uscc, day_of(one.made_at), tuple(facts.get(one.id, ())))
        for one, uscc in session.execute(query)
    ]


def from_city(session: Session, city: City, reference: Reference, *, cut: date, horizon_months: int) -> LabelledLoans:
    """Return the loans of a city's firms, with indicators as its records were known on the first day of the month.

    Firms that the city does not know are counted as `no_records`.
    """
    names = read_frame(city.path, "firms", _NAMES, needed=_NAMES)
    numbers: dict[str, int] = dict(names.iter_rows())
    table = _Table(cut, horizon_months)
    by_day: dict[date, list[LabelledLoan]] = {}
    for loan in loans_of(session):
        as_of = loan.asked_on.replace(day=1)
        if loan.uscc not in numbers:
            table.counts["no_records"] += 1
        elif table.counts_in(loan, as_of):
            by_day.setdefault(as_of, []).append(loan)
    for as_of, loans in sorted(by_day.items()):
        firms = pl.Series("firm", sorted({numbers[loan.uscc] for loan in loans}), dtype=pl.Int32)
        features = compute(known_records(city.records, as_of, firms), as_of, reference)
        by_firm = {row["firm"]: row for row in features.iter_rows(named=True)}
        for loan in loans:
            table.add(loan, as_of, by_firm[numbers[loan.uscc]])
    return table.labelled()


class _Table:
    """The rows so far, and how many loans came out as what."""

    def __init__(self, cut: date, horizon_months: int) -> None:
        self._cut, self._horizon_months = cut, horizon_months
        self._firms: dict[UUID, int] = {}
        self._rows: list[tuple[object, ...]] = []
        self.counts: Counter[str] = Counter()

    def counts_in(self, loan: LabelledLoan, as_of: date) -> bool:
        """Count the loan by its label; return whether that is one to learn from."""
        label = self._label(loan, as_of)
        self.counts[label] += 1
        return label in ("good", "bad")

    def add(self, loan: LabelledLoan, as_of: date, values: Mapping[str, float | None]) -> None:
        """Add the row of a loan that counts in."""
        firm = self._firms.setdefault(loan.enterprise, len(self._firms))
        is_bad = int(self._label(loan, as_of) == "bad")
        self._rows.append((firm, as_of, is_bad, *(values.get(name) for name in INDICATORS)))

    def labelled(self) -> LabelledLoans:
        """Return the table."""
        schema = SCHEMA | dict.fromkeys(INDICATORS, pl.Float64)
        return LabelledLoans(pl.DataFrame(self._rows, schema=schema, orient="row"), dict(sorted(self.counts.items())))

    def _label(self, loan: LabelledLoan, as_of: date) -> Label:
        return label_of(loan.facts, as_of=as_of, horizon_months=self._horizon_months, cut=self._cut)


def write(rows: pl.DataFrame, file: Path) -> None:
    """Write rows to a new file, CSV or Parquet by its name's end.

    Raises
    ------
    ValueError
        The name ends otherwise.
    """
    if file.suffix not in FORMS:
        raise ValueError(f"{file.name}: must end in {', '.join(FORMS)}")
    beside = file.with_name(f".{file.name}.new")
    if file.suffix == ".csv":
        write_csv(rows.with_columns(cs.boolean().cast(pl.Int8)), beside)
    else:
        rows.write_parquet(beside)
    beside.replace(file)
