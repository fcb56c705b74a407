"""The interval of a PD: where a firm's own probability lies, nine times in ten.

A point is one number for all firms that look alike to the model; they are not alike. The trainer measures, on
firms that the booster has not seen, how far true and calibrated log-odds are apart, by grade and by how much
was known of the firm, and stores the offsets here as plain numbers. Serving adds them.

Source: Boström (2024), crepes: conformal predictive systems; Vovk et al. (2019), Nonparametric predictive
distributions based on conformal prediction; Mondrian categories, Vovk, Gammerman & Shafer (2005).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.scoring.calibration.calibration import sigmoid

Offsets = tuple[float, float]


@dataclass(frozen=True)
class IntervalTable:
    """Offsets of log-odds by bin.

    Attributes
    ----------
    level
        Nominal coverage, in (0, 1).
    bounds
        Calibrated PDs between bins, ascending.
    evidence
        Names of indicators, a group a source of evidence. A firm's evidence is the set of groups of which
        anything is known, as a number: group g counts 2^g.
    offsets
        Shape (2^groups, PD bins): (low, high) in log-odds, low ≤ 0 ≤ high.
    """

    level: float
    bounds: tuple[float, ...]
    evidence: tuple[tuple[str, ...], ...]
    offsets: tuple[tuple[Offsets, ...], ...]

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"interval level: {self.level!r} is not between 0 and 1")
        if len(self.offsets) != 2 ** len(self.evidence):
            raise ValueError(f"interval offsets: {len(self.offsets)} rows, {2 ** len(self.evidence)} are expected")
        for known, row in enumerate(self.offsets):
            if len(row) != len(self.bounds) + 1:
                raise ValueError(f"interval offsets {known}: {len(row)} bins, {len(self.bounds) + 1} are expected")
            for low, high in row:
                if not low <= 0 <= high:
                    raise ValueError(f"interval offsets {known}: {(low, high)} does not hold the point itself")

    def known(self, features: Sequence[str], x: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return the evidence of each firm, shape (n,), from what the model read, (n, k)."""
        place = {name: number for number, name in enumerate(features)}
        there = ~np.isnan(x)
        evidence = np.zeros(len(x), np.intp)
        for number, group in enumerate(self.evidence):
            evidence += there[:, [place[name] for name in group]].any(axis=1).astype(np.intp) << number
        return evidence

    def of(
        self, features: Sequence[str], x: NDArray[np.float32], logit: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the largest PD of each firm's interval, each of shape (n,).

        Parameters
        ----------
        x
            What the model read, shape (n, k), in the order of `features`.
        logit
            Calibrated log-odds of bad, shape (n,).
        """
        table = np.asarray(self.offsets, dtype=np.float64)
        band = np.searchsorted(np.asarray(self.bounds), sigmoid(logit), side="right")
        offsets = table[self.known(features, x), band]
        return sigmoid(logit + offsets[:, 0]), sigmoid(logit + offsets[:, 1])

    def rescaled(self, slope: float, level: float, error: float = 0.0) -> IntervalTable:
        """Return the table for log-odds that are ``slope`` times those it was fitted for and ``level`` more.

        Each firm keeps its bin. How far the firms' own probabilities lie from the calibrated one is taken from the fit,
        since outcomes do not show it: what sets firms apart that look alike does not shrink with the slope. What the
        new level leaves open, its standard error, is added in squares.

        Source: independent errors add in squares; 1.645 and its like are quantiles of the normal distribution.
        """
        open_ = NormalDist().inv_cdf((1 + self.level) / 2) * error

        def wider(offsets: Offsets) -> Offsets:
            low, high = (math.hypot(one, open_) for one in offsets)
            return -round(low, 6), round(high, 6)

        bounds = (math.log(bound / (1 - bound)) for bound in self.bounds)
        return replace(
            self,
            bounds=tuple(float(sigmoid(slope * bound + level)) for bound in bounds),
            offsets=tuple(tuple(wider(one) for one in row) for row in self.offsets),
        )

    def to_json(self) -> str:
        """Return the text of interval.json."""
        members = {
            "level": self.level,
            "bounds": self.bounds,
            "evidence": self.evidence,
            "offsets": self.offsets,
        }
        return json.dumps(members, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> IntervalTable:
        """Read interval.json.

        Raises
        ------
        ValueError
            Not JSON, a member is absent, or the table has another shape than its bins.
        """
        try:
            members: Mapping[str, list[list[list[float]]]] = json.loads(text)
            return cls(
                float(members["level"]),  # type: ignore[arg-type]  # JSON: a number
                tuple(float(b) for b in members["bounds"]),  # type: ignore[arg-type]
                tuple(tuple(str(name) for name in group) for group in members["evidence"]),
                tuple(tuple((float(low), float(high)) for low, high in row) for row in members["offsets"]),
            )
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"interval: {error!r}") from error
