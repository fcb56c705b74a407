"""From a city to a champion: reference, dataset, fit, calibration, interval and peers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import OPTIONAL_CATEGORIES
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.calibration.absence import JOINT, Absence
from creditlink.engine.scoring.calibration.calibration import Calibration
from creditlink.engine.scoring.calibration.interval import IntervalTable
from creditlink.engine.scoring.calibration.known import ByKnown, Rising
from creditlink.engine.scoring.peers import PeerTable
from creditlink.training.city import City
from creditlink.training.dataset import (
    COPIES,
    EVERYTHING,
    FEATURES,
    SnapshotDay,
    SnapshotPlan,
    build,
    folds,
    matrix,
    measure_reference,
    plan_for,
    read_day,
)
from creditlink.training.fitting.calibrate import fit_absence, fit_by_known, fit_calibration, fit_drift
from creditlink.training.fitting.conformal import fit_interval
from creditlink.training.fitting.fit import FittedBooster, Parameters, fit, margin
from creditlink.training.fitting.held_out import HeldOut, of_city
from creditlink.training.fitting.peers import peer_table
from creditlink.training.table.leaks import Leak, find_leaks
from creditlink.training.withholding import RESTED_ON

FIT, STOP, CALIBRATE = 0, 1, 2

BOOSTED, SCORECARD = "boosted trees", "WOE scorecard"
"""How a model was fitted, as its manifest says."""

OUTCOME_QUARTERS = 4
"""Quarter-ends from which one bad outcome is seen: its rows are that many, in each copy."""

ABSENCE = Absence(
    {c: tuple(i.name for i in CATALOGUE if i.categories == (c,)) for c in sorted(OPTIONAL_CATEGORIES)},
    dict.fromkeys([*sorted(OPTIONAL_CATEGORIES), *(JOINT.join(pair) for pair in combinations(RESTED_ON, 2))], 0.0),
)
"""What can be absent: each category, and pairs of those that a score can rest on."""

Step = Callable[[str], None]
Fitter = Callable[["Dataset"], tuple[FittedBooster, Mapping[str, object]]]
"""Fits another kind of model on a training table; returns it with further files of its folder."""


class LeakError(ValueError):
    """Indicators of a city know the outcome; the message names each and why."""

    def __init__(self, leaks: Sequence[Leak]) -> None:
        super().__init__("indicators that know the outcome: " + "; ".join(str(leak) for leak in leaks))


@dataclass(frozen=True, eq=False)
class Champion:
    """A fitted model with everything its folder needs."""

    plan: SnapshotPlan
    seed: int
    parameters: Parameters
    fitted: FittedBooster
    calibration: Calibration
    interval: IntervalTable
    reference: Reference
    base_rate: float
    rows: dict[str, int]
    leaks: tuple[Leak, ...]
    peers: PeerTable = field(repr=False)
    method: str = BOOSTED
    files: Mapping[str, object] = field(default_factory=dict, repr=False)  # further ones of the folder, as JSON


@dataclass(frozen=True, eq=False)
class Dataset:
    """The training table of a city, firms in one fold each, and the reference it was computed with."""

    plan: SnapshotPlan
    reference: Reference
    rows: pl.DataFrame
    fold: NDArray[np.int8]
    leaks: tuple[Leak, ...]

    def part(self, fold: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Return the matrix (n, k) and the outcomes (n,) of one fold."""
        rows = self.rows.filter(pl.Series(self.fold == fold))
        return matrix(rows), rows["is_bad"].to_numpy()


def read_dataset(city: City, *, seed: int, allowed: Collection[str] = (), step: Step = lambda _: None) -> Dataset:
    """Return the training table of a city, checked for leaks; same city and seed, same table.

    Parameters
    ----------
    allowed : indicators that may look like a leak, because somebody knows better

    Raises
    ------
    LeakError
        An indicator knows the outcome.
    ValueError
        The city is too short, or `allowed` names no indicator.
    """
    unknown = sorted(set(allowed) - set(FEATURES))
    if unknown:
        raise ValueError(f"{unknown[0]}: there is no such indicator to allow")
    plan = plan_for(city.snapshots, city.first_period)
    firms = city.records.registration["firm"]
    fit_firms = firms.filter(pl.Series(folds(firms, seed) == FIT))
    reference = measure_reference(city, plan.train[-1], fit_firms)
    step("reference")
    rows = build(city, plan.train, reference, seed=seed, step=lambda: step("snapshot"))
    fold = folds(rows["firm"], seed)
    leaks = find_city_leaks(rows, fold, plan.train[-1])
    stops = [leak for leak in leaks if leak.severity == "stop" and leak.column not in allowed]
    if stops:
        raise LeakError(stops)
    step("leaks")
    return Dataset(plan, reference, rows, fold, tuple(leaks))


def find_city_leaks(rows: pl.DataFrame, fold: NDArray[np.int8], as_of: date) -> list[Leak]:
    """Return the suspects among the indicators of one day, each firm once, so that significance is honest."""
    here = rows.filter(pl.Series(fold == FIT) & (pl.col("as_of") == as_of) & (pl.col("copy") == EVERYTHING))
    return find_leaks(here.select(pl.col(FEATURES).cast(pl.Float64)), here["is_bad"].to_numpy())


