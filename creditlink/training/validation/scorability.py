"""Who has no score, and how such firms fared: too little record is no verdict, and its risk is measured. Pure."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.engine.scoring.settings import ScorableSettings
from creditlink.training.dataset import SnapshotDay
from creditlink.training.validation.document import ScorabilityFigures
from creditlink.training.validation.measure import GRANTED
from creditlink.training.withholding import only

INVOICES = "invoice_months"


def scorability(day: SnapshotDay, settings: ScorableSettings) -> list[ScorabilityFigures]:
    """Return for each case how many firms of a day have no score, and how they fared."""
    invoices = day.lacking(only(INVOICES, day.labels.height))
    return [_figures(GRANTED, day.rows(), settings), _figures(f"only {INVOICES}", invoices, settings)]


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
