"""Fitting level and slope of a model's log-odds to real outcomes, and judging them on rows they were not fitted to.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.training.fitting.calibrate import fit_calibration
from creditlink.training.recalibration.outcomes import OutcomesUnusable, RealOutcomes
from creditlink.training.validation import metrics

LEAST_BADS = 100
"""Bad firms that a level needs: its relative standard error is then about a tenth, the inverse root of their count."""

LEAST_GOODS = 100
LEAST_BADS_FOR_SLOPE = 200
"""Bad firms that a slope needs beside the level. Source: as for a calibration's own map, `fitting.calibrate`."""

ALPHA = 0.01
"""A slope is fitted where chance alone would give as much likelihood once in a hundred times."""

FOLDS = 5
STEPS, CLOSE = 50, 1e-10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Adjustment:
    """New log-odds: ``slope`` times the old, and ``level`` more.

    `level_error` is the standard error of the level where the firms are; `likelihood_ratio` what a slope would add,
    chi-squared with one degree of freedom, and `p_value` how often chance gives as much.
    """

    slope: float
    level: float
    level_error: float
    likelihood_ratio: float | None
    p_value: float | None

    def of(self, logit: Floats) -> Floats:
        """Return the new log-odds, same shape."""
        return self.slope * logit + self.level


class AdjustmentFigures(TypedDict):
    """How near probabilities come to what happened; `by_grade`: grade, rows, mean PD, bad rate."""

    mean_pd: float
    bad_rate: float
    ece: float
    log_loss: float
    auc: float
    z: float
    by_grade: list[tuple[str, int, float, float]]


def refuse_few(outcomes: RealOutcomes) -> None:
    """Refuse outcomes that a level cannot rest on.

    Raises
    ------
    OutcomesUnusable
        Too few firms went bad, or too few stayed good; the message says how many are needed.
    """
    for found, least, what in (
        (outcomes.bad_firms, LEAST_BADS, "went bad"),
        (outcomes.good_firms, LEAST_GOODS, "stayed good"),
    ):
        if found < least:
            raise OutcomesUnusable(f"{found} firms {what}: {least} are needed, {least - found} more")


def fit_adjustment(outcomes: RealOutcomes) -> Adjustment:
    """Return the level, and the slope where enough firms went bad and a likelihood-ratio test asks for one.

    Raises
    ------
    OutcomesUnusable
        Too few firms went bad, or too few stayed good.

    Source: Cox (1958), Two further applications of a model for binary regression; Wilks (1938) for the test.
    """
    refuse_few(outcomes)
    level = _level(outcomes)
    by_level = Adjustment(1.0, round(level, 6), _error(outcomes, outcomes.logit + level), None, None)
    if outcomes.bad_firms < LEAST_BADS_FOR_SLOPE:
        return by_level
    both = fit_calibration(outcomes.logit, outcomes.is_bad, weight=outcomes.weight)
    ratio = 2 * _effective(outcomes) * (
        _log_loss(outcomes, outcomes.logit + level) - _log_loss(outcomes, both.a * outcomes.logit + both.b)
    )  # fmt: skip
    ratio = max(0.0, ratio)
    p_value = float(chi2.sf(ratio, 1))
    if p_value >= ALPHA:
        return Adjustment(1.0, by_level.level, by_level.level_error, ratio, p_value)
    slope, level = round(both.a, 6), round(both.b, 6)
    return Adjustment(slope, level, _error(outcomes, slope * outcomes.logit + level), ratio, p_value)


def held_out(outcomes: RealOutcomes, seed: int = 0) -> Floats:
    """Return the new log-odds of each row by an adjustment fitted without its firm, shape (n,).

    A fold is a fifth of the firms, drawn among the good and the bad alike.
    """
    rng = np.random.default_rng(seed)
    firms = np.arange(len(outcomes.logit)) if outcomes.firm is None else outcomes.firm
    names, place = np.unique(firms, return_inverse=True)
    went_bad = np.zeros(len(names), bool)
    np.logical_or.at(went_bad, place, outcomes.is_bad == 1)
    order = np.lexsort((rng.random(len(names)), went_bad))
    fold = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) % FOLDS
    out = np.empty(len(outcomes.logit))
    slope = fit_adjustment(outcomes).slope != 1.0
    for number in range(FOLDS):
        there = fold[place] == number
        rest = outcomes.chosen(~there)
        if slope:
            both = fit_calibration(rest.logit, rest.is_bad, weight=rest.weight)
            out[there] = both.a * outcomes.logit[there] + both.b
        else:
            out[there] = outcomes.logit[there] + _level(rest)
    return out


def figures(outcomes: RealOutcomes, logit: Floats, grades: NDArray[np.str_]) -> AdjustmentFigures:
    """Return how near log-odds (n,), with their grades (n,), come to the outcomes; rows count by their weight."""
    p, bad, w = sigmoid(logit), outcomes.is_bad.astype(np.float64), outcomes.weight
    spread = float(np.sqrt((w**2 * p * (1 - p)).sum()))
    return {
        "mean_pd": float((w * p).sum() / w.sum()),
        "bad_rate": float((w * bad).sum() / w.sum()),
        "ece": metrics.ece(outcomes.is_bad, p),
        "log_loss": _log_loss(outcomes, logit),
        "auc": metrics.auc(outcomes.is_bad, logit),
        "z": float((w * (bad - p)).sum() / spread),
        "by_grade": [
            (str(grade), int(here.sum()), float(p[here].mean()), float(bad[here].mean()))
            for grade in dict.fromkeys(sorted(grades.tolist(), key=_place))
            for here in [grades == grade]
        ],
    }


def _place(grade: str) -> tuple[str, int]:
    return grade[:1], -len(grade)  # A+ before A


def _level(outcomes: RealOutcomes) -> float:
    """Return the shift under which as many go bad as did, by Newton's steps."""
    level, went_bad = 0.0, float((outcomes.weight * outcomes.is_bad).sum())
    for _ in range(STEPS):
        p = sigmoid(outcomes.logit + level)
        step = (float((outcomes.weight * p).sum()) - went_bad) / float((outcomes.weight * p * (1 - p)).sum())
        level -= max(-2.0, min(2.0, step))
        if abs(step) < CLOSE:
            break
    return level


def _log_loss(outcomes: RealOutcomes, logit: Floats) -> float:
    loss = np.logaddexp(0, logit) - outcomes.is_bad * logit
    return float((outcomes.weight * loss).sum() / outcomes.weight.sum())


def _effective(outcomes: RealOutcomes) -> float:
    """Return how many rows of equal weight say as much. Source: Kish (1965), Survey Sampling."""
    return float(outcomes.weight.sum() ** 2 / (outcomes.weight**2).sum())


def _error(outcomes: RealOutcomes, logit: Floats) -> float:
    p, share = sigmoid(logit), _effective(outcomes) / len(logit)
    return round(float(1 / np.sqrt((outcomes.weight * p * (1 - p)).sum() * share)), 6)
