"""Who has no score, and how such firms fared: too little record is no verdict, and its risk is measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.engine.scoring.settings import ScorableSettings
from creditlink.training.dataset import SnapshotDay
from creditlink.training.withholding import only

EVERYTHING = "all granted"
INVOICES = "only invoice_months"
CASES = (EVERYTHING, INVOICES)


class ScorabilityFigures(TypedDict):
    """Firms with and without a score in one case, and the share of each that went bad within twelve months."""

    case: str
    scored: int
    scored_bad_rate: float | None
    not_scored: int
    not_scored_bads: int
    not_scored_bad_rate: float | None


def scorability(day: SnapshotDay, settings: ScorableSettings) -> list[ScorabilityFigures]:
    """Return for each case how many firms of a day have no score, and how they fared."""
    firms = day.labels.height
    rows = {EVERYTHING: day.rows(), INVOICES: day.lacking(only("invoice_months", firms))}
    return [_figures(case, rows[case], settings) for case in CASES]


def _figures(case: str, rows: pl.DataFrame, settings: ScorableSettings) -> ScorabilityFigures:
    enough, bad = scorable(rows, settings), rows["is_bad"].to_numpy()
    return {
        "case": case,
        "scored": int(enough.sum()),
        "scored_bad_rate": _rate(bad[enough]),
        "not_scored": int((~enough).sum()),
        "not_scored_bads": int(bad[~enough].sum()),
        "not_scored_bad_rate": _rate(bad[~enough]),
    }


def _rate(bad: NDArray[np.int8]) -> float | None:
    return float(bad.mean()) if bad.size else None


def lines(figures: Sequence[ScorabilityFigures]) -> list[str]:
    """Return the section of the card."""
    if not figures:
        return []
    rows = [
        f"| {f['case']} | {f['scored']} | {_percent(f['scored_bad_rate'])} | {f['not_scored']} "
        f"| {f['not_scored_bads']} | {_percent(f['not_scored_bad_rate'])} |"
        for f in figures
    ]
    return [
        "## Without a score",
        "",
        "Firms whose record is too short for a score on the day that judges, and how they fared.",
        "",
        "| case | scored | of them bad | not scored | bads | of them bad |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.2%}"