def train_champion(
    city: City,
    *,
    seed: int,
    bounds: Sequence[float],
    parameters: Parameters | None = None,
    allowed: Collection[str] = (),
    beside: Sequence[Callable[[], City]] = (),
    fitter: Fitter | None = None,
    step: Step = lambda _: None,
) -> Champion:
    """Fit and calibrate a champion on a city.

    Parameters
    ----------
    beside : each reads a city whose firms calibrate too, once the trees are fitted: a grade of few bads, and what
        time does to it, want more firms than the trees can spare
    seed : decides the folds, what is withheld and the booster's sampling; same city and seed, same bytes
    bounds : calibrated PDs between grades
    allowed : indicators that may look like a leak
    fitter : fits a scorecard in place of the booster; calibration, interval and peers are made as for a booster
    step : called with what has just been done, for a progress bar

    Raises
    ------
    LeakError
        An indicator knows the outcome and is not among `allowed`.
    ValueError
        A city is too short, or a fold lacks goods or bads.
    """
    chosen = parameters or Parameters()
    data = read_dataset(city, seed=seed, allowed=allowed, step=step)
    files: Mapping[str, object] = {}
    if fitter is None:
        fitted = _boosted(data, chosen, seed, step)
    else:
        fitted, files = fitter(data)
    today = data.plan.test
    # The firms that stopped the booster gave it one number, the round: their outcomes are as good as unseen.
    held = [HeldOut.of(fitted, data.rows.filter(pl.Series(data.fold != FIT)), ABSENCE, today)]
    for number, read in enumerate(beside, 1):
        # Another seed draws what is withheld, as other firms have the same numbers.
        held.append(
            of_city(
                read(), data.plan.train, data.reference, fitted, ABSENCE, today, seed=seed + number,
                step=lambda: step("beside"),
            )
        )  # fmt: skip
    calibrating = HeldOut.together(held)
    test = read_day(city, data.plan.test, data.reference)
    calibration, interval = calibrate(fitted, calibrating, test, seed=seed, bounds=bounds)
    step("calibration")
    newest = data.rows.filter((pl.col("as_of") == data.plan.train[-1]) & (pl.col("copy") == EVERYTHING))
    return Champion(
        plan=data.plan,
        seed=seed,
        parameters=chosen,
        fitted=fitted,
        calibration=calibration,
        interval=interval,
        reference=data.reference,
        base_rate=float(data.rows["is_bad"].mean()),  # type: ignore[arg-type]  # numbers, not empty
        rows={
            "fit": int((data.fold == FIT).sum()),
            "stop": int((data.fold == STOP).sum()),
            "calibrate": len(calibrating),
        },
        leaks=data.leaks,
        peers=peer_table(newest),
        method=BOOSTED if fitter is None else SCORECARD,
        files=files,
    )


def _boosted(data: Dataset, parameters: Parameters, seed: int, step: Step) -> FittedBooster:
    x, y = data.part(FIT)
    stop_x, stop_y = data.part(STOP)
    return fit(
        x,
        y,
        stop_x,
        stop_y,
        names=FEATURES,
        directions=[i.direction for i in CATALOGUE],
        parameters=parameters,
        seed=seed,
        step=lambda: step("round"),
    )


def calibrate(
    fitted: FittedBooster, held: HeldOut, newest: SnapshotDay, *, seed: int, bounds: Sequence[float]
) -> tuple[Calibration, IntervalTable]:
    """Return the calibration and the interval of a booster.

    Parameters
    ----------
    held : rows of firms that the booster was not fitted on, with their outcomes
    newest : the day that judges; its firms, never their outcomes, make absence neutral
    seed : that of the folds
    bounds : calibrated PDs between grades
    """
    told_apart = ByKnown(RESTED_ON, (Rising(1.0, 0.0),) * 2 ** len(RESTED_ON))
    drift = fit_drift(held.margin, held.is_bad, held.years, OUTCOME_QUARTERS * len(COPIES))
    overall = fit_calibration(held.margin, held.is_bad, drift=drift)
    by_known = fit_by_known(overall, held.margin, held.is_bad, ABSENCE, told_apart, held.gone, drift)
    calibration = neutral(by_known, fitted, newest, seed)
    place = None if calibration.by_known is None else calibration.by_known.place(held.gone)
    shift = 0.0 if calibration.absence is None else calibration.absence.shift(held.gone)
    logit = calibration.logit(held.margin, place) + shift
    return calibration, fit_interval(logit, held.hazard, held.evidence, bounds)


def neutral(calibration: Calibration, fitted: FittedBooster, day: SnapshotDay, seed: int) -> Calibration:
    """Return the calibration under which absence is neutral for firms of a day that the booster has not seen.

    Each category is taken away alone, and those that a score can rest on in pairs. Firms of the fit
    would mislead: the booster knows them as they are and not with something taken away.
    """
    unseen = folds(day.labels["firm"], seed) != FIT
    everyone = np.ones(day.labels.height, bool)
    x = matrix(day.rows(EVERYTHING))[unseen]
    names = ABSENCE.evidence.keys()
    known = np.column_stack([ABSENCE.absent(FEATURES, x)[c] for c in names])
    taken = []
    for term in ABSENCE.shifts:
        categories = term.split(JOINT)
        had = ~known[:, [list(names).index(c) for c in categories]].all(axis=1)
        there = matrix(day.refusing(dict.fromkeys(categories, everyone)))[unseen][had]
        gone = np.column_stack([ABSENCE.absent(FEATURES, there)[c] for c in names])
        # A firm without anything that a score can rest on has no score.
        some = ~gone[:, [list(names).index(c) for c in RESTED_ON]].all(axis=1)
        taken.append((margin(fitted.booster, there[some]), gone[some], np.flatnonzero(had)[some]))
    return fit_absence(calibration, ABSENCE, (margin(fitted.booster, x), known), taken)


def steps_of(city: City, parameters: Parameters, cities: int = 1) -> int:
    """Return how often `train_champion` calls `step`, at most; `cities` are its own and those beside."""
    plan = plan_for(city.snapshots, city.first_period)
    return 3 + cities * len(plan.train) * len(COPIES) + parameters.rounds
