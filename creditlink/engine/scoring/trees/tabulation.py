"""Exact SHAP values of shallow trees, tabulated once per model.

The path-dependent SHAP value of a feature in one tree is a sum over the tree's leaves, and a
leaf's share depends only on which splits on its path hold. A tree of depth 3 has four such paths
below its root (the *groups*: root, one middle split, one lowest split), each with three splits and
therefore eight outcomes. So a tree is explained by seven comparisons and twelve look-ups in tables
of eight: every group says something about its root, its middle and its lowest split.

The tables hold whole numbers (a fixed-point image of log-odds, `scale` to a unit): whole numbers
add up to the same bits in any order, so a firm's explanation does not depend on how many firms it
is explained with, on how many threads, or on which processor. The few units lost by rounding a
tree's values are given to its root split, so that base value and contributions add up to the sum
of the leaves without an error, and a monotone model stays monotone to the last bit.

Source: Lundberg et al. 2020, "From local explanations to global understanding with explainable AI
for trees", Nature Machine Intelligence 2, algorithm 1 (path-dependent values) and its covers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

DEPTH = 3
SPLITS = 7  # of a perfect tree of that depth, numbered as in a heap: 0; 1, 2; 3, 4, 5, 6
GROUPS = 4
OUTCOMES = 8

# How the objective turns `base_score`, which the file keeps as a probability or as it is, into a margin.
_LOGISTIC = ("binary:logistic", "reg:logistic", "binary:logitraw")
_IDENTITY = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror")


class NotTabulableError(ValueError):
    """The model cannot be put into tables; the message says why."""


@dataclass(frozen=True, eq=False)
class ShapTables:
    """A model in tables.

    Attributes
    ----------
    width
        Number of features, k.
    base_units
        Expected margin over the training covers, in units of `scale`.
    fill_feature, fill_value
        Shape (m,): the staged columns; column c is feature `fill_feature[c]` with its missing
        values replaced by `fill_value[c]`, so that a plain comparison follows the default direction.
    columns, thresholds
        Shape (trees, 7): a split holds where staged column < threshold.
    targets
        Shape (trees, 7): the feature a split is about; k where there is no such split.
    tables
        Shape (trees, 12, 8), fixed point: row 4*level + group, by outcome bits root, middle, lowest.
    scale
        Log-odds per unit of `tables`; a power of two.
    """

    width: int
    base_units: int
    fill_feature: NDArray[np.int32]
    fill_value: NDArray[np.float32]
    columns: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    targets: NDArray[np.int32]
    tables: NDArray[np.int32]
    scale: float

    @property
    def base_value(self) -> float:
        """Expected margin over the training covers, log-odds."""
        return self.base_units * self.scale


class BoosterTree(TypedDict):
    """One tree of a saved booster, node by node; -1 is no child. A booster of plain splits may lack the last two."""

    left_children: list[int]
    right_children: list[int]
    split_indices: list[int]
    split_conditions: list[float]
    default_left: list[int]
    sum_hessian: list[float]
    split_type: NotRequired[list[int]]
    tree_param: Mapping[str, str]


class BoosterLearner(TypedDict):
    """A saved booster: its objective, its parameters and its trees."""

    learner_model_param: Mapping[str, str]
    objective: ObjectiveName
    gradient_booster: GradientBooster


class ObjectiveName(TypedDict):
    """The objective that a booster was trained for."""

    name: str


class GradientBooster(TypedDict):
    """The kind of a booster, and its trees."""

    name: str
    model: TreeModel


class TreeModel(TypedDict):
    """The trees of a booster."""

    trees: list[BoosterTree]


@dataclass(frozen=True)
class _Split:
    """One split on the way to a leaf."""

    level: int
    slot: int
    feature: int
    goes_left: bool
    share: float  # of the split's cover that went this way

    @property
    def holds(self) -> NDArray[np.bool_]:
        """Whether it goes this way, by the outcomes (8,) of its group."""
        agrees: NDArray[np.bool_] = ((np.arange(OUTCOMES) >> self.level) & 1) == self.goes_left
        return agrees


@dataclass(frozen=True)
class _Leaf:
    """A leaf's value and the splits on its path."""

    value: float
    path: tuple[_Split, ...]

    @property
    def group(self) -> int:
        """The group that knows of it; above the lowest level, the left-most below its last split."""
        last = self.path[-1]
        return last.slot - 3 if last.level == 2 else 2 * (last.slot - 1) if last.level else 0


