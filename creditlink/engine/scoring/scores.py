"""Scores: a model's answer on many firms, and the sums that every score satisfies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-6

_CHECKED_ROWS = 1024  # at a time; the sums of more would leave the cache


class InexactScoreError(Exception):
    """Base, contributions and calibration do not add up: no such score may leave the process."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of n firms by a model of k features.

    Always: ``base_value + contributions.sum(axis=1) == margin`` and ``points_base +
    points_contributions.sum(axis=1) + points_calibration == points_exact``, within 1e-6.

    Attributes
    ----------
    margin
        Shape (n,): log-odds of bad before calibration.
    pd_raw, pd_12m
        Shape (n,): probability of bad before and after calibration.
    points_exact, points
        Shape (n,): points before and after rounding; up is safer.
    grade
        Shape (n,): A+ A B C D E.
    x
        Shape (n, k): what the model read, in the order of `features`; missing is NaN.
    contributions
        Shape (n, k), stored by column: SHAP values in log-odds of bad, in the order of `features`.
    points_base
        Points of the base value: the same for every firm.
    points_calibration
        Shape (n,): what calibration adds to the points, shifts of what is absent included.
    pd_low, pd_high
        Shape (n,): the PD's interval; None where the model has none.
    """

    model_id: str
    features: tuple[str, ...]
    x: NDArray[np.float32]
    base_value: float
    margin: NDArray[np.float64]
    pd_raw: NDArray[np.float64]
    pd_12m: NDArray[np.float64]
    points_exact: NDArray[np.float64]
    points: NDArray[np.int32]
    grade: NDArray[np.str_]
    contributions: NDArray[np.float64]
    points_base: float
    points_calibration: NDArray[np.float64]
    points_per_logit: float
    pd_low: NDArray[np.float64] | None = None
    pd_high: NDArray[np.float64] | None = None

    @cached_property
    def points_contributions(self) -> NDArray[np.float64]:
        """Contributions in points, shape (n, k): computed when first read, as screening never reads them."""
        return self.contributions * self.points_per_logit

    def __len__(self) -> int:
        return len(self.margin)

    def take(self, row: int) -> Scores:
        """Return the scores of one firm, as `score` would have given them for it alone."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} scores")
        one = slice(row, row + 1)
        return replace(
            self,
            x=self.x[one],
            margin=self.margin[one],
            pd_raw=self.pd_raw[one],
            pd_12m=self.pd_12m[one],
            points_exact=self.points_exact[one],
            points=self.points[one],
            grade=self.grade[one],
            contributions=self.contributions[one],
            points_calibration=self.points_calibration[one],
            pd_low=None if self.pd_low is None else self.pd_low[one],
            pd_high=None if self.pd_high is None else self.pd_high[one],
        )


def check_sums(scores: Scores) -> None:
    """Check the two sums that every score promises.

    Raises
    ------
    InexactScoreError
        One is off by more than 1e-6; the message names the row and both sides.
    """
    by_feature = scores.contributions.T
    for first in range(0, len(scores), _CHECKED_ROWS):
        rows = slice(first, first + _CHECKED_ROWS)
        shares = by_feature[:, rows]
        margin = scores.base_value + shares.sum(axis=0)
        points = scores.points_base + (shares * scores.points_per_logit).sum(axis=0) + scores.points_calibration[rows]
        for name, summed, stated in (
            ("margin", margin, scores.margin[rows]),
            ("points", points, scores.points_exact[rows]),
        ):
            # Not "difference > tolerance": a NaN must not pass.
            wrong = ~(np.abs(summed - stated) <= TOLERANCE)
            if wrong.any():
                row = int(np.argmax(wrong))
                raise InexactScoreError(
                    f"{name} of row {first + row}: the parts give {summed[row]!r}, the score says {stated[row]!r}"
                )
