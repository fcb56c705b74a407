"""A scorecard as trees adds up to itself, and is explained as a reader of its table would explain it."""

import numpy as np
import polars as pl
import pytest
import xgboost

from creditlink.engine.scoring.trees.explain import explain, prepare
from creditlink.training.fitting.challenger import fit_scorecard
from creditlink.training.fitting.scorecard_trees import ScorecardColumn, columns_of, signed, trees_of

pytestmark = pytest.mark.pure
NAMES = ("a", "b", "unused")
A = ScorecardColumn("a", (0.0, 10.0, 20.0), (0.7, 0.2, -0.1, -0.9), 0.05, (10.0, 20.0, 30.0, 40.0), 100.0)
B = ScorecardColumn("b", (1.5,), (-0.3, 0.4), -0.2, (150.0, 0.0), 50.0)


def margins(columns, rows, constant=-3.0):
    booster = trees_of(columns, constant, NAMES).booster
    x = np.array(rows, np.float32)
    plain = booster.predict(xgboost.DMatrix(x, feature_names=list(NAMES)), output_margin=True)
    return plain, explain(prepare(booster), x)


def test_every_bin_and_the_missing_count_what_the_table_says():
    nan = float("nan")
    rows = [[-1, nan, 0], [0, nan, 0], [9.99, 1, 5], [10, 1.5, nan], [19, 2, 0], [20, nan, 0], [nan, nan, nan]]
    said = [0.7 - 0.2, 0.2 - 0.2, 0.2 - 0.3, -0.1 + 0.4, -0.1 + 0.4, -0.9 - 0.2, 0.05 - 0.2]
    plain, explained = margins([A, B], rows)
    assert plain == pytest.approx(np.array(said) - 3.0, abs=1e-5)
    assert explained.margin == pytest.approx(plain, abs=1e-5)
    # What an indicator contributes is what its bin counts, less what the training rows count in the mean.
    mean_a = (0.7 * 10 + 0.2 * 20 - 0.1 * 30 - 0.9 * 40 + 0.05 * 100) / 200
    assert explained.contributions[0] == pytest.approx(
        [0.7 - mean_a, -0.2 - (-0.3 * 150 - 0.2 * 50) / 200, 0], abs=1e-5
    )
    assert (explained.contributions[:, 2] == 0).all()


def test_a_column_without_a_cut_counts_nothing():
    plain, _ = margins([ScorecardColumn("a", (), (0.4,), 0.1, (5.0,), 5.0), B], [[1, 1, 0], [2, 1, 0]])
    assert plain == pytest.approx([-3.3, -3.3], abs=1e-5)


def test_a_fitted_scorecard_and_its_trees_agree_on_every_row():
    pytest.importorskip("optbinning")
    rng = np.random.default_rng(1)
    a = rng.normal(size=3000).astype(np.float32).astype(np.float64)
    twin = a + rng.normal(0, 0.05, 3000).astype(np.float32)
    is_bad = (rng.random(3000) < 1 / (1 + np.exp(2 - a))).astype(np.int8)
    table = pl.DataFrame({"a": a, "b": twin.astype(np.float32).astype(np.float64), "unused": rng.normal(size=3000)})
    table = table.with_columns(pl.when(pl.arange(3000) % 7 == 0).then(None).otherwise(pl.col("a")).alias("a"))
    card = signed(fit_scorecard(table, is_bad, directions={"a": 1, "b": 1}), table, is_bad)
    assert (card.regression.coef_ <= 0).all()
    counted, constant = columns_of(card, table)
    plain, _ = margins(counted, table.fill_null(float("nan")).to_numpy(), constant)
    pd = card.pd(table)
    assert plain == pytest.approx(np.log(pd / (1 - pd)), abs=1e-4)
