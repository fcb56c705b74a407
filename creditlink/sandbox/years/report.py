"""The three years in figures: what each year's model knew, and how near it came to the truth. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from creditlink.training.outcomes.selection import SelectionReport
from creditlink.training.validation import metrics

VERSION = 1


@dataclass(frozen=True)
class TruthQuality:
    """A model against true probabilities of all firms: expected AUC, calibration error over tenths, and the mean PD."""

    auc: float
    ece: float
    mean_pd: float


@dataclass(frozen=True)
class YearFigures:
    """A year: what its model had learned from, what the bank did, and how near the model came to the truth.

    `model` is None in the first year, which the first model decides; the year after the last only judges.
    """

    year: int
    days: tuple[date, ...]
    firms: int
    applicants: int
    approved: int
    by_lot: int
    loans_learned: int
    bads_learned: int
    true_pd: float
    best_auc: float
    model: TruthQuality | None
    first_model: TruthQuality


@dataclass(frozen=True)
class LevelFigures:
    """Venn–Abers of the last model on the last day: (lower, upper, true mean) of each tenth, and what lies within."""

    tenths: tuple[tuple[float, float, float], ...]
    tenths_within: int
    firms_within: float  # share of firms whose own probability does: none is promised
    width: float
    mean_pd: float


@dataclass(frozen=True)
class YearsReport:
    """All of it; the same city, model, plan and libraries give the same."""

    years: tuple[YearFigures, ...]
    selection: SelectionReport
    level: LevelFigures
    method: str
    seed: int
    first_day: date
    last_day: date
    hazard_times: float  # true PD over that of the first model, in the first year

    def to_dict(self) -> dict[str, object]:
        """Return plain values, days as dates."""
        return {"version": VERSION, **asdict(self)}


def quality(hazard: NDArray[np.float64], pd_12m: NDArray[np.float64]) -> TruthQuality:
    """Return how near probabilities come to the true ones, both of shape (n,)."""
    return TruthQuality(metrics.expected_auc(hazard, pd_12m), metrics.ece(hazard, pd_12m), float(pd_12m.mean()))


def show(report: YearsReport, console: Console) -> None:
    """Print the years as a table, and what Venn–Abers says of the level."""
    table = Table(
        "year", "loans learned from", "of them bad", "AUC", "ECE", "mean PD", "true PD", "first model: AUC", "ECE",
        "mean PD", "best AUC", title=f"Against the truth, {report.first_day} to {report.last_day}",
    )  # fmt: skip
    for one in report.years:
        own = ["–", "–", "–"] if one.model is None else _cells(one.model)
        name = str(one.year) if one.applicants else "after"
        learned = ["–", "–"] if one.model is None else [str(one.loans_learned), str(one.bads_learned)]
        table.add_row(name, *learned, *own, f"{one.true_pd:.4f}", *_cells(one.first_model), f"{one.best_auc:.4f}")
    console.print(table)
    lent = sum(one.approved + one.by_lot for one in report.years)
    console.print(
        f"{sum(one.applicants for one in report.years)} applications, {lent} loans, "
        f"{sum(one.by_lot for one in report.years)} of them by lot; models learn by method {report.method}"
    )
    console.print(
        f"Venn–Abers after three years: {report.level.tenths_within} of {len(report.level.tenths)} tenths hold their "
        f"true mean, mean width {report.level.width:.4f}; a firm's own probability is within in "
        f"{report.level.firms_within:.0%} of cases, and nothing more was promised"
    )


def _cells(one: TruthQuality) -> list[str]:
    return [f"{one.auc:.4f}", f"{one.ece:.4f}", f"{one.mean_pd:.4f}"]
