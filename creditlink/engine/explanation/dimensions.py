"""Contributions summed by dimension and by data category: the portrait of a score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.scoring.model import Scores


def sums_by(scores: Scores, labels: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the contributions summed over the features that share a label, in log-odds of bad.

    Parameters
    ----------
    labels
        Length k: each feature's dimension, or category, in the order of `scores.features`.

    Returns
    -------
    dict
        Label, in order of first appearance -> shape (n,). Times `scores.points_per_logit` it is
        points. All together, with the base value, they are the margin.

    Raises
    ------
    ValueError
        There is not one label per feature.
    """
    if len(labels) != len(scores.features):
        raise ValueError(f"labels: {len(labels)} for {len(scores.features)} features")
    if len(scores) == 1:  # plain numbers: what an array of one costs is all there is
        alone: dict[str, float] = {}
        for label, one in zip(labels, scores.contributions[0].tolist(), strict=True):
            alone[label] = alone[label] + one if label in alone else one
        return {label: np.array([total]) for label, total in alone.items()}
    sums: dict[str, NDArray[np.float64]] = {}
    for label, share in zip(labels, scores.contributions.T, strict=True):
        # Feature by feature, so that a firm's sums do not depend on how many firms there are.
        sums[label] = sums[label] + share if label in sums else share.copy()
    return sums
