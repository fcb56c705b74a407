"""How far two models are apart over the same firms: rank correlation, grades, drift of their mix. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.scoring.measures import mean_ranks, stability_index
from creditlink.engine.vocabulary import GRADES

BANDS_APART = 2
"""Grades of one firm that are so many bands apart count as different."""

BANDS_FOR_REVIEW = 3
"""Grades of one firm that are so many bands apart ask for a person."""

FEWEST = 50
"""Fewer profiles say nothing about two models."""

MOST_APART = 0.10
LEAST_CORRELATION = 0.90
MOST_PSI = 0.25
"""Beyond one of these the pair asks for a person. PSI: Siddiqi, Credit Risk Scorecards (2006); the others are ours."""

_FLOOR = 1e-4  # a band that one of the two never gives: its share is not nought but less than can be seen
_PLACE = {grade: place for place, grade in enumerate(GRADES)}


@dataclass(frozen=True)
class ShadowComparison:
    """Two models over the same profiles."""

    profiles: int
    rank_correlation: float | None
    share_apart: float
    psi: float

    @property
    def asks_for_a_person(self) -> bool:
        """Whether the two are so far apart that somebody should look."""
        if self.profiles < FEWEST:
            return False
        is_uncorrelated = self.rank_correlation is not None and self.rank_correlation < LEAST_CORRELATION
        return is_uncorrelated or self.share_apart > MOST_APART or self.psi > MOST_PSI


def bands_between(one: str, other: str) -> int:
    """Return how many bands two grades are apart."""
    return abs(_PLACE[one] - _PLACE[other])


def compare(
    pd: NDArray[np.float64], live_pd: NDArray[np.float64], grades: Sequence[str], live_grades: Sequence[str]
) -> ShadowComparison:
    """Compare a shadow model with the live one, firm by firm.

    Parameters
    ----------
    pd, live_pd : probabilities of default within 12 months, arrays of shape (n,)
    grades, live_grades : the grades of the same n firms

    Raises
    ------
    ValueError
        There is no firm, or the four differ in length.

    Source: Spearman (1904) with mean ranks of ties; PSI as in Siddiqi, Credit Risk Scorecards (2006).
    """
    lengths = {len(pd), len(live_pd), len(grades), len(live_grades)}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"four columns of one length and at least one row, got lengths {sorted(lengths)}")
    apart = [bands_between(one, other) >= BANDS_APART for one, other in zip(grades, live_grades, strict=True)]
    psi = stability_index(_shares(live_grades), _shares(grades))
    return ShadowComparison(len(pd), _spearman(pd, live_pd), float(np.mean(apart)), psi)


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Return the correlation of mean ranks; None where one of the two ranks nobody."""
    ranks, others = mean_ranks(one), mean_ranks(other)
    if len(one) < 2 or ranks.std() == 0 or others.std() == 0:
        return None
    return float(np.corrcoef(ranks, others)[0, 1])


def _shares(grades: Sequence[str]) -> NDArray[np.float64]:
    counts = np.bincount([_PLACE[grade] for grade in grades], minlength=len(GRADES))
    return np.maximum(counts / len(grades), _FLOOR)
