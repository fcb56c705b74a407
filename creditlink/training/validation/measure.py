"""Measuring a champion out of time: with everything granted, with each category refused, with one source only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import OPTIONAL_CATEGORIES
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.engine.scoring.model import CreditModel
from creditlink.engine.scoring.scale import Scale
from creditlink.training.dataset import EVERYTHING, LACKING, REFUSED, SnapshotDay, folds
from creditlink.training.fitting.fit import margin
from creditlink.training.validation import metrics
from creditlink.training.validation.document import CaseFigures, GrantedFigures, ShiftFigures, TruthFigures
from creditlink.training.withholding import RESTED_ON, SINGLE, only

GRANTED, RANDOM, SOURCES = "all granted", "random consent", "random sources"

MEASURED_CASES = (
    *(GRANTED, RANDOM, SOURCES),
    *(f"without {c}" for c in OPTIONAL_CATEGORIES),
    *(f"only {s}" for s in SINGLE),
)

Floats = NDArray[np.float64]


def measure(
    day: SnapshotDay, model: CreditModel, seed: int, step: Callable[[str], None] = lambda _: None
) -> dict[str, CaseFigures]:
    """Return case -> figures of a model on the firms of a day that was not learned from.

    Figures of absence (`shift…`: mean PD less the mean PD with everything granted) and of unseen firms are from
    firms that the booster was not fitted on, where `seed` is that of the training.
    """
    out: dict[str, CaseFigures] = {}
    unseen = folds(day.labels["firm"], seed) != 0
    rested = [k for k, name in enumerate(model.features) if BY_NAME[name].categories[0] in RESTED_ON]
    with_everything: Floats | None = None
    for case in MEASURED_CASES:
        rows = rows_of(day, case, seed)
        x = model.matrix(rows)  # an older model reads fewer indicators than the catalogue has by now
        logit = model.calibration.logit_of(margin(model.booster, x), model.features, x)
        bounds = None if model.interval is None else model.interval.of(model.features, x, logit)
        pd_12m = sigmoid(logit)
        with_everything = pd_12m if with_everything is None else with_everything
        bad, hazard = rows["is_bad"].to_numpy(), rows["hazard_12m"].to_numpy()
        scored = unseen & ~np.isnan(x[:, rested]).all(axis=1)  # a firm of which nothing is left has no score
        out[case] = {
            **figures(bad, hazard, logit, bounds),
            **_shifts(bad[scored], pd_12m[scored], with_everything[scored], model.scale),
        }
        if case == GRANTED:
            granted: GrantedFigures = {
                **out[case],
                "expected_auc_unseen_firms": metrics.expected_auc(hazard[unseen], logit[unseen]),
                "best_expected_auc_unseen_firms": metrics.expected_auc(hazard[unseen], hazard[unseen]),
            }
            out[case] = granted
        step(case)
    return out


def figures(bad: NDArray[np.int8], hazard: Floats, logit: Floats, bounds: tuple[Floats, Floats] | None) -> TruthFigures:
    """Return discrimination, calibration and coverage of scores against outcomes and true hazards, all (n,).

    Parameters
    ----------
    bounds : least and largest PD of each interval; None: the model has no intervals
    """
    pd_12m = sigmoid(logit)
    best, reached = metrics.expected_auc(hazard, hazard), metrics.expected_auc(hazard, logit)
    return {
        "firms": len(bad),
        "bads": int(bad.sum()),
        "auc": metrics.auc(bad, logit),
        "gini": metrics.gini(bad, logit),
        "ks": metrics.ks(bad, logit),
        "brier": metrics.brier(bad, pd_12m),
        "ece": metrics.ece(bad, pd_12m),
        "ece_against_hazard": metrics.ece(hazard, pd_12m),
        "mean_pd": float(pd_12m.mean()),
        "bad_rate": float(bad.mean()),
        "auc_of_true_hazard": metrics.auc(bad, hazard),
        "expected_auc": reached,
        "best_expected_auc": best,
        "share_of_best": (reached - 0.5) / (best - 0.5),
        "interval_coverage": None if bounds is None else float(((bounds[0] <= hazard) & (hazard <= bounds[1])).mean()),
        "interval_width": None if bounds is None else float((bounds[1] - bounds[0]).mean()),
    }


def _shifts(bad: NDArray[np.int8], pd_12m: Floats, granted: Floats, scale: Scale) -> ShiftFigures:
    """Return how far scores (n,) lie from those with everything; `implied…` is what bads move if both are exact."""
    moved = pd_12m - granted
    points = scale.points_per_logit * (np.log(pd_12m / (1 - pd_12m)) - np.log(granted / (1 - granted)))
    return {
        "shift": float(moved.mean()),
        "shift_error": float(moved.std() / np.sqrt(len(moved))),
        "shift_of_goods": float(moved[bad == 0].mean()),
        "shift_of_bads": float(moved[bad == 1].mean()) if bad.any() else 0.0,
        # The mean of an exact PD p over those who go bad is E[p²] / E[p].
        "implied_shift_of_bads": float((pd_12m**2).sum() / pd_12m.sum() - (granted**2).sum() / granted.sum()),
        "points_shift_of_goods": float(points[bad == 0].mean()),
        "points_shift_of_bads": float(points[bad == 1].mean()) if bad.any() else 0.0,
    }


def rows_of(day: SnapshotDay, case: str, seed: int) -> pl.DataFrame:
    """Return the rows of a day in one of MEASURED_CASES: what is refused or lacking is taken from them."""
    firms = day.labels.height
    kind, _, name = case.partition(" ")
    if case in (GRANTED, RANDOM, SOURCES):
        return day.rows({GRANTED: EVERYTHING, RANDOM: REFUSED, SOURCES: LACKING}[case], seed=seed)
    if kind == "without":
        return day.refusing({name: np.ones(firms, bool)})
    return day.lacking(only(name, firms))
