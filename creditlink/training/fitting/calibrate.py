"""Fitting the calibration on firms that the booster has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from creditlink.engine.scoring.calibration.absence import JOINT, Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, sigmoid
from creditlink.engine.scoring.calibration.known import ByKnown

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
        return calibration.logit(margin, calibration.by_known.count(absent))

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


LEAST_BADS = 200
"""Fewer bads than this do not support a map of their own."""


def fit_by_known(
    overall: Calibration, margin: Floats, is_bad: NDArray[np.int8], absence: Absence, known: ByKnown, gone: Absent
) -> Calibration:
    """Return the calibration with a map for each number of known categories, fitted on firms not seen before.

    Parameters
    ----------
    overall : the one map for all, which stays where too few firms went bad
    margin, is_bad : of held-out rows, shape (n,)
    known : says which categories are counted; its maps are not read
    gone : which categories are absent, each of shape (n,)
    """
    counts, maps = known.count(gone), []
    for number in range(len(known.categories) + 1):
        here = counts == number
        bads = int(is_bad[here].sum())
        enough = LEAST_BADS <= bads < int(here.sum())
        fitted = fit_calibration(margin[here], is_bad[here]) if enough else overall
        maps.append((fitted.a, fitted.b))
    return replace(overall, absence=absence, by_known=replace(known, maps=tuple(maps)))


def fit_calibration(
    margin: Floats, is_bad: NDArray[np.int8], kind: str = "platt", weight: Floats | None = None
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
    if kind == "platt":
        columns = np.column_stack([margin, np.ones_like(margin)])
        start, bounds = [1.0, 0.0], [(1e-3, None), (None, None)]
    elif kind == "beta":
        columns = np.column_stack([-np.logaddexp(0, -margin), np.logaddexp(0, margin), np.ones_like(margin)])
        start, bounds = [1.0, 1.0, 0.0], [(1e-3, None), (1e-3, None), (None, None)]
    else:
        raise ValueError(f"kind: {kind!r} is neither platt nor beta")

    def loss(w: Floats) -> tuple[float, Floats]:
        logit = columns @ w
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
