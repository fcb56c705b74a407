"""The three years in figures: what each year's model knew, and how near it came to the truth. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from creditlink.training.outcomes.selection import SelectionReport
from creditlink.training.outcomes.validation import LEVEL, Interval
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
class TenthTruth:
    """A tenth of the loans learned from: the true mean, and where their outcomes put it."""

    true: float
    bad_rate: Interval
    venn_abers_low: float
    venn_abers_high: float


@dataclass(frozen=True)
class LevelFigures:
    """Intervals from outcomes alone, held against the truth; only that of the bad rate has a nominal level."""

    tenths: tuple[TenthTruth, ...]
    within_interval: int  # tenths whose true mean the interval of their bad rate holds
    within_venn_abers: int
    firms_within: float  # share of loans whose own probability lies between those of Venn–Abers
    width: float


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

    def to_dict(self) -> dict[str, object]:
        """Return plain values, days as dates."""
        return {"version": VERSION, **asdict(self)}


def quality(hazard: NDArray[np.float64], pd_12m: NDArray[np.float64]) -> TruthQuality:
    """Return how near probabilities come to the true ones, both of shape (n,)."""
    return TruthQuality(metrics.expected_auc(hazard, pd_12m), metrics.ece(hazard, pd_12m), float(pd_12m.mean()))


def show(report: YearsReport, console: Console) -> None:
    """Print the years as a table, and what Venn–Abers says of the level."""
    table = Table(
        "year", "loans", "bad", "AUC", "ECE", "PD", "true PD", "1st AUC", "1st ECE", "best AUC",
        box=box.SIMPLE, pad_edge=False, collapse_padding=True,
        title=f"What each model knew and how near it came, {report.first_day} to {report.last_day}",
    )  # fmt: skip
    for one in report.years:
        name = str(one.year) if one.applicants else "after"
        if one.model is None:
            own = ["–", "–", "–", "–", "–"]
        else:
            own = [str(one.loans_learned), str(one.bads_learned), *_cells(one.model), f"{one.model.mean_pd:.4f}"]
        table.add_row(name, *own, f"{one.true_pd:.4f}", *_cells(one.first_model), f"{one.best_auc:.4f}")
    console.print(table)
    lent, level = sum(one.approved + one.by_lot for one in report.years), report.level
    console.print(
        "Loans and bads that each model learned from; AUC, ECE and PD against the truth of all firms; 1st: the model "
        f"that began. {sum(one.applicants for one in report.years)} applications, {lent} loans, "
        f"{sum(one.by_lot for one in report.years)} by lot; learned by method {report.method}."
    )
    console.print(
        f"Loans of three years in tenths: the {LEVEL:.0%} interval of the bad rate holds the truth in "
        f"{level.within_interval} of {len(level.tenths)}, Venn–Abers in {level.within_venn_abers} (mean width "
        f"{level.width:.4f}) and a firm's own probability in {level.firms_within:.0%}, which it does not promise."
    )


def _cells(one: TruthQuality) -> list[str]:
    return [f"{one.auc:.4f}", f"{one.ece:.4f}"]
