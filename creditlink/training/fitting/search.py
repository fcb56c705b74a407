"""Searching the champion's hyper-parameters; the result is a file that is reviewed and committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.training.dataset import FEATURES, matrix
from creditlink.training.fitting.champion import FIT, STOP, Dataset
from creditlink.training.fitting.fit import Parameters, boost, prepare

if TYPE_CHECKING:
    import optuna

SPACE: dict[str, tuple[float, float, bool]] = {
    # parameter: (least, most, on a logarithmic scale)
    "eta": (0.03, 0.15, True),
    "min_child_weight": (2.0, 80.0, True),
    "subsample": (0.5, 1.0, False),
    "colsample_bytree": (0.1, 0.8, False),
    "reg_lambda": (0.5, 80.0, True),
    "reg_alpha": (0.001, 10.0, True),
    "gamma": (0.001, 2.0, True),
}
"""What is searched; depth and the number of trees are bounded by the size of the explanation's tables."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found."""

    parameters: Parameters
    loss: float
    loss_before: float
    trials: int
    seed: int
    share: float
    rows: int


def search(
    data: Dataset,
    *,
    start: Parameters,
    trials: int,
    seed: int,
    share: float = 1.0,
    step: Callable[[float], None] = lambda _: None,
) -> SearchResult:
    """Search by the log loss of firms that stop the booster; same data, seed and trials, same result.

    Parameters
    ----------
    start : tried first, so a search never ends worse than it began
    share : of the firms to fit on, so that a try takes a fraction of a training; all firms judge
    step : called with the best loss after every try
    """
    import optuna  # only training needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = data.rows.filter(pl.Series(data.fold == FIT))
    drawn_rows = rows["firm"].hash(seed + 1).to_numpy().astype(np.float64) / 2.0**64 < share
    rows = rows.filter(pl.Series(drawn_rows))
    binned = prepare(
        matrix(rows), rows["is_bad"].to_numpy(), *data.part(STOP), names=FEATURES, max_bin=start.max_bin, threads=1
    )
    directions = [i.direction for i in CATALOGUE]

    def objective(trial: optuna.Trial) -> float:
        drawn = {name: trial.suggest_float(name, low, high, log=log) for name, (low, high, log) in SPACE.items()}
        chosen = Parameters.from_table(start.to_json() | drawn)
        # One thread: a search is long, and its figures are then the same on every machine.
        return boost(binned, directions=directions, parameters=chosen, seed=seed, threads=1).stop_logloss

    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))
    first = {name: min(max(getattr(start, name), low), high) for name, (low, high, _) in SPACE.items()}
    study.enqueue_trial(first)
    study.optimize(objective, n_trials=trials, callbacks=[lambda s, _: step(s.best_value)])
    best = {name: float(f"{value:.3g}") for name, value in study.best_params.items()}
    before = float(study.trials[0].value or 0.0)
    return SearchResult(
        Parameters.from_table(start.to_json() | best),
        study.best_value,
        before,
        len(study.trials),
        seed,
        share,
        rows.height,
    )


def as_toml(result: SearchResult, origin: str, found_on: date) -> str:
    """Return the text of `config/champion.toml`: the parameters, and how they were found."""
    lines = [
        "# Hyper-parameters of the champion, as `creditlink train search` found them; `creditlink train` reads them.",
        f"# {found_on}, {origin}: {result.trials} tries, seed {result.seed}, each fitted on {result.rows} rows",
        f"# ({result.share:.0%} of the firms to fit on) with at most {result.parameters.rounds} trees. Log loss of",
        f"# held-out firms {result.loss:.6f}; {result.loss_before:.6f} with the parameters before.",
        "[parameters]",
    ]
    lines += [f"{name} = {value!r}" for name, value in result.parameters.to_json().items()]
    return "\n".join(lines) + "\n"
