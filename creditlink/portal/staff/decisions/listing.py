"""Archived decisions as a list names them: which firm, for which bank, by what, with what grade; nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from creditlink.decisions.archive import DecisionQuery, conditions
from creditlink.decisions.tables import DecisionRow
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import OWN_ID, Institution
from creditlink.reviews.tables import ReviewOverride


@dataclass(frozen=True)
class ListedDecision:
    """One line of the list."""

    row: DecisionRow
    firm: str
    uscc: str
    bank_zh: str
    bank_en: str


@dataclass(frozen=True)
class Choices:
    """What there is to choose from: banks as (code, zh, en), grades and models that the archive holds."""

    banks: Sequence[tuple[str, str, str]]
    grades: Sequence[str]
    models: Sequence[str]


def wanted(query: DecisionQuery) -> Select[DecisionRow, str, str, str, str]:
    """Return the query of the lines that meet `query`, in no order."""
    return (
        select(DecisionRow, Enterprise.name, Enterprise.uscc, Institution.name_zh, Institution.name_en)
        .join(Enterprise, Enterprise.id == DecisionRow.enterprise_id)
        .join(Institution, Institution.id == DecisionRow.institution_id)
        .where(*conditions(query))
    )


def newest(session: Session, query: DecisionQuery) -> list[ListedDecision]:
    """Return the newest lines, at most as many as `query` says."""
    lines = wanted(query).order_by(DecisionRow.decided_at.desc(), DecisionRow.id.desc()).limit(query.limit)
    return [ListedDecision(*row) for row in session.execute(lines)]


OVERRIDES = ("any", "loosened", "tightened", "none")
"""What a list can be narrowed to of what people decided beside the score."""


def overridden(how: str) -> ColumnElement[bool]:
    """Return the condition that people departed from a decision, or that nobody did; `how` is one of `OVERRIDES`."""
    made = select(ReviewOverride.id).where(ReviewOverride.profile_id == DecisionRow.id)
    if how == "loosened":
        made = made.where(ReviewOverride.loosens)
    elif how == "tightened":
        made = made.where(~ReviewOverride.loosens)
    return ~made.exists() if how == "none" else made.exists()


def choices(session: Session) -> Choices:
    """Return what a list can be narrowed to."""
    kept = DecisionRow.expired_at.is_(None)
    banks = select(Institution.code, Institution.name_zh, Institution.name_en).where(Institution.id != OWN_ID)
    grades = select(DecisionRow.grade).where(kept, DecisionRow.grade.is_not(None)).distinct()
    models = select(DecisionRow.model_id).where(kept).distinct().order_by(DecisionRow.model_id)
    return Choices(
        banks=[(code, zh, en) for code, zh, en in session.execute(banks.order_by(Institution.code))],
        grades=sorted(session.scalars(grades), key=lambda grade: (grade[0], -len(grade), grade)),
        models=[str(model) for model in session.scalars(models)],
    )
