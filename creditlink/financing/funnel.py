"""The truthful funnel: applied, approved, drawn, repaid are separate facts, never of fewer than ten firms. Pure.

Smaller groups are told together as `other`. Were `other` itself too small, the smallest groups that could be told
join it: whoever subtracts what is told from the total learns of no group of fewer than ten firms either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any
from uuid import UUID

LEAST_FIRMS = 10
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Case:
    """One application with what became of it; amounts in fen."""

    application: UUID
    firm: UUID
    institution: str
    product: str
    industry: str  # GB/T 4754 section
    region: str  # GB/T 2260, to the city
    month: str  # YYYY-MM in which the firm applied
    asked_fen: int
    approved: bool  # an offer was made
    approved_fen: int
    declined: bool
    drawn_fen: int
    repaid: bool  # closed
    written_off: bool
    overdue_90: bool
    answer_hours: float | None  # from applying to the first answer; None: not answered


DIMENSIONS: Mapping[str, Callable[[Case], str]] = {
    "all": lambda case: "all",
    "institution": lambda case: case.institution,
    "product": lambda case: case.product,
    "industry": lambda case: case.industry,
    "region": lambda case: case.region,
    "month": lambda case: case.month,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One group: how many firms, and each fact of the funnel apart."""

    dimension: str
    key: str
    firms: int
    applied: int
    approved: int
    declined: int
    drawn: int
    repaid: int
    written_off: int
    overdue_90: int
    asked_fen: int
    approved_fen: int
    drawn_fen: int
    answered: int
    median_answer_hours: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self)


def funnel(cases: Sequence[Case], dimension: str) -> list[Row]:
    """Return the groups of one dimension, largest first, `other` last; their sums are the total.

    Where there are fewer than ten firms in all, nothing is told.
    """
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(DIMENSIONS[dimension](case), []).append(case)
    shown = {key: held for key, held in groups.items() if _firms(held) >= LEAST_FIRMS}
    rest = [case for key, held in groups.items() if key not in shown for case in held]
    while rest and _firms(rest) < LEAST_FIRMS and shown:
        smallest = min(shown, key=lambda key: (_firms(shown[key]), key))
        rest += shown.pop(smallest)
    rows = [_row(dimension, key, held) for key, held in shown.items()]
    rows.sort(key=lambda row: (-row.applied, row.key))
    if rest and _firms(rest) >= LEAST_FIRMS:
        rows.append(_row(dimension, OTHER, rest))
    return rows


def league(cases: Sequence[Case]) -> list[Row]:
    """Return the institutions by how soon they answer, the quickest first; those without an answer last."""
    rows = [row for row in funnel(cases, "institution") if row.key != OTHER]
    slowest = float("inf")
    return sorted(
        rows, key=lambda row: (slowest if row.median_answer_hours is None else row.median_answer_hours, row.key)
    )


def _firms(cases: Sequence[Case]) -> int:
    return len({case.firm for case in cases})


def _row(dimension: str, key: str, cases: Sequence[Case]) -> Row:
    hours = [case.answer_hours for case in cases if case.answer_hours is not None]
    return Row(
        dimension,
        key,
        _firms(cases),
        len(cases),
        sum(case.approved for case in cases),
        sum(case.declined for case in cases),
        sum(case.drawn_fen > 0 for case in cases),
        sum(case.repaid for case in cases),
        sum(case.written_off for case in cases),
        sum(case.overdue_90 for case in cases),
        sum(case.asked_fen for case in cases),
        sum(case.approved_fen for case in cases),
        sum(case.drawn_fen for case in cases),
        len(hours),
        round(median(hours), 1) if hours else None,
    )