def build(model_json: bytes) -> ShapTables:
    """Return the tables of a booster saved with ``save_raw("json")``.

    Raises
    ------
    NotTabulableError
        Deeper than 3, categorical splits, several outputs, another booster or objective.
    """
    learner: BoosterLearner = json.loads(model_json)["learner"]
    trees, intercept = _trees_of(learner)
    width = int(learner["learner_model_param"]["num_feature"])
    grown = [tree for tree in trees if tree["left_children"][0] != -1]
    count = len(grown)
    staged: dict[tuple[int, bool], int] = {}
    columns = np.zeros((count, SPLITS), np.int32)
    thresholds = np.full((count, SPLITS), -np.inf, np.float32)  # no split: never holds
    targets = np.full((count, SPLITS), width, np.int32)
    exact = np.zeros((count, DEPTH * GROUPS, OUTCOMES))
    grown_leaves = [_leaves(tree) for tree in grown]
    for number, tree in enumerate(grown):
        for slot, node in _splits(tree):
            feature = int(tree["split_indices"][node])
            key = (feature, bool(tree["default_left"][node]))
            columns[number, slot] = staged.setdefault(key, len(staged))
            thresholds[number, slot] = np.float32(tree["split_conditions"][node])
            targets[number, slot] = feature
        for leaf in grown_leaves[number]:
            _add_leaf(exact[number], leaf)
    scale = _unit(exact, targets, width)
    tables = np.rint(exact / scale).astype(np.int64)
    base_units = round(intercept / scale)
    for tree in trees:
        if tree["left_children"][0] == -1:
            base_units += round(float(np.float32(tree["split_conditions"][0])) / scale)
    for number, leaves in enumerate(grown_leaves):
        base_units += _settle(tables[number], leaves, scale)
    fills = list(staged) or [(0, True)]
    return ShapTables(
        width=width,
        base_units=base_units,
        fill_feature=np.array([feature for feature, _ in fills], np.int32),
        fill_value=np.array([-np.inf if left else np.inf for _, left in fills], np.float32),
        columns=columns,
        thresholds=thresholds,
        targets=targets,
        tables=tables.astype(np.int32),
        scale=scale,
    )


def _trees_of(learner: BoosterLearner) -> tuple[list[BoosterTree], float]:
    """Return the trees and the intercept in margin space, or say why the model does not fit."""
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise NotTabulableError(f"booster {booster['name']} is not gbtree")
    parameters = learner["learner_model_param"]
    if int(parameters.get("num_class", 0)) > 1 or int(parameters.get("num_target", 1)) > 1:
        raise NotTabulableError("the model has several outputs")
    trees = booster["model"]["trees"]
    for tree in trees:
        if any(tree.get("split_type", ())):
            raise NotTabulableError("the model splits on categories")
        if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
            raise NotTabulableError("the model has vector leaves")
    # A scalar in older files, a vector of one in newer: "5E-1" or "[5E-1]".
    base_score = float(np.float32(parameters["base_score"].strip("[]")))
    objective = learner["objective"]["name"]
    if objective in _LOGISTIC[:2]:
        if not 0 < base_score < 1:
            raise NotTabulableError(f"base_score {base_score} is not a probability")
        return trees, math.log(base_score) - math.log1p(-base_score)
    if objective == _LOGISTIC[2] or objective in _IDENTITY:
        return trees, base_score
    raise NotTabulableError(f"objective {objective} is not known here")


