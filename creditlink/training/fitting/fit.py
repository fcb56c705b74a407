"""Fitting the booster: shallow, monotone as the catalogue declares, stopped early, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial

import numpy as np
import xgboost
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]

THREADS = 2
"""Fixed: the order in which threads add histograms is part of the model's last bits."""

MAX_DEPTH = 3
"""Shallow trees keep the tables of the exact explanation small."""


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of a fit, as the manifest states them."""

    eta: float = 0.06
    max_depth: int = MAX_DEPTH
    min_child_weight: float = 8.0
    subsample: float = 0.8
    colsample_bytree: float = 0.3
    reg_lambda: float = 8.0
    reg_alpha: float = 0.0
    gamma: float = 0.0
    max_bin: int = 256
    rounds: int = 300
    patience: int = 40

    def __post_init__(self) -> None:
        if not 1 <= self.max_depth <= MAX_DEPTH:
            raise ValueError(f"max_depth: {self.max_depth} is not between 1 and {MAX_DEPTH}")

    @classmethod
    def from_table(cls, table: Mapping[str, object]) -> Parameters:
        """Read the `[parameters]` of `config/champion.toml`; what is not named keeps its default.

        Raises
        ------
        ValueError
            A name is unknown, or a value is of another type than its default.
        """
        kinds = {f.name: type(getattr(cls, f.name)) for f in fields(cls)}
        for name, value in table.items():
            if name not in kinds:
                raise ValueError(f"parameters.{name}: there is no such parameter; known are {', '.join(kinds)}")
            if isinstance(value, bool) or not isinstance(value, (int, kinds[name])):
                raise ValueError(f"parameters.{name}: {value!r} is not of type {kinds[name].__name__}")
        return cls(**{name: kinds[name](value) for name, value in table.items()})

    def to_json(self) -> dict[str, float]:
        """Return the members for the manifest."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class BinnedRows:
    """Rows to fit on and to stop by, binned."""

    train: xgboost.QuantileDMatrix
    stop: xgboost.QuantileDMatrix
    max_bin: int
    base_score: float


@dataclass(frozen=True, eq=False)
class FittedBooster:
    """A booster cut at its best round, and how it got there."""

    booster: xgboost.Booster
    rounds: int
    stop_logloss: float


def fit(
    x: Matrix,
    is_bad: Labels,
    stop_x: Matrix,
    stop_is_bad: Labels,
    *,
    names: Sequence[str],
    directions: Sequence[int],
    parameters: Parameters,
    seed: int,
    weight: NDArray[np.float64] | None = None,
    stop_weight: NDArray[np.float64] | None = None,
    types: Sequence[str] | None = None,
    threads: int = THREADS,
    step: Callable[[], None] = lambda: None,
) -> FittedBooster:
    """Fit a monotone booster, stopping when the held-out log loss no longer falls.

    Parameters
    ----------
    x, stop_x : shape (n, k), missing as NaN, to fit on and to stop by
    is_bad, stop_is_bad : 0 or 1, shape (n,)
    directions : +1, −1 or 0 per column: where more is riskier, safer, or the model is free
    weight, stop_weight : positive, shape (n,); None: all rows weigh the same
    types : `q` or, for codes of a category, `c` per column; None: numbers only
    threads : part of the model's last bits: the order in which they add histograms is
    step : called after every round

    Raises
    ------
    ValueError
        Either set lacks goods or bads.
    """
    prepared = prepare(
        x, is_bad, stop_x, stop_is_bad, names=names, max_bin=parameters.max_bin,
        weight=weight, stop_weight=stop_weight, types=types, threads=threads,
    )  # fmt: skip
    return boost(prepared, directions=directions, parameters=parameters, seed=seed, threads=threads, step=step)


