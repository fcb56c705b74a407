"""One evaluation of the score for a hypothetical: these values, this model, this policy. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.explanation.change.grid import STEPS, shapley, steps_of
from creditlink.engine.explanation.change.states import ScoreBasis
from creditlink.engine.scoring.calibration.calibration import Calibration, sigmoid
from creditlink.engine.scoring.trees.explain import explain

_NEAR = 1e-3
"""Margins nearer to each other than this take the slope between them, and not the ratio of two small differences."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A score, with what it is made of."""

    basis: ScoreBasis
    steps: int  # unrounded points, in steps of the grid
    points_exact: float
    logit: float  # calibrated log-odds of bad
    margin: float
    shares: NDArray[np.float64]  # SHAP values, in the order of the model's features
    absent: Mapping[str, bool]  # category of evidence -> nothing is known of it; empty: the calibration does not ask

    @property
    def grade(self) -> str:
        """Return the grade that this PD has by this scale."""
        return str(self.basis.scale.grade(sigmoid(self.logit)))


def evaluate(values: Mapping[str, float | None], basis: ScoreBasis) -> Evaluated:
    """Return the score of a firm with these values."""
    known = [values.get(name) for name in basis.model.features]
    row = np.array([[np.nan if value is None else value for value in known]], np.float32)
    explanation = explain(basis.model.explainer, np.asfortranarray(row), threads=1)
    logit = basis.calibration.logit_of(explanation.margin, basis.model.features, row)
    exact = float(basis.scale.points_exact(logit)[0])
    absence = basis.calibration.absence
    absent = {} if absence is None else absence.absent(basis.model.features, row)
    return Evaluated(
        basis,
        steps_of(exact),
        exact,
        float(logit[0]),
        float(explanation.margin[0]),
        explanation.contributions[0],
        {category: bool(gone[0]) for category, gone in absent.items()},
    )


@dataclass(frozen=True)
class DataParts:
    """The effect of other data in one context, in steps: by indicator, and by what became known or unknown."""

    by_indicator: Mapping[str, Fraction]
    by_absence: Mapping[str, Fraction]


def data_parts(before: Evaluated, after: Evaluated) -> DataParts:
    """Split the effect of data between two evaluations on one basis; the parts add up to it exactly.

    An indicator has the difference of its SHAP values times the calibration's slope; what a category became known or
    unknown moves of the calibration is the category's, shared among several by Shapley.
    """
    basis = before.basis
    model, calibration = basis.model, basis.calibration
    scale = Fraction(basis.scale.points_per_logit) * STEPS
    flipped = [category for category, gone in before.absent.items() if gone != after.absent[category]]
    slope = scale * Fraction(_slope(before, after))
    shares = {
        name: slope * (Fraction(float(new)) - Fraction(float(old)))
        for name, old, new in zip(model.features, before.shares, after.shares, strict=True)
    }

    def absence_of(chosen: frozenset[str]) -> Fraction:
        absent = {c: gone != (c in chosen) for c, gone in before.absent.items()}
        ends = [_beyond_margin(calibration, one.margin, absent) for one in (before, after)]
        return scale * sum(map(Fraction, ends), Fraction(0)) / 2

    absences = shapley(flipped, absence_of) if flipped else {}
    # What the floats of the two scores were rounded by, below a millionth of a point: to the largest part.
    rest = Fraction(after.steps - before.steps) - sum(shares.values()) - sum(absences.values())
    if largest := max(shares, key=lambda name: abs(shares[name]), default=None):
        shares[largest] += rest
    return DataParts(shares, absences)


def _known(calibration: Calibration, absent: Mapping[str, bool]) -> NDArray[np.intp] | None:
    if calibration.by_known is None or not absent:
        return None
    return calibration.by_known.place({category: np.array([gone]) for category, gone in absent.items()})


def _mapped(calibration: Calibration, margin: float, absent: Mapping[str, bool]) -> float:
    """Return the calibrated log-odds of a margin where these are absent, without what absence adds."""
    return float(np.atleast_1d(calibration.logit(np.array([margin]), _known(calibration, absent)))[0])


def _beyond_margin(calibration: Calibration, margin: float, absent: Mapping[str, bool]) -> float:
    """Return all that calibration makes of a margin where these are absent."""
    shift = 0.0
    if calibration.absence is not None:
        shift = float(calibration.absence.shift({c: np.array([gone]) for c, gone in absent.items()})[0])
    return _mapped(calibration, margin, absent) + shift


def _slope(before: Evaluated, after: Evaluated) -> float:
    """Return how much log-odds a unit of margin is worth between two margins: the mean of both sides' maps."""
    low, high = sorted((before.margin, after.margin))
    if high - low < _NEAR:
        low, high = low - _NEAR, high + _NEAR
    calibration = before.basis.calibration
    slopes = []
    for one in (before, after):
        at = [_mapped(calibration, margin, one.absent) for margin in (low, high)]
        slopes += [(b - a) / (high - low) for a, b in pairwise(at)]
    return sum(slopes) / len(slopes)