def _splits(tree: BoosterTree) -> list[tuple[int, int]]:
    """Return (slot, node) of each split, slots numbered as in a heap."""
    splits, waiting = [], [(0, 0)]
    while waiting:
        slot, node = waiting.pop()
        left = tree["left_children"][node]
        if left == -1:
            continue
        if slot >= SPLITS:
            raise NotTabulableError(f"a tree is deeper than {DEPTH}")
        splits.append((slot, node))
        waiting += [(2 * slot + 1, left), (2 * slot + 2, tree["right_children"][node])]
    return splits


def _leaves(tree: BoosterTree) -> list[_Leaf]:
    """Return the leaves of a tree that has a split."""
    leaves: list[_Leaf] = []
    waiting: list[tuple[int, int, tuple[_Split, ...]]] = [(0, 0, ())]
    while waiting:
        slot, node, path = waiting.pop()
        left, right = tree["left_children"][node], tree["right_children"][node]
        if left == -1:
            leaves.append(_Leaf(float(np.float32(tree["split_conditions"][node])), path))
            continue
        cover = float(np.float32(tree["sum_hessian"][node]))
        if not cover > 0:
            raise NotTabulableError("a split has no cover")
        for child, goes_left in ((left, True), (right, False)):
            share = float(np.float32(tree["sum_hessian"][child])) / cover
            step = _Split(len(path), slot, int(tree["split_indices"][node]), goes_left, share)
            waiting.append((2 * slot + (1 if goes_left else 2), child, (*path, step)))
    return leaves


def _add_leaf(tables: NDArray[np.float64], leaf: _Leaf) -> None:
    """Add a leaf's SHAP values for all outcomes of its group to one tree's tables (12, 8).

    A feature met twice on a path is one player: its conditions must hold together, and its shares
    multiply. Its value is entered at its first split.
    """
    holds: dict[int, NDArray[np.float64]] = {}
    shares: dict[int, float] = {}
    levels: dict[int, int] = {}
    for step in leaf.path:
        holds[step.feature] = holds.get(step.feature, np.ones(OUTCOMES)) * step.holds
        shares[step.feature] = shares.get(step.feature, 1.0) * step.share
        levels.setdefault(step.feature, step.level)
    for feature, level in levels.items():
        others = [other for other in levels if other != feature]
        weight = np.zeros(OUTCOMES)
        for size in range(len(others) + 1):
            ordering = 1 / ((len(others) + 1) * math.comb(len(others), size))
            for known in combinations(others, size):
                term = np.full(OUTCOMES, ordering)
                for other in others:
                    term = term * (holds[other] if other in known else shares[other])
                weight += term
        tables[GROUPS * level + leaf.group] += leaf.value * (holds[feature] - shares[feature]) * weight


def _unit(exact: NDArray[np.float64], targets: NDArray[np.int32], width: int) -> float:
    """Return log-odds per unit: a power of two, as fine as no sum over the trees can overflow."""
    largest = np.abs(exact).max(axis=2)  # (trees, 12)
    slot_of = np.array([0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6])
    reach = np.zeros(width + 1)
    np.add.at(reach, targets[:, slot_of], largest)
    bound = float(reach.max(initial=0.0))
    if not math.isfinite(bound):
        raise NotTabulableError("a leaf value is not finite")
    # One bit is left for the roundings. Where no tree has a split, any unit does.
    return float(2.0 ** (math.frexp(bound)[1] - 30))


def _settle(tables: NDArray[np.int64], leaves: list[_Leaf], scale: float) -> int:
    """Give what rounding lost to the root split of one tree; return the tree's base value in units.

    Whatever the outcomes, base value and contributions are then the rounded value of the leaf that
    is reached.
    """
    total = np.zeros((GROUPS, OUTCOMES), np.int64)
    base = 0
    for leaf in leaves:
        expected = round(leaf.value * math.prod(step.share for step in leaf.path) / scale)
        reached = np.logical_and.reduce([step.holds for step in leaf.path])
        total[leaf.group] += np.where(reached, round(leaf.value / scale), 0) - expected
        base += expected
    stated = tables.reshape(DEPTH, GROUPS, OUTCOMES).sum(axis=0)
    tables[:GROUPS] += total - stated
    return base
