"""Venn–Abers: between which two probabilities outcomes put a firm, assuming only that rows are exchangeable. Pure.

The two are the calibrated probability if the firm is taken to be good, and if it is taken to be bad. One of them is
perfectly calibrated in expectation, whatever the score. How far they lie apart shows how much outcomes say about the
level at a score; it is no interval of the firm's own probability and has no nominal coverage (0020).

Source: Vovk, Petej & Fedorova (2015), Large-scale probabilistic predictors with and without guarantees of validity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

Floats = NDArray[np.float64]

GRID = 100
"""Scores at which both are computed. Between two of them the lower and the higher one hold, on the safe side."""


def venn_abers(
    score: Floats, is_bad: NDArray[np.int8], at: Floats, *, weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the lower and the upper probability of bad of each firm in `at`, each of shape (m,).

    Parameters
    ----------
    score, is_bad : of firms that the score was not fitted to, shape (n,); more score is riskier
    at : scores of the firms to be judged, shape (m,)
    weight : positive, shape (n,); None: all rows weigh the same

    Raises
    ------
    ValueError
        There is no row, or a score is not a finite number.
    """
    if not len(score) or not (np.isfinite(score).all() and np.isfinite(at).all()):
        raise ValueError("score: finite numbers are needed, of one firm at least")
    places = np.unique(at)
    if len(places) > GRID:
        places = np.unique(np.quantile(at, np.linspace(0, 1, GRID), method="nearest"))
    rows = np.ones(len(score)) if weight is None else weight / weight.mean()
    known, group = np.unique(score, return_inverse=True)
    bads = np.bincount(group, weights=rows * is_bad).astype(np.float64)
    weights = np.bincount(group, weights=rows).astype(np.float64)
    low, high = (_fitted(known, bads, weights, places, taken_as) for taken_as in (0, 1))
    below = np.clip(np.searchsorted(places, at, side="right") - 1, 0, len(places) - 1)
    above = np.clip(np.searchsorted(places, at, side="left"), 0, len(places) - 1)
    return low[below], high[above]


def _fitted(known: Floats, bads: Floats, weights: Floats, places: Floats, taken_as: int) -> Floats:
    """Return the isotonic fit at each place with one more firm there, taken to be good (0) or bad (1).

    Parameters
    ----------
    known, bads, weights : different scores, ascending, and the weight of the bads and of all firms at each, shape (k,)
    """
    out = np.empty(len(places))
    for number, (place, at) in enumerate(zip(places, np.searchsorted(known, places), strict=True)):
        there = at < len(known) and known[at] == place
        y, w = (bads.copy(), weights.copy()) if there else (np.insert(bads, at, 0.0), np.insert(weights, at, 0.0))
        y[at] += taken_as
        w[at] += 1.0
        out[number] = isotonic_regression(y / w, sample_weight=w, y_min=0.0, y_max=1.0)[at]
    return out
