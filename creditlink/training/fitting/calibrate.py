"""Fitting the calibration on firms that the booster has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import chi2

from creditlink.engine.scoring.calibration.absence import JOINT, Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, sigmoid
from creditlink.engine.scoring.calibration.known import ByKnown, Rising

Floats = NDArray[np.float64]
Absent = Mapping[str, NDArray[np.bool_]]


STEPS, CLOSE = 50, 1e-9
"""Newton's steps at most, and the step that ends them."""


def fit_absence(
    calibration: Calibration,
    absence: Absence,
    known: tuple[Floats, NDArray[np.bool_]],
    taken: Sequence[tuple[Floats, NDArray[np.bool_], NDArray[np.intp]]],
) -> Calibration:
    """Return the calibration under which taking a category away moves no firm's PD in the mean.

    The same firms are compared as they are known and with the categories of one term of `absence` taken away. Their
    mean PD stays, term by term; so does the mean PD of all firms as they are known. No outcome is used, so the newest
    day can serve.

    Parameters
    ----------
    absence : the evidence, and the terms (its shifts are where the search begins)
    known : uncalibrated log-odds (n,) of firms as they are known, and which categories of each are absent (n, c), in
        the order of the evidence
    taken : for each term, in the order of the shifts, the same of the m firms that had what it takes away, and which
        firms those are, (m,)

    Raises
    ------
    ValueError
        No firm had what a term takes away.

    Source: the method of moments by Newton's steps; as many equal means as there are shifts.
    """
    terms = [[list(absence.evidence).index(c) for c in name.split(JOINT)] for name in absence.shifts]

    def design(gone: NDArray[np.bool_]) -> Floats:
        return np.column_stack([gone[:, term].all(axis=1) for term in terms]).astype(np.float64)

    names = list(absence.evidence)

    def logits(margin: Floats, gone: NDArray[np.bool_]) -> Floats:
        if calibration.by_known is None:
            return calibration.logit(margin)
        absent = {name: gone[:, number] for number, name in enumerate(names)}
        return calibration.logit(margin, calibration.by_known.place(absent))

    everyone, before = logits(*known), design(known[1])
    mean = sigmoid(everyone).mean()
    firms = np.concatenate([rows for *_, rows in taken])
    after = np.concatenate([design(gone) for _, gone, _ in taken])
    logit = np.concatenate([logits(margin, gone) for margin, gone, _ in taken])
    for name, (*_, rows) in zip(absence.shifts, taken, strict=True):
        if not rows.size:
            raise ValueError(f"absence {name}: no firm had it")
    begins = np.cumsum([0, *(rows.size for *_, rows in taken)])[:-1]
    shifts, level = np.array(list(absence.shifts.values()), np.float64), 0.0
    for _ in range(STEPS):
        p = sigmoid(everyone + before @ shifts + level)
        level -= float((p.mean() - mean) / (p * (1 - p)).mean())
        p, q = sigmoid(everyone + before @ shifts + level)[firms], sigmoid(logit + after @ shifts + level)
        slopes = np.add.reduceat((q * (1 - q))[:, None] * after - (p * (1 - p))[:, None] * before[firms], begins)
        step = np.linalg.solve(slopes, np.add.reduceat(q - p, begins))
        shifts -= step
        if np.abs(step).max() < CLOSE:
            break
    # Six digits are more than a mean of firms supports.
    fitted = {name: round(float(v), 6) for name, v in zip(absence.shifts, shifts, strict=True)}
    level = round(level, 6)
    return replace(calibration.with_level(level), absence=Absence(absence.evidence, fitted))


LEAST_BADS, BADS_OF_A_BEND = 200, 600
"""Fewer bads than the first do not support a map of their own; each bend of a map wants the second more."""

MOST_BENDS = 3
LEAST_SLOPE = 0.05
STIFFNESS = 2e-5
"""Weight of the squared differences of neighbouring slopes beside the mean log loss: few bads bend a map little."""

DRIFT_BY_CHANCE = 0.01
"""A drift that chance would make more often than this is none."""


