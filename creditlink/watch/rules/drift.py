"""How far a distribution moved from its reference, and whether chance alone could have made it. Pure.

An index of 0.10 from eighty firms says nothing: with as many bins, chance makes it most days. So a level takes both,
the threshold and an index that chance exceeds too rarely to cry wolf.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.scoring.measures import smoothed_shares, stability_index

Floats = NDArray[np.float64]
Level = Literal["few", "stable", "moved", "shifted"]

LEVELS: tuple[Level, ...] = ("few", "stable", "moved", "shifted")
"""From what says least to what says most."""

LEAST_EXPECTED = 5.0
"""Bins of which fewer firms are expected are put together with a neighbour. Source: Cochran (1954)."""


@dataclass(frozen=True)
class DriftThresholds:
    """When an index counts.

    Attributes
    ----------
    moved, shifted : 0.10 and 0.25. Source: Siddiqi, Credit Risk Scorecards (2006).
    false_alarms : how often chance alone may exceed the limit of one series on one day
    fewest : firms below which nothing is said
    """

    moved: float = 0.10
    shifted: float = 0.25
    false_alarms: float = 1e-6
    fewest: int = 50


@dataclass(frozen=True)
class DriftFinding:
    """One series held against its reference.

    Attributes
    ----------
    index : the population stability index
    limit : what chance alone stays below
    """

    firms: int
    index: float
    limit: float
    level: Level


def judge(
    counts: Sequence[int],
    expected: Sequence[float] | Floats,
    *,
    firms: int,
    reference_firms: int,
    thresholds: DriftThresholds,
) -> DriftFinding:
    """Hold the counts of some profiles against the shares that were expected.

    Parameters
    ----------
    counts : profiles in each bin, shape (k,)
    expected : shares of the same bins, shape (k,), adding up to 1
    firms : different firms among the profiles: a firm seen every day is one firm
    reference_firms : firms that the shares were measured on

    Raises
    ------
    ValueError
        The two differ in length.

    Source: Yurdakul & Naranjo (2020), Statistical properties of the population stability index: without drift,
    PSI / (1/n + 1/m) follows chi-square with k − 1 degrees of freedom.
    """
    if len(counts) != len(expected):
        raise ValueError(f"{len(counts)} bins were counted and {len(expected)} expected")
    seen, shares = np.asarray(counts, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    firms = min(firms, int(seen.sum()))
    if firms < thresholds.fewest or reference_firms < thresholds.fewest:
        return DriftFinding(firms, 0.0, float("inf"), "few")
    places = list(_joined(shares * min(firms, reference_firms)))
    seen, shares = np.add.reduceat(seen, places), np.add.reduceat(shares, places)
    if len(places) < 2:
        return DriftFinding(firms, 0.0, float("inf"), "few")
    # Imported by the daily job alone: every process that starts would pay for scipy.
    from scipy.special import chdtri

    index = stability_index(smoothed_shares(shares * reference_firms), smoothed_shares(seen))
    noise = 1 / firms + 1 / reference_firms
    limit = float(chdtri(len(places) - 1, thresholds.false_alarms)) * noise
    return DriftFinding(firms, index, limit, _level(index, limit, thresholds))


def nearest(counts: Sequence[int], before: Floats, after: Floats) -> Floats:
    """Return the mixture of two references, in tenths, that the counts are nearest to."""
    seen = smoothed_shares(counts)
    mixtures = [before + (after - before) * tenths / 10 for tenths in range(11)]
    return min(mixtures, key=lambda shares: stability_index(shares, seen))


def _level(index: float, limit: float, thresholds: DriftThresholds) -> Level:
    if index <= limit:
        # Chance that would hide a drift worth an act is not stability.
        return "few" if limit >= thresholds.shifted else "stable"
    if index >= thresholds.shifted:
        return "shifted"
    return "moved" if index >= thresholds.moved else "stable"


def _joined(expected: Floats) -> Iterator[int]:
    """Yield where each bin begins, once those of which too few firms are expected are put to the one before them."""
    yield 0
    inside = float(expected[0])
    for place in range(1, len(expected)):
        if inside >= LEAST_EXPECTED and float(expected[place:].sum()) >= LEAST_EXPECTED:
            yield place
            inside = 0.0
        inside += float(expected[place])


def worst(findings: Sequence[tuple[int, DriftFinding]]) -> tuple[int, DriftFinding]:
    """Return the window, in days, and the finding that says most; of several that say as much, the longest window's."""
    return max(findings, key=lambda one: (LEVELS.index(one[1].level), one[0]))
