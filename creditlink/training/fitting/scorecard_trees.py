"""A WOE scorecard as trees of one split: served, explained and replayed by the same code as the champion.

A scorecard adds up one number for each indicator, which depends on the bin of its value. So do trees of one split: a
step at each cut, and one more that says what a missing value counts. The sum is that of the scorecard, and the exact
contributions are those that a reader of the scorecard would work out by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import xgboost
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from creditlink.training.fitting.challenger import Scorecard
from creditlink.training.fitting.fit import FittedBooster

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScorecardColumn:
    """What a scorecard counts of one indicator, in log-odds of bad.

    Attributes
    ----------
    cuts : ascending; a value at a cut belongs above it
    values : of the bins from the lowest, one more than cuts
    missing : of a missing value
    rows : training rows in each bin, and in the bin of the missing
    """

    name: str
    cuts: tuple[float, ...]
    values: tuple[float, ...]
    missing: float
    rows: tuple[float, ...]
    rows_missing: float


def signed(card: Scorecard, columns: pl.DataFrame, is_bad: NDArray[np.int8]) -> Scorecard:
    """Return the scorecard whose every weight has the sign of its WOE: more of what is safer never counts as riskier.

    Columns that say the same share a weight between them, and one may come out against its bins. The worst of them is
    left out, and the regression fitted again, until none is left.

    Raises
    ------
    ValueError
        No column is left.
    """
    kept = list(card.binnings)
    woe = {name: card.woe(name, columns[name]) for name in kept}
    while kept:
        x = np.column_stack([woe[name] for name in kept])
        regression = LogisticRegression(C=1.0, max_iter=1000).fit(x, is_bad)
        weights = regression.coef_[0]
        if (weights <= 0).all():  # WOE rises with safety, the log-odds of bad fall
            return replace(card, binnings={name: card.binnings[name] for name in kept}, regression=regression)
        kept.pop(int(np.argmax(weights)))
    raise ValueError("scorecard: no column has a weight of the sign of its bins")


def columns_of(card: Scorecard, columns: pl.DataFrame) -> tuple[list[ScorecardColumn], float]:
    """Return what a scorecard counts of each of its indicators, and its constant, in log-odds of bad."""
    found = []
    for name, weight in zip(card.binnings, card.regression.coef_[0], strict=True):
        splits = np.asarray(card.binnings[name].splits, dtype=np.float64)
        cuts = _single(splits)
        edges = np.array([splits[0] - 1, *splits, splits[-1] + 1]) if len(splits) else np.zeros(2)
        inside = (edges[:-1] + edges[1:]) / 2
        woe = card.woe(name, pl.Series(name, [*inside.tolist(), None], dtype=pl.Float64))
        known = columns[name].drop_nulls().drop_nans().to_numpy().astype(np.float32)
        rows = np.bincount(np.searchsorted(cuts, known, side="right"), minlength=len(cuts) + 1)
        found.append(
            ScorecardColumn(
                name, tuple(cuts.tolist()), tuple((weight * woe[:-1]).tolist()), float(weight * woe[-1]),
                tuple(rows.astype(float).tolist()), float(columns.height - len(known)),
            )
        )  # fmt: skip
    return found, float(card.regression.intercept_[0])


def _single(splits: Floats) -> NDArray[np.float32]:
    """Return the cuts in the single precision of a model's rows: what is below the one is below the other."""
    near = splits.astype(np.float32)
    return np.where(near < splits, np.nextafter(near, np.float32(np.inf)), near).astype(np.float32)


def trees_of(columns: Sequence[ScorecardColumn], constant: float, names: Sequence[str]) -> FittedBooster:
    """Return the booster that adds up what `columns` say.

    Parameters
    ----------
    names : every indicator that the booster reads, in its order; those without a column count nothing
    """
    place = {name: number for number, name in enumerate(names)}
    trees = [tree for column in columns for tree in _steps(column, place[column.name])]
    # A booster of one round gives the frame of the format; the trees are put in its place.
    rows = np.zeros((2, len(names)), np.float32)
    data = xgboost.DMatrix(rows, label=np.array([0, 1]), feature_names=list(names))
    frame = xgboost.train({"objective": "binary:logistic", "base_score": 0.5, "max_depth": 1}, data, 1)
    document = json.loads(bytes(frame.save_raw("json")))
    learner = document["learner"]
    bias = 1 / (1 + np.exp(-constant))
    learner["learner_model_param"]["base_score"] = f"[{bias:.17g}]"
    model = learner["gradient_booster"]["model"]
    for number, tree in enumerate(trees):
        tree["id"] = number
        tree["tree_param"] = dict(model["trees"][0]["tree_param"], num_nodes="3", num_feature=str(len(names)))
    model["trees"] = trees
    model["tree_info"] = [0] * len(trees)
    model["iteration_indptr"] = list(range(len(trees) + 1))
    model["gbtree_model_param"]["num_trees"] = str(len(trees))
    booster = xgboost.Booster()
    booster.load_model(bytearray(json.dumps(document).encode()))
    return FittedBooster(booster, len(trees), float("nan"))


def _steps(column: ScorecardColumn, place: int) -> Iterator[dict[str, object]]:
    """Yield the trees of one indicator: two at the first cut, of which one sends the missing up, one at each other."""
    if not column.cuts:
        return
    below, total = np.cumsum(column.rows), float(sum(column.rows))
    first, second = column.values[:2]
    # Low values get `first` from the one, high ones `second` from both, the missing what the two leave them.
    up = column.missing - first
    cover = float(below[0])
    yield _stump(place, column.cuts[0], (first, second - up), (cover + column.rows_missing, total - cover), left=True)
    yield _stump(place, column.cuts[0], (0.0, up), (cover, total - cover + column.rows_missing), left=False)
    for cut, (low, high), cover in zip(
        column.cuts[1:], zip(column.values[1:], column.values[2:], strict=False), below[1:], strict=False
    ):
        covers = (float(cover) + column.rows_missing, total - float(cover))
        yield _stump(place, cut, (0.0, high - low), covers, left=True)


def _stump(
    place: int, cut: float, leaves: tuple[float, float], covers: tuple[float, float], *, left: bool
) -> dict[str, object]:
    """Return one tree of xgboost's JSON: below the cut to the left; `left` says where the missing go."""
    # An empty side keeps a grain of cover: the means of the explanation divide by it.
    low, high = (max(cover, 1e-6) for cover in covers)
    mean = (leaves[0] * low + leaves[1] * high) / (low + high)
    none: list[int] = []
    return {
        "base_weights": [mean, *leaves], "categories": none, "categories_nodes": none, "categories_segments": none,
        "categories_sizes": none, "default_left": [int(left), 0, 0], "left_children": [1, -1, -1],
        "right_children": [2, -1, -1], "loss_changes": [1.0, 0.0, 0.0], "parents": [2147483647, 0, 0],
        "split_conditions": [cut, *leaves], "split_indices": [place, 0, 0], "split_type": [0, 0, 0],
        "sum_hessian": [low + high, low, high],
    }  # fmt: skip


def described(columns: Sequence[ScorecardColumn], constant: float) -> Mapping[str, object]:
    """Return the scorecard as a table that a person reads: cuts, what each bin counts, and what missing counts."""
    return {
        "constant": constant,
        "columns": [
            {"indicator": one.name, "cuts": list(one.cuts), "log_odds": list(one.values), "missing": one.missing}
            for one in columns
        ],
    }
