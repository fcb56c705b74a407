import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import caching

from creditlink.engine.scoring.trees import explain as explain_module
from creditlink.engine.scoring.trees import kernel as kernel_module
from creditlink.engine.scoring.trees.explain import PARALLEL_ROWS, BoosterContributions, explain, prepare
from creditlink.engine.scoring.trees.kernel import BLOCK
from creditlink.engine.scoring.trees.tabulation import ShapTables
from tests.engine.scoring.boosters import exact_margins, fitted, imported_shap, matrix

pytestmark = pytest.mark.pure


def by_xgboost(booster, x):
    return booster.predict(xgb.DMatrix(x), pred_contribs=True, validate_features=False)


def assert_same_as_xgboost(booster, x):
    explainer = prepare(booster)
    assert isinstance(explainer, ShapTables)
    ours, theirs = explain(explainer, x), by_xgboost(booster, x)
    np.testing.assert_allclose(ours.contributions, theirs[:, :-1], atol=1e-5, rtol=1e-5)
    assert ours.base_value == pytest.approx(float(theirs[0, -1]), abs=1e-5)
    # No tolerance: forwards, backwards and by numpy's own order.
    for shares in (ours.contributions, ours.contributions[:, ::-1]):
        assert (ours.base_value + shares.sum(axis=1) == ours.margin).all()
        assert (sum(shares.T, start=np.float64(ours.base_value)) == ours.margin).all()
    return ours


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 12),
    depth=st.integers(1, 3),
    missing=st.sampled_from([0.0, 0.3, 0.9]),
    ties=st.booleans(),
    gamma=st.sampled_from([0.0, 1.0]),
    policy=st.sampled_from(["depthwise", "lossguide"]),
    parallel_trees=st.sampled_from([1, 3]),
)
def test_tables_give_what_xgboost_gives(seed, width, depth, missing, ties, gamma, policy, parallel_trees):
    rng = np.random.default_rng(seed)
    x = matrix(rng, 300, width, missing, ties)
    booster = fitted(rng, x, 12, max_depth=depth, gamma=gamma, grow_policy=policy, num_parallel_tree=parallel_trees)
    ours = assert_same_as_xgboost(booster, x)
    np.testing.assert_allclose(ours.margin[:20], exact_margins(booster, x[:20]), atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0.0, 0.4]))
def test_tables_give_what_shap_gives(seed, missing):
    rng = np.random.default_rng(seed)
    x = matrix(rng, 200, 8, missing)
    booster = fitted(rng, x)
    reference = imported_shap().TreeExplainer(booster)
    np.testing.assert_allclose(explain(booster, x).contributions, reference.shap_values(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("width", [1, 2])
def test_a_feature_met_twice_on_a_path_is_one_player(width):
    rng = np.random.default_rng(3)
    x = matrix(rng, 500, width, 0.1)
    y = (np.sin(3 * np.nan_to_num(x[:, 0])) > 0).astype(np.float32)
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 3, "eta": 0.5}, xgb.DMatrix(x, y), 10)
    tables = prepare(booster)
    assert any(len(set(row[row < width])) < (row < width).sum() for row in tables.targets)
    assert_same_as_xgboost(booster, x)


def test_a_model_without_a_split_is_its_base_value():
    x = matrix(np.random.default_rng(0), 50, 4)
    booster = fitted(np.random.default_rng(0), x, 5, gamma=1e9)
    ours = assert_same_as_xgboost(booster, x)
    assert not ours.contributions.any()


def test_trees_with_and_without_splits_together():
    rng = np.random.default_rng(0)
    x = matrix(rng, 400, 4)
    booster = fitted(rng, x, 60, gamma=2.0, eta=0.5)
    assert len(prepare(booster).columns) < 60
    assert_same_as_xgboost(booster, x)


def test_monotone_constraints():
    rng = np.random.default_rng(0)
    x = matrix(rng, 400, 4)
    assert_same_as_xgboost(fitted(rng, x, 30, monotone_constraints="(1,1,-1,0)"), x)


def test_a_monotone_model_is_monotone_to_the_last_bit():
    rng = np.random.default_rng(4)
    x = matrix(rng, 800, 6)
    booster = fitted(rng, x, 60, monotone_constraints="(1,-1,0,1,0,0)")
    tables = prepare(booster)
    for feature, sign in ((0, 1), (1, -1), (3, 1)):
        cuts = np.unique(tables.thresholds[tables.targets == feature])
        rows = np.repeat(x[:40], len(cuts), axis=0)
        rows[:, feature] = np.tile(cuts, 40)
        margins = explain(tables, rows).margin.reshape(40, len(cuts))
        assert (np.diff(margins, axis=1) * sign >= 0).all()


@pytest.mark.parametrize("base_score", [0.03, 0.5, 0.9])
def test_a_set_base_score(base_score):
    rng = np.random.default_rng(0)
    x = matrix(rng, 300, 5)
    assert_same_as_xgboost(fitted(rng, x, 10, base_score=base_score), x)