def prepare(
    x: Matrix,
    is_bad: Labels,
    stop_x: Matrix,
    stop_is_bad: Labels,
    *,
    names: Sequence[str],
    max_bin: int,
    weight: NDArray[np.float64] | None = None,
    stop_weight: NDArray[np.float64] | None = None,
    types: Sequence[str] | None = None,
    threads: int = THREADS,
) -> BinnedRows:
    """Bin both sets, the first step of `fit`; a search does it once for all its tries.

    Raises
    ------
    ValueError
        Either set lacks goods or bads.
    """
    for label, values in (("to fit on", is_bad), ("to stop by", stop_is_bad)):
        if values.min(initial=1) == values.max(initial=0):
            raise ValueError(f"is_bad: the rows {label} are all {'bad' if values.min(initial=1) else 'good'}")
    matrix = partial(
        xgboost.QuantileDMatrix,
        feature_names=list(names),
        feature_types=None if types is None else list(types),
        enable_categorical=types is not None,
        nthread=threads,
    )
    train = matrix(x, label=is_bad, weight=weight, max_bin=max_bin)
    stop = matrix(stop_x, label=stop_is_bad, weight=stop_weight, max_bin=max_bin, ref=train)
    return BinnedRows(train, stop, max_bin, float(np.average(is_bad, weights=weight)))


def boost(
    data: BinnedRows,
    *,
    directions: Sequence[int],
    parameters: Parameters,
    seed: int,
    threads: int = THREADS,
    step: Callable[[], None] = lambda: None,
) -> FittedBooster:
    """Fit on sets that `prepare` has binned; see `fit`.

    Raises
    ------
    ValueError
        The sets were binned with another `max_bin` than the parameters say.
    """
    if data.max_bin != parameters.max_bin:
        raise ValueError(f"max_bin: the rows were binned with {data.max_bin}, the parameters say {parameters.max_bin}")
    settings = _settings(parameters, directions, data.base_score, seed, threads)
    booster = xgboost.train(
        settings,
        data.train,
        num_boost_round=parameters.rounds,
        evals=[(data.stop, "stop")],
        callbacks=[
            _BoostingStep(step),
            xgboost.callback.EarlyStopping(rounds=parameters.patience, save_best=False),
        ],
        verbose_eval=False,
    )
    rounds, loss = int(booster.best_iteration) + 1, float(booster.best_score)
    best = booster[:rounds]
    # What early stopping noted is about the longer booster; it would only confuse a reader of the file.
    best.set_attr(best_iteration=None, best_score=None)
    return FittedBooster(best, rounds, loss)


def fit_whole(
    x: Matrix,
    is_bad: Labels,
    *,
    names: Sequence[str],
    directions: Sequence[int],
    parameters: Parameters,
    rounds: int,
    seed: int,
    weight: NDArray[np.float64] | None = None,
    types: Sequence[str] | None = None,
    threads: int = THREADS,
) -> xgboost.Booster:
    """Fit a monotone booster of so many rounds on all rows, once others have told how many; see `fit`."""
    train = xgboost.QuantileDMatrix(
        x, label=is_bad, weight=weight, max_bin=parameters.max_bin, feature_names=list(names),
        feature_types=None if types is None else list(types), enable_categorical=types is not None, nthread=threads,
    )  # fmt: skip
    settings = _settings(parameters, directions, float(np.average(is_bad, weights=weight)), seed, threads)
    return xgboost.train(settings, train, num_boost_round=rounds, verbose_eval=False)


def _settings(
    parameters: Parameters, directions: Sequence[int], base_score: float, seed: int, threads: int
) -> dict[str, object]:
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "eta": parameters.eta,
        "max_depth": parameters.max_depth,
        "min_child_weight": parameters.min_child_weight,
        "subsample": parameters.subsample,
        "colsample_bytree": parameters.colsample_bytree,
        "lambda": parameters.reg_lambda,
        "alpha": parameters.reg_alpha,
        "gamma": parameters.gamma,
        "max_bin": parameters.max_bin,
        "monotone_constraints": tuple(int(d) for d in directions),
        "base_score": base_score,
        "seed": seed,
        "nthread": threads,
        "verbosity": 0,
    }


def margin(booster: xgboost.Booster, x: Matrix) -> NDArray[np.float64]:
    """Return the uncalibrated log-odds of bad, shape (n,)."""
    predicted = booster.inplace_predict(x, predict_type="margin", validate_features=False)
    return np.asarray(predicted, dtype=np.float64)


class _BoostingStep(xgboost.callback.TrainingCallback):
    def __init__(self, step: Callable[[], None]) -> None:
        self.step = step

    def after_iteration(
        self, model: xgboost.Booster, epoch: int, evals_log: xgboost.callback.TrainingCallback.EvalsLog
    ) -> bool:
        """Move the progress bar on; never stop."""
        self.step()
        return False
