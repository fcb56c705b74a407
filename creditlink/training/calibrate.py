"""Fitting the calibration on firms that the booster has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from creditlink.scoring.calibration import Calibration

Array = NDArray[np.float64]


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
    return Calibration("platt", values[0], values[1]) if kind == "platt" else Calibration("beta", *values)
