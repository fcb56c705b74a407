"""How good a score is: discrimination, calibration, stability. Pure arithmetic on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from creditlink.engine.scoring.measures import as_bad, auc, smoothed_shares, stability_index

__all__ = ["auc", "brier", "ece", "expected_auc", "gini", "ks", "psi", "reliability"]

Floats = NDArray[np.float64]


def gini(is_bad: ArrayLike, score: ArrayLike) -> float:
    """Return 2 · AUC − 1, the accuracy ratio."""
    return 2 * auc(is_bad, score) - 1


def ks(is_bad: ArrayLike, score: ArrayLike) -> float:
    """Return the largest distance between the score distributions of bads and goods.

    Source: Kolmogorov & Smirnov; Siddiqi, Credit Risk Scorecards (2006).
    """
    bad, values = as_bad(is_bad), np.asarray(score, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    bad, values = bad[order], values[order]
    last_of_ties = np.append(values[1:] != values[:-1], True)
    share_bad, share_good = np.cumsum(bad) / bad.sum(), np.cumsum(~bad) / (~bad).sum()
    return float(np.abs(share_bad - share_good)[last_of_ties].max())


def brier(is_bad: ArrayLike, pd_12m: ArrayLike) -> float:
    """Return the mean squared error of a probability.

    Source: Brier (1950).
    """
    return float(np.mean((np.asarray(pd_12m, dtype=np.float64) - np.asarray(is_bad, dtype=np.float64)) ** 2))


def ece(is_bad: ArrayLike, pd_12m: ArrayLike, bins: int = 10) -> float:
    """Return the expected calibration error over `bins` groups of equal size by PD.

    Source: Naeini, Cooper & Hauskrecht (2015), with equal-mass bins as PDs of firms crowd near zero.
    """
    pds, bad = np.asarray(pd_12m, dtype=np.float64), np.asarray(is_bad, dtype=np.float64)
    groups = np.array_split(np.argsort(pds, kind="stable"), bins)
    return float(sum(len(g) * abs(pds[g].mean() - bad[g].mean()) for g in groups if len(g)) / len(pds))


def reliability(is_bad: ArrayLike, pd_12m: ArrayLike, bins: int = 10) -> list[tuple[int, float, float]]:
    """Return (firms, mean PD, observed bad rate) of each of `bins` groups of equal size by PD."""
    pds, bad = np.asarray(pd_12m, dtype=np.float64), np.asarray(is_bad, dtype=np.float64)
    groups = np.array_split(np.argsort(pds, kind="stable"), bins)
    return [(len(g), float(pds[g].mean()), float(bad[g].mean())) for g in groups if len(g)]


def psi(expected: ArrayLike, actual: ArrayLike, bins: int = 10) -> float:
    """Return the population stability index of `actual` against `expected`; missing is a bin of its own.

    Below 0.10 stable, above 0.25 shifted.

    Source: Siddiqi, Credit Risk Scorecards (2006), population stability report.
    """
    before, after = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    known = before[~np.isnan(before)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.empty(0)

    def shares(values: Floats) -> Floats:
        missing = np.isnan(values)
        where = np.where(missing, len(edges) + 1, np.searchsorted(edges, values, side="right"))
        return smoothed_shares(np.bincount(where, minlength=len(edges) + 2))

    return stability_index(shares(before), shares(after))


def expected_auc(hazard: ArrayLike, score: ArrayLike) -> float:
    """Return the AUC to be expected of `score` when each firm goes bad with its true `hazard`.

    It is what `auc` estimates from one draw of outcomes, without the noise of the draw; with
    `score=hazard` it is the best any model could reach.

    Parameters
    ----------
    hazard : true probability of bad, shape (n,)
    score : any increasing measure of risk, shape (n,)
    """
    p, values = np.asarray(hazard, dtype=np.float64), np.asarray(score, dtype=np.float64)
    levels, group = np.unique(values, return_inverse=True)
    bad: Floats = np.bincount(group, weights=p, minlength=len(levels)).astype(np.float64)
    good: Floats = np.bincount(group, weights=1 - p, minlength=len(levels)).astype(np.float64)
    below = np.cumsum(good) - good
    # A firm is never compared with itself: its own pair is taken out of the ties and of the total.
    own = float(np.sum(p * (1 - p)))
    won = float(np.sum(bad * (below + good / 2))) - own / 2
    return won / (float(bad.sum()) * float(good.sum()) - own)
