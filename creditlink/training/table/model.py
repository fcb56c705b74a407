"""The trainer on a table: boosters that tell how long to train, others that learn from every row, averaged, calibrated.

Every row of the training part is held out by exactly one booster of the first kind, which stops early on it: the
margins that calibration is fitted on are all of unseen rows. The boosters that are averaged then train for as many
rounds on all rows, so that neither early stopping nor calibration costs a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from creditlink.engine.scoring.calibration.calibration import Calibration
from creditlink.engine.scoring.trees.explain import Explanation
from creditlink.training.fitting.calibrate import fit_calibration
from creditlink.training.fitting.fit import Parameters, fit, fit_whole, margin
from creditlink.training.table.columns import numbers_of
from creditlink.training.table.folds import folds_of
from creditlink.training.table.members import LeafMember, LevelMember, Member

Bad = NDArray[np.int8]
Floats = NDArray[np.float64]

BAG = 5
"""Boosters that tell the rounds; fewer where there are fewer events."""

MEMBERS = 4
"""Boosters that are averaged."""

MORE_ROUNDS = 1.1
"""All rows bear more rounds than the four fifths that told them."""

FEW_LEVELS = 64
"""Up to so many levels the booster splits a category itself; beyond, its levels' smoothed rates replace it."""

DEEPEST = 10


@dataclass(frozen=True)
class TableParameters(Parameters):
    """Hyper-parameters for a table: it needs no exact explanation tables, so trees can be deeper.

    The defaults are ordinary ones, tuned to no data set.
    """

    eta: float = 0.05
    max_depth: int = 5
    min_child_weight: float = 1.0
    colsample_bytree: float = 0.6
    reg_lambda: float = 1.0
    rounds: int = 1000
    patience: int = 50

    def __post_init__(self) -> None:
        if not 1 <= self.max_depth <= DEEPEST:
            raise ValueError(f"max_depth: {self.max_depth} is not between 1 and {DEEPEST}")


