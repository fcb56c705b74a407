"""Points and grades: the linear image of log-odds that people read.

Points, contributions in points and the share of calibration are one decomposition: base +
contributions + calibration = unrounded points, exactly, because each is the same line applied to
a part of the log-odds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from creditlink.engine.vocabulary import GRADES


@dataclass(frozen=True)
class Scale:
    """The line from log-odds to points, and the bands from PD to grade.

    `points = offset + points_to_double * log2(odds / odds_at_offset)`, where odds are good to bad.
    `pd_bounds` are the PDs at which A+ ends, A ends, …; from the last on the grade is E.
    """

    offset: float = 600.0
    points_to_double: float = 40.0
    odds_at_offset: float = 20.0
    pd_bounds: tuple[float, ...] = (0.003, 0.008, 0.02, 0.05, 0.15)

    @property
    def points_per_logit(self) -> float:
        """Points per unit of log-odds of bad: negative, for up is safer."""
        return -self.points_to_double / math.log(2)

    def points_exact(self, logit: ArrayLike) -> NDArray[np.float64]:
        """Return unrounded points of a log-odds of bad, same shape."""
        even = self.offset - self.points_to_double * math.log2(self.odds_at_offset)
        return np.asarray(even + self.points_per_logit * np.asarray(logit, dtype=np.float64))

    def logit_at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return the log-odds of bad of unrounded `points`, same shape."""
        even = self.offset - self.points_to_double * math.log2(self.odds_at_offset)
        return np.asarray((np.asarray(points, dtype=np.float64) - even) / self.points_per_logit)

    def grade_number(self, pd_12m: ArrayLike) -> NDArray[np.int8]:
        """Return 0 for A+ … 5 for E, same shape; a PD on a bound belongs to the worse grade."""
        return np.searchsorted(np.asarray(self.pd_bounds), np.asarray(pd_12m), side="right").astype(np.int8)

    def grade(self, pd_12m: ArrayLike) -> NDArray[np.str_]:
        """Return the grade of each PD, same shape."""
        return np.asarray(GRADES)[self.grade_number(pd_12m)]


def rounded(points: ArrayLike) -> NDArray[np.int32]:
    """Return whole points, halves away from zero, same shape."""
    exact = np.asarray(points, dtype=np.float64)
    return (np.sign(exact) * np.floor(np.abs(exact) + 0.5)).astype(np.int32)
