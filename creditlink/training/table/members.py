"""The members of a table's model: boosters of two kinds, each with what every column contributed. Pure.

Both kinds give path-dependent TreeSHAP values, and values of an average are the average of values: what the columns of
a table contribute adds up to the margin, whatever the members are and however they split categories.

Source: Lundberg et al. 2020, Nature Machine Intelligence 2, algorithm 1; linearity of Shapley values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import xgboost
from numpy.typing import NDArray

from creditlink.engine.scoring.trees.explain import BoosterContributions, Explanation, explain
from creditlink.training.fitting.fit import Labels, Matrix, Parameters, margin

if TYPE_CHECKING:
    import lightgbm

Floats = NDArray[np.float64]

LEAVES = 31
"""Leaves of a tree that grows leaf by leaf. Source: LightGBM's default."""

LEAST_ROWS_OF_LEAF = 20
"""Rows in each such leaf. Source: LightGBM's default."""


class Member(Protocol):
    """A fitted booster, whatever its kind."""

    def margin(self, x: Matrix) -> Floats:
        """Return the log-odds of the event, shape (n,)."""

    def explained(self, x: Matrix) -> Explanation:
        """Return what each encoded column contributes to the log-odds, shape (n, k)."""


@dataclass(frozen=True, eq=False)
class LevelMember:
    """A booster of xgboost, whose trees grow level by level."""

    booster: xgboost.Booster

    def margin(self, x: Matrix) -> Floats:
        """Return the log-odds of the event, shape (n,)."""
        return margin(self.booster, x)

    def explained(self, x: Matrix) -> Explanation:
        """Return what each encoded column contributes to the log-odds, shape (n, k)."""
        return explain(BoosterContributions(self.booster, "its trees may be deeper than the tables allow"), x)


@dataclass(frozen=True, eq=False)
class LeafMember:
    """A booster of LightGBM, whose trees grow where they gain most."""

    booster: lightgbm.Booster

    @classmethod
    def fit(
        cls,
        x: Matrix,
        is_bad: Labels,
        *,
        weight: Floats,
        types: Sequence[str],
        directions: Sequence[int],
        parameters: Parameters,
        rounds: int,
        seed: int,
    ) -> LeafMember:
        """Fit so many rounds; needs the training extra. The arguments are those of `fit_whole`."""
        import lightgbm

        settings = {
            "objective": "binary",
            "learning_rate": parameters.eta,
            "num_leaves": LEAVES,
            "min_data_in_leaf": LEAST_ROWS_OF_LEAF,
            "bagging_fraction": parameters.subsample,
            "bagging_freq": 1,
            "feature_fraction": parameters.colsample_bytree,
            "monotone_constraints": list(directions),
            "seed": seed,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }
        categories = [k for k, kind in enumerate(types) if kind == "c"]
        data = lightgbm.Dataset(x, is_bad, weight=weight, categorical_feature=categories, params={"verbose": -1})
        return cls(lightgbm.train(settings, data, rounds))

    def margin(self, x: Matrix) -> Floats:
        """Return the log-odds of the event, shape (n,)."""
        return np.asarray(self.booster.predict(x, raw_score=True, num_threads=1), dtype=np.float64)

    def explained(self, x: Matrix) -> Explanation:
        """Return what each encoded column contributes to the log-odds, shape (n, k)."""
        values = np.asarray(self.booster.predict(x, pred_contrib=True, num_threads=1), dtype=np.float64)
        base = float(values[0, -1]) if len(values) else 0.0
        return Explanation(base, values[:, :-1], values.sum(axis=1))
