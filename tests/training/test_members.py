"""What the columns contribute: Shapley values of trees, those that split categories included, by their definition."""

import json
from itertools import combinations
from math import comb, isnan

import numpy as np
import pytest

from creditlink.training.fitting.fit import fit_whole
from creditlink.training.table.members import LeafMember, LevelMember
from creditlink.training.table.model import TableParameters

pytestmark = pytest.mark.pure

TYPES = ("q", "c", "q")


@pytest.fixture(scope="module")
def rows():
    """Return 400 rows of a number, a category of 30 levels and a number, some missing, and their outcome."""
    rng = np.random.default_rng(0)
    level = rng.integers(0, 30, 400)
    x = np.column_stack([rng.normal(size=400), level, rng.normal(size=400)]).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    risk = np.nan_to_num(x[:, 0]) + 2 * (level % 3 == 0) - 1 + np.nan_to_num(x[:, 2]) * (level % 2)
    return x, (rng.random(400) < 1 / (1 + np.exp(-risk))).astype(np.int8)


def fitted(x, is_bad, directions=(0, 0, 0)):
    return LevelMember(
        fit_whole(
            x, is_bad, names=["a", "b", "c"], directions=directions, parameters=TableParameters(max_depth=4),
            rounds=8, seed=1, types=TYPES, threads=1,
        )
    )  # fmt: skip


def expected(tree, row, known, node=0):
    """Return what a tree gives a row of which only some columns are known: elsewhere both ways, by their covers."""
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left == -1:
        return tree["split_conditions"][node]
    column = tree["split_indices"][node]
    if column not in known:
        cover = tree["sum_hessian"]
        both = [expected(tree, row, known, child) * cover[child] for child in (left, right)]
        return sum(both) / cover[node]
    if isnan(row[column]):
        goes_left = tree["default_left"][node]
    elif tree["split_type"][node]:
        at = tree["categories_nodes"].index(node)
        first, size = tree["categories_segments"][at], tree["categories_sizes"][at]
        goes_left = int(row[column]) not in tree["categories"][first : first + size]
    else:
        goes_left = row[column] < tree["split_conditions"][node]
    return expected(tree, row, known, left if goes_left else right)


def shapley(trees, row, column, width=3):
    others = [k for k in range(width) if k != column]
    total = 0.0
    for size in range(width):
        for known in combinations(others, size):
            gain = sum(expected(t, row, {*known, column}) - expected(t, row, set(known)) for t in trees)
            total += gain / (width * comb(width - 1, size))
    return total


def test_values_of_categories_are_those_of_the_definition(rows):
    x, is_bad = rows
    member = fitted(x, is_bad)
    trees = json.loads(bytes(member.booster.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]
    assert any(any(tree["split_type"]) for tree in trees)
    found = member.explained(x[:12]).contributions
    for i in range(12):
        by_definition = [shapley(trees, x[i].tolist(), column) for column in range(3)]
        assert found[i] == pytest.approx(by_definition, abs=1e-5)


def test_a_direction_holds_beside_categories(rows):
    x, is_bad = rows
    member = fitted(x, 1 - is_bad, directions=(1, 0, 0))
    grid = np.repeat(x[:30], 40, axis=0)
    grid[:, 0] = np.tile(np.linspace(-3, 3, 40, dtype=np.float32), 30)
    assert (np.diff(member.margin(grid).reshape(30, 40), axis=1) >= 0).all()


def test_leaf_wise_members_too(rows):
    pytest.importorskip("lightgbm", reason="the training extra is not installed")
    x, is_bad = rows
    member = LeafMember.fit(
        x, 1 - is_bad, weight=np.ones(400), types=TYPES, directions=(1, 0, 0), parameters=TableParameters(), rounds=20,
        seed=1,
    )  # fmt: skip
    found = member.explained(x)
    assert found.base_value + found.contributions.sum(axis=1) == pytest.approx(member.margin(x), abs=1e-9)
    grid = np.repeat(x[:30], 40, axis=0)
    grid[:, 0] = np.tile(np.linspace(-3, 3, 40, dtype=np.float32), 30)
    assert (np.diff(member.margin(grid).reshape(30, 40), axis=1) >= 0).all()