@pytest.mark.parametrize("objective", ["binary:logitraw", "reg:squarederror"])
def test_objectives_without_a_link(objective):
    rng = np.random.default_rng(0)
    x = matrix(rng, 300, 5)
    assert_same_as_xgboost(fitted(rng, x, 10, objective=objective), x)


def test_values_on_a_threshold_go_right_as_in_xgboost():
    rng = np.random.default_rng(0)
    x = matrix(rng, 400, 3, 0.0)
    booster = fitted(rng, x, 10)
    tables = prepare(booster)
    cuts = tables.thresholds[tables.targets < tables.width]
    on = np.column_stack([np.resize(cuts, 600), np.resize(cuts[::-1], 600), np.resize(cuts, 600)])
    rows = np.vstack([on, np.nextafter(on, np.float32(-np.inf))]).astype(np.float32)
    ours = assert_same_as_xgboost(booster, rows)
    np.testing.assert_allclose(ours.margin[::60], exact_margins(booster, rows[::60]), atol=1e-6)


@pytest.fixture(scope="module")
def model_and_rows():
    rng = np.random.default_rng(5)
    x = matrix(rng, 2000, 10, 0.2)
    rows = matrix(rng, PARALLEL_ROWS + 3 * BLOCK + 5, 10, 0.2)
    return prepare(fitted(rng, x, 50)), rows


def test_the_same_bits_whatever_the_threads_order_and_company(model_and_rows):
    tables, rows = model_and_rows
    one = explain(tables, rows, threads=1)
    for threads in (2, 3, 7):
        many = explain(tables, rows, threads=threads)
        assert many.contributions.tobytes() == one.contributions.tobytes()
        assert many.margin.tobytes() == one.margin.tobytes()
    by_column = explain(tables, np.asfortranarray(rows), threads=2)
    assert by_column.contributions.tobytes() == one.contributions.tobytes()
    for i in (0, 1, 511, 512, 700, len(rows) - 1):
        alone = explain(tables, rows[i : i + 1])
        assert alone.contributions.tobytes() == one.contributions[i : i + 1].tobytes()
        assert alone.margin[0] == one.margin[i]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, BLOCK - 1, BLOCK, BLOCK + 1])
def test_any_number_of_rows(model_and_rows, count):
    tables, rows = model_and_rows
    whole = explain(tables, rows[: BLOCK + 1])
    part = explain(tables, rows[:count])
    assert part.contributions.shape == (count, 10)
    assert (part.contributions == whole.contributions[:count]).all()
    assert (part.margin == whole.margin[:count]).all()


def test_a_model_is_prepared_once_by_its_hash():
    rng = np.random.default_rng(0)
    booster = fitted(rng, matrix(rng, 100, 3), 3)
    assert prepare(booster) is prepare(booster.copy())
    for seed in range(explain_module.KEPT_MODELS + 1):
        prepare(fitted(np.random.default_rng(seed), matrix(np.random.default_rng(seed), 60, 2), 2))
    assert len(explain_module._prepared) == explain_module.KEPT_MODELS


def categorical():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (200, 2)).astype(np.float32)
    y = ((x[:, 0] == 1) | (x[:, 0] == 3)).astype(np.float32)
    data = xgb.DMatrix(x, y, feature_types=["c", "c"], enable_categorical=True)
    return xgb.train({"objective": "binary:logistic", "max_depth": 2, "max_cat_to_onehot": 1}, data, 3), x


def test_deeper_models_are_explained_by_xgboost():
    rng = np.random.default_rng(0)
    x = matrix(rng, 400, 5)
    booster = fitted(rng, x, 10, max_depth=5)
    explainer = prepare(booster)
    assert isinstance(explainer, BoosterContributions)
    assert explainer.because == "a tree is deeper than 3"
    ours = explain(explainer, x)
    assert (ours.contributions == by_xgboost(booster, x)[:, :-1]).all()
    assert np.allclose(ours.margin, booster.predict(xgb.DMatrix(x), output_margin=True), atol=1e-5)
    assert explain(explainer, x[:0]).base_value == ours.base_value


def test_what_cannot_be_tabulated_says_why():
    rng = np.random.default_rng(0)
    x = matrix(rng, 200, 3)
    assert prepare(categorical()[0]).because == "the model splits on categories"
    assert "dart" in prepare(fitted(rng, x, 3, booster="dart")).because
    assert "poisson" in prepare(fitted(rng, x, 3, objective="count:poisson")).because


def test_a_matrix_of_another_kind_or_width_is_refused(model_and_rows):
    tables, rows = model_and_rows
    with pytest.raises(ValueError, match="float64"):
        explain(tables, rows[:3].astype(np.float64))
    with pytest.raises(ValueError, match="9 columns, but the model has 10"):
        explain(tables, rows[:3, :9])


def test_the_kernel_runs_where_no_cache_can_be_written(monkeypatch, model_and_rows):
    tables, rows = model_and_rows
    cached = explain(tables, rows[:20])
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    kernel = kernel_module.compiled(kernel_module._explain_rows)
    monkeypatch.setattr(explain_module, "explain_rows", kernel)
    assert explain(tables, rows[:20]).contributions.tobytes() == cached.contributions.tobytes()
    assert not kernel.stats.cache_path
