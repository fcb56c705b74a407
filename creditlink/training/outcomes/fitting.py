"""Fitting a booster and its calibration to outcomes alone, every row judged by a booster that never saw its firm.

No true hazard is known here, and few firms: five boosters, each stopped on the firms it was not fitted to, tell the
rounds and give every row a held-out margin, which the calibration is fitted to. The booster that serves is fitted to
all rows. Taking a category away is neutral in the mean, as for a model of the city (0038), which needs no outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
import xgboost
from numpy.typing import NDArray

from creditlink.engine.facts.frames import OPTIONAL_CATEGORIES
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.withhold import without
from creditlink.engine.scoring.calibration.absence import JOINT, Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, sigmoid
from creditlink.training.fitting.calibrate import fit_absence, fit_calibration
from creditlink.training.fitting.champion import ABSENCE
from creditlink.training.fitting.fit import FittedBooster, Parameters, fit, fit_whole, margin
from creditlink.training.outcomes.applicants import LEARNED
from creditlink.training.recalibration.outcomes import OutcomesUnusable
from creditlink.training.table.folds import Cut, folds_of
from creditlink.training.withholding import REFUSED_SHARE, RESTED_ON

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]

LEAST_BADS = 50
"""Bad firms that trees need. Source: design choice; ten in each fold, below which early stopping follows chance."""

FOLDS, WORKERS = 5, 2
LEAST_TAKEN = 100
"""Firms that must have had a category for its absence to be told from chance."""

PARAMETERS = Parameters(
    eta=0.1, max_depth=3, min_child_weight=2.0, subsample=0.8, colsample_bytree=0.35, reg_lambda=8.0, max_bin=64,
    rounds=150, patience=15,
)  # fmt: skip
"""Ordinary ones for hundreds of events; tuned to no data set."""


@dataclass(frozen=True, eq=False)
class OutcomeModel:
    """What was fitted, and what it says of its own rows where it was not fitted to them.

    Attributes
    ----------
    names : the columns read, in order
    held_out : margin of each row by a booster that saw nothing of its firm, shape (n,)
    members, fold_of : the boosters that gave them, and firm -> the one that did not see it
    """

    names: tuple[str, ...]
    booster: xgboost.Booster
    rounds: int
    calibration: Calibration
    held_out: Floats
    x: Matrix
    members: tuple[xgboost.Booster, ...]
    fold_of: Mapping[int, int]
    parameters: Parameters
    seed: int

    @property
    def held_out_logit(self) -> Floats:
        """Calibrated log-odds of each row by a booster that saw nothing of its firm, shape (n,)."""
        return self.calibration.logit_of(self.held_out, self.names, self.x)

    def logit(self, features: pl.DataFrame) -> Floats:
        """Return the calibrated log-odds of bad of other firms, shape (m,)."""
        x = matrix_of(features, self.names)
        return self.calibration.logit_of(margin(self.booster, x), self.names, x)

    def unseen_logit(self, features: pl.DataFrame, firm: NDArray[np.int64]) -> Floats:
        """Return calibrated log-odds of rows by a booster that saw no outcome of their firm, shape (m,)."""
        x = matrix_of(features, self.names)
        log_odds = margin(self.booster, x)
        fold = np.array([self.fold_of.get(int(one), -1) for one in firm])
        for number, member in enumerate(self.members):
            if (here := fold == number).any():
                log_odds[here] = margin(member, x[here])
        return self.calibration.logit_of(log_odds, self.names, x)

    def pd(self, features: pl.DataFrame) -> Floats:
        """Return the PD of other firms, shape (m,)."""
        return sigmoid(self.logit(features))


def matrix_of(features: pl.DataFrame, names: tuple[str, ...] = LEARNED) -> Matrix:
    """Return indicators as a booster reads them, shape (n, k), missing as NaN.

    Raises
    ------
    OutcomesUnusable
        A value is larger than single precision holds; the message names the column.
    """
    with np.errstate(over="ignore"):
        x = features.select(pl.col(names).cast(pl.Float64).fill_null(np.nan)).to_numpy().astype(np.float32)
    if np.isinf(x).any():
        column = int(np.isinf(x).any(axis=0).argmax())
        raise OutcomesUnusable(f"column {names[column]} holds an infinite value")
    return x


def fit_outcomes(
    features: pl.DataFrame,
    is_bad: NDArray[np.int8],
    firm: NDArray[np.int64],
    *,
    seed: int,
    weight: Floats | None = None,
    names: tuple[str, ...] = LEARNED,
    parameters: Parameters = PARAMETERS,
    withheld: bool = True,
    step: Callable[[str], None] = lambda _: None,
) -> OutcomeModel:
    """Fit a monotone booster and its calibration.

    Parameters
    ----------
    features : a column per indicator, n rows
    is_bad, firm : 0 or 1, and a number for each firm, shape (n,)
    weight : positive, shape (n,); None: all rows weigh the same
    names : the columns that may be read
    withheld : whether each row is seen again with categories refused at random, and their absence made neutral
    step : called with what was done, `FOLDS + 2` times

    Raises
    ------
    OutcomesUnusable
        Too few firms went bad or stayed good; the message says how many are needed.
    """
    refuse_few(is_bad, firm)
    weights = np.ones(len(is_bad)) if weight is None else weight / weight.mean()
    shown = [features]
    if withheld:
        rng = np.random.default_rng([seed, 1])
        refused = {c: pl.Series(rng.random(features.height) < REFUSED_SHARE) for c in OPTIONAL_CATEGORIES}
        shown.append(without(features, refused))
    copies = [matrix_of(one, names) for one in shown]
    x = copies[0]
    directions = [BY_NAME[name].direction for name in names]
    held_out, fitted, rounds = np.empty(len(is_bad)), [], []
    cuts = folds_of(is_bad, firm, FOLDS, seed)

    def stacked(rows: NDArray[np.int64]) -> tuple[Matrix, NDArray[np.int8], Floats]:
        return (
            np.concatenate([copy[rows] for copy in copies]),
            np.tile(is_bad[rows], len(copies)),
            np.tile(weights[rows], len(copies)),
        )

    def judged(cut: Cut) -> FittedBooster:
        rest, stopping = cut
        learn_x, learn_y, learn_w = stacked(rest)
        # One thread each: on tables of this size threads wait more than they work.
        return fit(
            learn_x, learn_y, x[stopping], is_bad[stopping], names=names, directions=directions,
            parameters=parameters, seed=seed, weight=learn_w, stop_weight=weights[stopping], threads=1,
        )  # fmt: skip

    with ThreadPoolExecutor(WORKERS) as pool:
        for (_, stopping), one in zip(cuts, pool.map(judged, cuts), strict=True):
            held_out[stopping] = margin(one.booster, x[stopping])
            fitted.append(one.booster)
            rounds.append(one.rounds)
            step("fold")
    most = max(1, round(float(np.mean(rounds))))
    every_x, every_y, every_w = stacked(np.arange(len(is_bad)))
    whole = fit_whole(
        every_x, every_y, names=names, directions=directions, parameters=parameters, rounds=most, seed=seed,
        weight=every_w, threads=1,
    )  # fmt: skip
    step("all rows")
    calibration = fit_calibration(held_out, is_bad, weight=weights)
    if withheld:
        calibration = _neutral(calibration, features, names, [(fitted[k], cuts[k][1]) for k in range(FOLDS)])
    step("calibration")
    fold_of = {int(one): number for number, (_, stopping) in enumerate(cuts) for one in np.unique(firm[stopping])}
    return OutcomeModel(names, whole, most, calibration, held_out, x, tuple(fitted), fold_of, parameters, seed)


def refuse_few(is_bad: NDArray[np.int8], firm: NDArray[np.int64]) -> None:
    """Refuse outcomes that no trees can rest on.

    Raises
    ------
    OutcomesUnusable
        Too few firms went bad, or too few stayed good.
    """
    bad = len(np.unique(firm[is_bad == 1]))
    good = len(np.unique(firm)) - bad
    for found, what in ((bad, "went bad"), (good, "stayed good")):
        if found < LEAST_BADS:
            raise OutcomesUnusable(f"{found} firms {what}: {LEAST_BADS} are needed, {LEAST_BADS - found} more")


def _neutral(
    calibration: Calibration,
    features: pl.DataFrame,
    names: tuple[str, ...],
    parts: list[tuple[xgboost.Booster, NDArray[np.int64]]],
) -> Calibration:
    """Return the calibration under which taking a category away moves no PD in the mean, on firms not learned from."""
    evidence = {c: tuple(n for n in read if n in names) for c, read in ABSENCE.evidence.items()}
    evidence = {c: read for c, read in evidence.items() if read}
    categories = list(evidence)
    rested = [categories.index(c) for c in RESTED_ON if c in categories]
    told_apart = Absence(evidence, {})

    def seen(frame: pl.DataFrame) -> tuple[Floats, NDArray[np.bool_]]:
        x = matrix_of(frame, names)
        out = np.empty(len(x))
        for booster, rows in parts:
            out[rows] = margin(booster, x[rows])
        return out, np.column_stack([told_apart.absent(names, x)[c] for c in categories])

    known = seen(features)
    shifts, taken = {}, []
    for term in ABSENCE.shifts:
        members = term.split(JOINT)
        if any(c not in categories for c in members):
            continue
        had = ~known[1][:, [categories.index(c) for c in members]].all(axis=1)
        log_odds, gone = seen(without(features, members))
        # A firm without anything that a score can rest on has no score.
        counts = np.flatnonzero(had & ~gone[:, rested].all(axis=1))
        if len(counts) < LEAST_TAKEN:
            continue
        shifts[term] = 0.0
        taken.append((log_odds[counts], gone[counts], counts))
    if not shifts:
        return calibration
    return fit_absence(calibration, Absence(evidence, shifts), known, taken)
