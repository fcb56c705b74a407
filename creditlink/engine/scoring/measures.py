"""How well a score ranks, and how far a distribution has moved: the arithmetic that training and the watch share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def auc(is_bad: ArrayLike, score: ArrayLike) -> float:
    """Return the probability that a bad firm scores above a good one, ties counting half.

    Parameters
    ----------
    is_bad : 0 or 1, shape (n,)
    score : any increasing measure of risk, shape (n,)

    Raises
    ------
    ValueError
        There is no good firm or no bad one.

    Source: Mann & Whitney (1947); Hanley & McNeil (1982).
    """
    bad, ranks = as_bad(is_bad), mean_ranks(np.asarray(score, dtype=np.float64))
    bads = float(bad.sum())
    goods = len(bad) - bads
    return float((ranks[bad].sum() - bads * (bads + 1) / 2) / (bads * goods))


def auc_error(area: float, bads: int, goods: int) -> float:
    """Return the standard error of an AUC by chance alone.

    Source: Hanley & McNeil (1982), with the exponential approximation of Q1 and Q2.
    """
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (bads - 1) * (q1 - area**2) + (goods - 1) * (q2 - area**2)
    return float(np.sqrt(spread / (bads * goods)))


def stability_index(expected: ArrayLike, actual: ArrayLike) -> float:
    """Return the population stability index of `actual` shares against `expected` ones, bin by bin.

    Parameters
    ----------
    expected, actual : positive shares of the same bins, shape (k,); an empty bin's must be smoothed or floored

    Source: Siddiqi, Credit Risk Scorecards (2006), population stability report.
    """
    p, q = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    return float(np.sum((q - p) * np.log(q / p)))


def smoothed_shares(counts: ArrayLike) -> Floats:
    """Return the shares of counts, half a firm added to every bin: an empty one stays finite."""
    firms = np.asarray(counts, dtype=np.float64)
    return np.asarray((firms + 0.5) / (firms.sum() + 0.5 * len(firms)), dtype=np.float64)


def as_bad(is_bad: ArrayLike) -> NDArray[np.bool_]:
    """Return outcomes as booleans.

    Raises
    ------
    ValueError
        There is no good firm or no bad one.
    """
    bad = np.asarray(is_bad).astype(bool)
    if bad.all() or not bad.any():
        raise ValueError(f"is_bad must hold goods and bads; it holds {int(bad.sum())} bads of {len(bad)}")
    return bad


def mean_ranks(values: Floats) -> Floats:
    """Return ranks from 1, ties at their mean."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[group], dtype=np.float64)