def fit_drift(margin: Floats, is_bad: NDArray[np.int8], years: Floats, repeats: int = 1) -> Floats:
    """Return what outcomes of earlier days differ in by their age alone: log-odds of each row, shape (n,).

    Firms grow, prices rise, a shock fades: the same margin means another risk on another day. A straight line in time,
    for the level and for the slope of the margin, is fitted beside the map; without its part, a row's outcome reads as
    it would on the day to which `years` count. What chance alone could have made is not carried on: both count, or
    none.

    Parameters
    ----------
    margin, is_bad : of held-out rows, shape (n,)
    years : from the day that the calibration is for, 0 or less, shape (n,)
    repeats : rows that show the same outcome

    Source: Wald's test of both at once, at one in a hundred.
    """
    y, centre = is_bad.astype(np.float64), float(margin.mean())
    moved = np.column_stack([margin - centre, np.ones_like(margin), years, years * (margin - centre)])

    def loss(w: Floats) -> tuple[float, Floats]:
        logit = moved @ w
        return float(np.mean(np.logaddexp(0, logit) - y * logit)), moved.T @ (sigmoid(logit) - y) / len(y)

    start = np.array([1.0, centre, 0.0, 0.0])
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", options={"gtol": 1e-9})
    p = sigmoid(moved @ optimum.x)
    covariance = repeats * np.linalg.pinv((moved * (p * (1 - p))[:, None]).T @ moved)[2:, 2:]
    found = optimum.x[2:]
    if found @ np.linalg.pinv(covariance) @ found < chi2.ppf(1 - DRIFT_BY_CHANCE, len(found)):
        return np.zeros_like(margin)
    level, slope = (round(float(v), 6) for v in found)
    return np.asarray(years * (level + slope * (margin - centre)))


def fit_by_known(
    overall: Calibration,
    margin: Floats,
    is_bad: NDArray[np.int8],
    absence: Absence,
    known: ByKnown,
    gone: Absent,
    drift: Floats | None = None,
) -> Calibration:
    """Return the calibration with a map for each set of known categories, fitted on firms not seen before.

    Parameters
    ----------
    overall : the one map for all, which stays where too few firms went bad
    margin, is_bad : of held-out rows, shape (n,)
    known : says how categories are told apart; its maps are not read
    gone : which categories are absent, each of shape (n,)
    drift : what `fit_drift` found of each row, shape (n,); None: nothing
    """
    moved = np.zeros_like(margin) if drift is None else drift
    places, maps = known.place(gone), []
    for number in range(len(known.maps)):
        here = places == number
        bads = int(is_bad[here].sum())
        enough = LEAST_BADS <= bads < int(here.sum())
        maps.append(fit_rising(margin[here], is_bad[here], moved[here]) if enough else Rising(overall.a, overall.b))
    return replace(overall, absence=absence, by_known=replace(known, maps=tuple(maps)))


