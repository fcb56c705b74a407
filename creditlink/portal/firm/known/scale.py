"""Points, grades and probabilities as an owner and a banker read them, and how they moved. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from creditlink.engine.scoring.scale import Scale, rounded
from creditlink.engine.vocabulary import GRADES
from creditlink.kit.clock import day_of
from creditlink.portal.staff.drawing.lines import DayLine, DrawnLines, drawn

_FEW = 0.01
_BELOW = 20  # points, so that the lowest is not on the edge
_LEAST = 2  # profiles: one is no line


@dataclass(frozen=True)
class GradeBand:
    """One grade: its points, and of how many firms how many are expected to fail."""

    grade: str
    points_from: int | None  # None: no lower end
    points_below: int | None  # None: no upper end
    pd_from: float
    pd_below: float


def bands(scale: Scale) -> list[GradeBand]:
    """Return every grade, the safest first."""
    ends = (0.0, *scale.pd_bounds, 1.0)
    return [
        GradeBand(
            grade,
            None if high >= 1.0 else _points(scale, high),
            None if low <= 0.0 else _points(scale, low),
            low,
            high,
        )
        for grade, (low, high) in zip(GRADES, pairwise(ends), strict=True)
    ]


def _points(scale: Scale, pd_12m: float) -> int:
    return int(rounded(scale.points_exact(math.log(pd_12m / (1 - pd_12m)))))


def out_of(pd_12m: float) -> tuple[int, int]:
    """Return a probability as so many of so many firms: of a hundred, or of a thousand where that is fewer than one.

    >>> out_of(0.034), out_of(0.004), out_of(0.0001)
    ((3, 100), (4, 1000), (1, 1000))
    """
    if pd_12m >= _FEW:
        return round(pd_12m * 100), 100
    return max(1, round(pd_12m * 1000)), 1000


def odds(pd_12m: float) -> int:
    """Return how many good firms stand against one bad one."""
    return round((1 - pd_12m) / pd_12m) if pd_12m > 0 else 0


def history(made: Sequence[tuple[datetime, int | None]], name: str) -> DrawnLines | None:
    """Return the points of a firm's profiles over time, oldest first; None where fewer than two have points."""
    known = [(at, points) for at, points in made if points is not None]
    days = [day_of(at) for at, _ in known]
    if len(set(days)) < _LEAST:
        return None
    values = [float(points) for _, points in known]
    return drawn(days, [DayLine(name, "index", values)], unit="%.0f", days_as="%Y-%m-%d", floor=min(values) - _BELOW)