@dataclass(frozen=True, eq=False)
class Encoder:
    """Columns to the numbers that a booster reads, as learned from the rows it was fitted on."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    levels: Mapping[str, dict[str, float]]  # few levels: level -> code; an unknown level is missing
    targets: Mapping[str, TargetEncoder] = field(repr=False)

    @classmethod
    def fit(cls, columns: pl.DataFrame, is_bad: Bad, seed: int) -> tuple[Encoder, NDArray[np.float32]]:
        """Return an encoder and the encoded rows it was fitted on.

        Rates of levels are cross-fitted on those rows: no row's own outcome is in its number.
        """
        levels: dict[str, dict[str, float]] = {}
        targets: dict[str, TargetEncoder] = {}
        own: dict[str, Floats] = {}
        types = []
        for series in columns.iter_columns():
            if series.dtype != pl.String:
                types.append("q")
                continue
            known = series.drop_nulls().unique().sort().to_list()
            if len(known) <= FEW_LEVELS:
                levels[series.name] = {level: float(code) for code, level in enumerate(known)}
                types.append("c")
                continue
            cut = StratifiedKFold(5, shuffle=True, random_state=seed)
            encoder = TargetEncoder(target_type="binary", cv=cut)
            own[series.name] = encoder.fit_transform(_as_column(series), is_bad)[:, 0]
            targets[series.name] = encoder
            types.append("q")
        fitted = cls(tuple(columns.columns), tuple(types), levels, targets)
        return fitted, fitted._encoded(columns, own)

    def encode(self, columns: pl.DataFrame) -> NDArray[np.float32]:
        """Return rows that the encoder was not fitted on, shape (n, k), missing as NaN."""
        own = {name: encoder.transform(_as_column(columns[name]))[:, 0] for name, encoder in self.targets.items()}
        return self._encoded(columns, own)

    def _encoded(self, columns: pl.DataFrame, own: Mapping[str, Floats]) -> NDArray[np.float32]:
        x = np.empty((columns.height, len(self.names)), np.float32)
        for k, name in enumerate(self.names):
            series = columns[name]
            if name in own:
                x[:, k] = own[name]
            elif name in self.levels:
                codes = series.replace_strict(self.levels[name], default=None, return_dtype=pl.Float64)
                x[:, k] = codes.fill_null(np.nan).to_numpy()
            else:
                with np.errstate(over="ignore"):
                    x[:, k] = numbers_of(series)
        x[np.isinf(x)] = np.nan  # beyond single precision: as good as unknown
        return x


def _as_column(series: pl.Series) -> NDArray[np.object_]:
    return series.fill_null("\x00").to_numpy().astype(object).reshape(-1, 1)


@dataclass(frozen=True, eq=False)
class TableModel:
    """Averaged boosters with one encoder and one calibration."""

    encoder: Encoder
    members: tuple[Member, ...]
    rounds: tuple[int, ...]
    calibration: Calibration

    def margin(self, columns: pl.DataFrame) -> Floats:
        """Return the mean uncalibrated log-odds of the event, shape (n,)."""
        x = self.encoder.encode(columns)
        return np.asarray(np.mean([member.margin(x) for member in self.members], axis=0), dtype=np.float64)

    def pd(self, columns: pl.DataFrame) -> Floats:
        """Return the calibrated probability of the event, shape (n,)."""
        return np.asarray(self.calibration.pd(self.margin(columns)))

    def explain(self, columns: pl.DataFrame) -> Explanation:
        """Return the exact SHAP values of the columns, in log-odds of the event: they add up to the margin."""
        x = self.encoder.encode(columns)
        each = [member.explained(x) for member in self.members]
        contributions = np.mean([one.contributions for one in each], axis=0)
        base = float(np.mean([one.base_value for one in each]))
        return Explanation(base, contributions, base + contributions.sum(axis=1))


def fit_table(
    columns: pl.DataFrame,
    is_bad: Bad,
    *,
    weight: Floats,
    group: NDArray[np.int64],
    directions: Mapping[str, int],
    parameters: TableParameters,
    seed: int,
    leaf_wise: bool = False,
    step: Callable[[], None] = lambda: None,
) -> TableModel:
    """Fit the boosters and their calibration.

    Parameters
    ----------
    columns : Float64, Date or String of n rows
    weight, group : shape (n,); rows of one group are held out together
    directions : column -> +1 or −1 where more must never be safer, or riskier; others are free
    leaf_wise : whether half of the boosters are LightGBM's (training extra)
    step : called after each of `bag_size(is_bad, group)` boosters that tell the rounds
    """
    rounds = []
    held_out = np.empty(len(is_bad))
    names = [f"c{j}" for j in range(columns.width)]
    order = [directions.get(name, 0) for name in columns.columns]
    for k, (rest, stopping) in enumerate(folds_of(is_bad, group, bag_size(is_bad, group), seed)):
        encoder, x = Encoder.fit(columns[rest], is_bad[rest], seed + k)
        stop_x = encoder.encode(columns[stopping])
        fitted = fit(
            x,
            is_bad[rest],
            stop_x,
            is_bad[stopping],
            names=names,
            directions=order,
            parameters=parameters,
            seed=seed + k,
            weight=weight[rest],
            stop_weight=weight[stopping],
            types=encoder.types,
            threads=1,  # folds run beside each other; within one, threads on a small table wait more than they work
        )
        rounds.append(fitted.rounds)
        held_out[stopping] = margin(fitted.booster, stop_x)
        step()
    calibration = fit_calibration(held_out, is_bad, weight=weight)
    encoder, x = Encoder.fit(columns, is_bad, seed)
    most = round(MORE_ROUNDS * float(np.mean(rounds)))
    members: list[Member] = []
    for k in range(MEMBERS):
        if leaf_wise and k % 2:
            members.append(
                LeafMember.fit(
                    x, is_bad, weight=weight, types=encoder.types, directions=order, parameters=parameters,
                    rounds=most, seed=seed + k,
                )
            )  # fmt: skip
            continue
        whole = fit_whole(
            x, is_bad, weight=weight, types=encoder.types, names=names, directions=order, parameters=parameters,
            rounds=most, seed=seed + k, threads=1,
        )  # fmt: skip
        members.append(LevelMember(whole))
    return TableModel(encoder, tuple(members), tuple(rounds), calibration)


def bag_size(is_bad: Bad, group: NDArray[np.int64]) -> int:
    """Return how many boosters are averaged: at least two, and each with events to stop by."""
    fewest = min(len(np.unique(group[is_bad == kind])) for kind in (0, 1))
    return max(2, min(BAG, fewest // 2))
