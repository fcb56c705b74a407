"""Fitting the calibration on firms that the booster has not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from creditlink.scoring.calibration import Calibration
from creditlink.training.withheld import OPTIONAL_CATEGORIES

Array = NDArray[np.float64]


def fit_refusals(calibration: Calibration, margin: Array, granted: Array, refused: NDArray[np.uint16]) -> Calibration:
    """Return the calibration with a shift for each refused category, under which refusing is neutral.

    The same firms are looked at with everything granted and with categories refused at random; the shifts make
    their mean PD the same, category by category. No outcome is used, so the newest day can be.

    Parameters
    ----------
    margin : uncalibrated log-odds with categories refused, shape (n,)
    granted : calibrated PD of the same firms with everything granted, shape (n,)
    refused : bit set over OPTIONAL_CATEGORIES of what each row refuses, shape (n,)

    Source: logistic regression with an offset and soft targets; its first-order conditions are the equal means.
    """
    flags = ((refused[:, None] >> np.arange(len(OPTIONAL_CATEGORIES))) & 1).astype(np.float64)
    offset = calibration.logit(margin)

    def loss(w: Array) -> tuple[float, Array]:
        logit = offset + flags @ w
        p = np.exp(-np.logaddexp(0, -logit))
        return float(np.mean(np.logaddexp(0, logit) - granted * logit)), flags.T @ (p - granted) / len(granted)

    found = minimize(loss, np.zeros(flags.shape[1]), jac=True, method="L-BFGS-B", options={"gtol": 1e-9})
    shifts = {c: round(float(v), 6) for c, v in zip(OPTIONAL_CATEGORIES, found.x, strict=True)}
    return replace(calibration, refusals=dict(sorted(shifts.items())))


def refusing_logit(calibration: Calibration, margin: Array, refused: NDArray[np.uint16]) -> Array:
    """Return calibrated log-odds of rows of which each refuses its own categories, as a bit set; all (n,)."""
    shifts = np.array([calibration.refusals.get(c, 0.0) for c in OPTIONAL_CATEGORIES])
    flags = ((refused[:, None] >> np.arange(len(OPTIONAL_CATEGORIES))) & 1).astype(np.float64)
    return np.asarray(calibration.logit(margin) + flags @ shifts)


def fit_calibration(
    margin: Array, is_bad: NDArray[np.int8], kind: str = "platt", weight: Array | None = None
) -> Calibration:
    """Fit a strictly increasing map from margin to log-odds by maximum likelihood.

    Two or three parameters: smooth, monotone, and not able to overfit a held-out fold as isotonic
    regression is.

    Parameters
    ----------
    margin : uncalibrated log-odds of bad of held-out rows, shape (n,)
    is_bad : 0 or 1, shape (n,)
    kind : `platt` or `beta`
    weight : positive, shape (n,); None: all rows weigh the same

    Raises
    ------
    ValueError
        There is no good row or no bad one, or `kind` is unknown.

    Source: Platt (1999); Kull, Silva Filho & Flach (2017), Beta calibration.
    """
    if is_bad.min(initial=1) == is_bad.max(initial=0):
        raise ValueError("is_bad: calibration needs goods and bads")
    y = is_bad.astype(np.float64)
    w_row = np.ones(len(y)) if weight is None else weight / weight.mean()
    if kind == "platt":
        columns = np.column_stack([margin, np.ones_like(margin)])
        start, bounds = [1.0, 0.0], [(1e-3, None), (None, None)]
    elif kind == "beta":
        columns = np.column_stack([-np.logaddexp(0, -margin), np.logaddexp(0, margin), np.ones_like(margin)])
        start, bounds = [1.0, 1.0, 0.0], [(1e-3, None), (1e-3, None), (None, None)]
    else:
        raise ValueError(f"kind: {kind!r} is neither platt nor beta")

    def loss(w: Array) -> tuple[float, Array]:
        logit = columns @ w
        p = np.exp(-np.logaddexp(0, -logit))
        value = float(np.mean(w_row * (np.logaddexp(0, logit) - y * logit)))
        return value, columns.T @ (w_row * (p - y)) / len(y)

    found = minimize(loss, np.array(start), jac=True, method="L-BFGS-B", bounds=bounds, options={"gtol": 1e-9})
    # Rounded, so that another version of the optimiser does not change the file in its last digits.
    values = [round(float(v), 9) for v in found.x]
    return (
        Calibration("platt", values[0], values[1])
        if kind == "platt"
        else Calibration("beta", values[0], values[1], values[2])
    )