def fit_rising(margin: Floats, is_bad: NDArray[np.int8], drift: Floats | None = None) -> Rising:
    """Fit a strictly increasing map, straight between bends, by maximum likelihood.

    The bends lie at quantiles of the margins of bads, as many as these support: one map may rise faster among risky
    firms than among safe ones, where trees see less. Slopes keep near their neighbours' unless outcomes say otherwise.

    Parameters
    ----------
    margin : uncalibrated log-odds of bad of held-out rows, shape (n,)
    is_bad : 0 or 1, shape (n,)
    drift : log-odds of each row that are not the map's, shape (n,); None: nothing

    Raises
    ------
    ValueError
        There is no good row or no bad one.

    Source: Platt (1999); monotone splines by bounds on their slopes, Ramsay (1988).
    """
    if is_bad.min(initial=1) == is_bad.max(initial=0):
        raise ValueError("is_bad: calibration needs goods and bads")
    y, moved = is_bad.astype(np.float64), np.zeros_like(margin) if drift is None else drift
    bends = min(MOST_BENDS, int(y.sum()) // BADS_OF_A_BEND)
    places = np.unique(np.round(np.quantile(margin[is_bad == 1], (np.arange(bends) + 0.5) / max(bends, 1)), 6))
    edges = np.concatenate(([-np.inf], places, [np.inf]))
    # Each segment's part of the margin, so that its weight is its slope.
    origin = places[0] if places.size else 0.0
    parts = [np.clip(margin, low, high) - np.clip(origin, low, high) for low, high in pairwise(edges)]
    columns = np.column_stack([*parts, np.ones_like(margin)])

    def loss(w: Floats) -> tuple[float, Floats]:
        logit = columns @ w + moved
        rough = np.diff(w[:-1])
        value = float(np.mean(np.logaddexp(0, logit) - y * logit)) + STIFFNESS * float(rough @ rough)
        slope = columns.T @ (sigmoid(logit) - y) / len(y)
        slope[:-1] += 2 * STIFFNESS * (np.append(0.0, rough) - np.append(rough, 0.0))
        return value, slope

    start = np.append(np.ones(len(parts)), 0.0)
    bounds = [(LEAST_SLOPE, None)] * len(parts) + [(None, None)]
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"gtol": 1e-9, "maxiter": 500})
    slopes, level = optimum.x[:-1], float(optimum.x[-1])
    first = float(slopes[0])
    # The first segment goes through the origin of the others; rounded, as `fit_calibration` does.
    b = level - first * float(origin)
    risen = tuple((float(place), round(float(more), 9)) for place, more in zip(places, np.diff(slopes), strict=True))
    return Rising(round(first, 9), round(b, 9), risen)


def fit_calibration(
    margin: Floats,
    is_bad: NDArray[np.int8],
    kind: str = "platt",
    weight: Floats | None = None,
    drift: Floats | None = None,
) -> Calibration:
    """Fit a strictly increasing map from margin to log-odds by maximum likelihood.

    Two or three parameters: smooth, monotone, and unable to overfit a held-out fold as isotonic
    regression can.

    Parameters
    ----------
    margin : uncalibrated log-odds of bad of held-out rows, shape (n,)
    is_bad : 0 or 1, shape (n,)
    kind : `platt` or `beta`
    weight : positive, shape (n,); None: all rows weigh the same
    drift : log-odds of each row that are not the map's, shape (n,); None: nothing

    Raises
    ------
    ValueError
        There is no good row or no bad one, or `kind` is unknown.

    Source: Platt (1999); Kull, Silva Filho & Flach (2017), Beta calibration.
    """
    if is_bad.min(initial=1) == is_bad.max(initial=0):
        raise ValueError("is_bad: calibration needs goods and bads")
    y = is_bad.astype(np.float64)
    w_row = np.ones(len(y)) if weight is None else weight / weight.mean()
    moved = np.zeros(len(y)) if drift is None else drift
    if kind == "platt":
        columns = np.column_stack([margin, np.ones_like(margin)])
        start, bounds = [1.0, 0.0], [(1e-3, None), (None, None)]
    elif kind == "beta":
        columns = np.column_stack([-np.logaddexp(0, -margin), np.logaddexp(0, margin), np.ones_like(margin)])
        start, bounds = [1.0, 1.0, 0.0], [(1e-3, None), (1e-3, None), (None, None)]
    else:
        raise ValueError(f"kind: {kind!r} is neither platt nor beta")

    def loss(w: Floats) -> tuple[float, Floats]:
        logit = columns @ w + moved
        p = np.exp(-np.logaddexp(0, -logit))
        value = float(np.mean(w_row * (np.logaddexp(0, logit) - y * logit)))
        return value, columns.T @ (w_row * (p - y)) / len(y)

    optimum = minimize(loss, np.array(start), jac=True, method="L-BFGS-B", bounds=bounds, options={"gtol": 1e-9})
    # Rounded, so that another version of the optimiser does not change the file in its last digits.
    values = [round(float(v), 9) for v in optimum.x]
    return (
        Calibration("platt", values[0], values[1])
        if kind == "platt"
        else Calibration("beta", values[0], values[1], values[2])
    )
