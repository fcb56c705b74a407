"""From a city to a champion: reference, dataset, fit, calibration and the measurements of its card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.features.catalogue import CATALOGUE
from creditlink.features.reference import MIN_FIRMS, Reference
from creditlink.scoring.calibration import Calibration
from creditlink.training import metrics
from creditlink.training.calibrate import fit_calibration
from creditlink.training.city import City
from creditlink.training.dataset import (
    OPTIONAL_CATEGORIES,
    OUTCOME_MONTHS,
    Plan,
    build,
    folds,
    measure_reference,
    plan_for,
    snapshot,
)
from creditlink.training.fit import Fitted, Parameters, fit, margin

FEATURES = tuple(i.name for i in CATALOGUE)
COPIES = 1
"""Rows with categories withheld at random, beside each row with everything granted."""

FIT, STOP, CALIBRATE = 0, 1, 2

Step = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Champion:
    """A fitted model with everything its folder needs."""

    plan: Plan
    seed: int
    parameters: Parameters
    fitted: Fitted
    calibration: Calibration
    reference: Reference
    base_rate: float
    rows: dict[str, int]
    peers: dict[str, dict[str, float]] = field(repr=False)
    measured: dict[str, Any] = field(repr=False)


def matrix(frame: pl.DataFrame) -> NDArray[np.float32]:
    """Return the indicators of a dataset in catalogue order, shape (n, k), missing as NaN."""
    return frame.select(FEATURES).fill_null(np.nan).to_numpy().astype(np.float32)


def train_champion(
    city: City, *, seed: int, parameters: Parameters | None = None, step: Step = lambda _: None
) -> Champion:
    """Fit, calibrate and measure a champion on a city.

    Parameters
    ----------
    seed : decides the folds, what is withheld and the booster's sampling; same city and seed, same bytes
    step : called with what has just been done, for a progress bar

    Raises
    ------
    ValueError
        The city is too short, or a fold lacks goods or bads.
    """
    chosen = parameters or Parameters()
    plan = plan_for(city.snapshots, city.first_period)
    firms = city.records.registration["firm"]
    fit_firms = firms.filter(pl.Series(folds(firms, seed) == FIT))
    reference = measure_reference(city, plan.train[-1], fit_firms)
    step("reference")
    rows = build(city, plan.train, reference, copies=COPIES, seed=seed, step=lambda: step("snapshot"))
    fold = folds(rows["firm"], seed)
    parts = {
        name: rows.filter(pl.Series(fold == k)) for name, k in (("fit", FIT), ("stop", STOP), ("calibrate", CALIBRATE))
    }
    x = {name: matrix(part) for name, part in parts.items()}
    y = {name: part["is_bad"].to_numpy() for name, part in parts.items()}
    fitted = fit(
        x["fit"],
        y["fit"],
        x["stop"],
        y["stop"],
        names=FEATURES,
        directions=[i.direction for i in CATALOGUE],
        parameters=chosen,
        seed=seed,
        step=lambda: step("round"),
    )
    calibration = fit_calibration(margin(fitted.booster, x["calibrate"]), y["calibrate"])
    step("calibration")
    measured = measure(city, plan, fitted, calibration, reference, seed, step)
    newest = rows.filter((pl.col("as_of") == plan.train[-1]) & (pl.col("copy") == 0))
    return Champion(
        plan=plan,
        seed=seed,
        parameters=chosen,
        fitted=fitted,
        calibration=calibration,
        reference=reference,
        base_rate=float(rows["is_bad"].mean()),  # type: ignore[arg-type]  # a column of numbers that is not empty
        rows={name: part.height for name, part in parts.items()},
        peers=peer_medians(newest),
        measured=measured,
    )


def measure(
    city: City, plan: Plan, fitted: Fitted, calibration: Calibration, reference: Reference, seed: int, step: Step
) -> dict[str, Any]:
    """Measure the model out of time, with everything granted, with each category withheld and at random."""
    cases: list[tuple[str, dict[str, Any]]] = [("all granted", {"withhold": []}), ("random consent", {"copy": 1})]
    cases += [(f"without {c}", {"withhold": [c]}) for c in OPTIONAL_CATEGORIES]
    out: dict[str, Any] = {}
    for name, how in cases:
        rows = snapshot(city, plan.test, reference, seed=seed, **how)
        logit = calibration.logit(margin(fitted.booster, matrix(rows)))
        pd_12m = calibration.pd(margin(fitted.booster, matrix(rows)))
        bad, hazard = rows["is_bad"].to_numpy(), rows["hazard_12m"].to_numpy()
        best, reached = metrics.expected_auc(hazard, hazard), metrics.expected_auc(hazard, logit)
        out[name] = {
            "firms": rows.height,
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
            "reliability": metrics.reliability(bad, pd_12m),
        }
        if name == "all granted":
            unseen = folds(rows["firm"], seed) != FIT
            out[name]["expected_auc_unseen_firms"] = metrics.expected_auc(hazard[unseen], logit[unseen])
            out[name]["best_expected_auc_unseen_firms"] = metrics.expected_auc(hazard[unseen], hazard[unseen])
        step("measure")
    return out


def peer_medians(rows: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return industry section -> indicator -> median; never from fewer than MIN_FIRMS known values."""
    out: dict[str, dict[str, float]] = {"*": _medians(rows)}
    sections = rows.with_columns(pl.col("industry").str.slice(0, 1).alias("section"))
    for (section,), part in sections.group_by("section", maintain_order=True):
        medians = _medians(part)
        if medians:
            out[str(section)] = medians
    return dict(sorted(out.items()))


def _medians(rows: pl.DataFrame) -> dict[str, float]:
    known = rows.select(pl.col(FEATURES).count()).row(0)
    medians = rows.select(pl.col(FEATURES).median()).row(0)
    # Six digits: enough to compare with, too few to tell one firm's books from the median of twenty.
    return {
        name: float(f"{median:.6g}")
        for name, count, median in zip(FEATURES, known, medians, strict=True)
        if count >= MIN_FIRMS
    }


def steps_of(city: City, parameters: Parameters) -> int:
    """Return how often `train_champion` calls `step`, at most."""
    plan = plan_for(city.snapshots, city.first_period)
    return 2 + len(plan.train) * (COPIES + 1) + parameters.rounds + 2 + len(OPTIONAL_CATEGORIES)


__all__ = ["OUTCOME_MONTHS", "Champion", "measure", "peer_medians", "steps_of", "train_champion"]
