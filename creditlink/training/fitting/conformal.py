"""Fitting the interval of a PD on firms whose true hazard is known and that the booster has not seen.

A city gives every firm's true probability, so that an interval for it can be fitted and its coverage measured.
Real outcomes give 0 or 1 and never the probability behind it: a model trained on them has no such interval
until a way is chosen to estimate it (see the decision record on intervals).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.engine.scoring.calibration.interval import IntervalTable, Offsets

LEVEL = 0.9
"""Nominal coverage."""

LEAST_ROWS = 400
"""A bin with fewer rows takes the offsets of its grade's rows together, and those of all where these are few."""

EVIDENCE = (
    ("tax_filed_share_24",),  # declarations
    ("invoiced_12_fen", "months_since_invoice"),  # invoices
    ("headcount", "contributions_late_12"),  # social security
    ("bills_days_late_12", "bills_late_6"),  # utilities
)
"""Indicators that show what is known of a firm: how far a PD can be off depends on it."""

Floats = NDArray[np.float64]


def evidence_of(features: Sequence[str], x: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the number of each firm's evidence, shape (n,), from what the model read, (n, k)."""
    return IntervalTable(LEVEL, (), EVIDENCE, (((0.0, 0.0),),) * 2 ** len(EVIDENCE)).known(features, x)


def fit_interval(
    logit: Floats,
    hazard: Floats,
    known: NDArray[np.intp],
    bounds: Sequence[float],
    level: float = LEVEL,
) -> IntervalTable:
    """Fit offsets such that `level` of firms have their true hazard within, in every bin.

    Parameters
    ----------
    logit : calibrated log-odds of held-out rows, shape (n,)
    hazard : true probability of bad, in (0, 1), shape (n,)
    known : what `evidence_of` gave, shape (n,)
    bounds : calibrated PDs between grades, ascending

    Raises
    ------
    ValueError
        A hazard is not between 0 and 1.

    Source: conformal predictive systems with Mondrian categories, as in `crepes` (Boström 2024).
    """
    if not ((hazard > 0) & (hazard < 1)).all():
        raise ValueError("hazard: an interval needs true probabilities between 0 and 1")
    bands = len(bounds) + 1
    band = np.searchsorted(np.asarray(bounds), sigmoid(logit), side="right")
    residuals = np.log(hazard / (1 - hazard)) - logit
    everyone = _offsets(residuals, level)
    offsets = []
    by_band = [
        _offsets(residuals[band == b], level) if (band == b).sum() >= LEAST_ROWS else everyone for b in range(bands)
    ]
    for evidence in range(2 ** len(EVIDENCE)):
        row = []
        for b in range(bands):
            here = residuals[(band == b) & (known == evidence)]
            row.append(_offsets(here, level) if len(here) >= LEAST_ROWS else by_band[b])
        offsets.append(tuple(row))
    return IntervalTable(level, tuple(bounds), EVIDENCE, tuple(offsets))


def _offsets(residuals: Floats, level: float) -> Offsets:
    from crepes import ConformalPredictiveSystem  # only training needs it

    system = ConformalPredictiveSystem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        system.fit(residuals)
        low, high = np.asarray(system.predict_int(np.zeros(1), confidence=level))[0]
    # Six digits are more than the table supports; the point itself is always within.
    return min(0.0, round(float(low), 6)), max(0.0, round(float(high), 6))
