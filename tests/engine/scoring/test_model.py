import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import xgboost as xgb

from creditlink.engine.scoring import model as model_module
from creditlink.engine.scoring.calibration.calibration import Calibration
from creditlink.engine.scoring.model import FeatureError, InexactScoreError, ModelFolderError, check_sums, load
from creditlink.engine.scoring.scale import Scale
from tests.engine.scoring.folders import NAMES, frame, write_folder

pytestmark = pytest.mark.pure


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("models") / "tiny-1")


@pytest.fixture(scope="module")
def model(folder):
    return load(folder)


def test_the_manifest_is_the_model(model):
    assert (model.model_id, model.purpose, model.features) == ("tiny-1", "underwriting", NAMES)
    assert model.base_rate == 0.03
    assert model.calibration == Calibration("platt", 0.9, -0.4)
    assert model.peers.compare("C26", None, "sales", 0.5).median == 0.5


def test_a_score_is_the_boosters_margin_calibrated(model):
    features = frame()
    scores = model.score(features)
    x = features.select(NAMES).to_numpy().astype(np.float32)
    margin = model.booster.predict(xgb.DMatrix(x), output_margin=True, validate_features=False)
    np.testing.assert_allclose(scores.margin, margin, atol=1e-5)
    np.testing.assert_allclose(scores.pd_raw, 1 / (1 + np.exp(-scores.margin)))
    np.testing.assert_allclose(scores.pd_12m, 1 / (1 + np.exp(-(0.9 * scores.margin - 0.4))))
    np.testing.assert_allclose(
        scores.points_exact, 600 + 40 * np.log2((1 - scores.pd_12m) / scores.pd_12m / 20), atol=1e-6
    )
    assert (np.abs(scores.points - scores.points_exact) <= 0.5).all()
    assert scores.grade.tolist() == Scale().grade(scores.pd_12m).tolist()
    assert len(scores) == 50


def test_the_parts_are_the_whole(model):
    scores = model.score(frame())
    assert scores.contributions.shape == scores.points_contributions.shape == (50, 5)
    np.testing.assert_allclose(
        scores.base_value + scores.contributions.sum(axis=1, dtype=np.float64), scores.margin, atol=1e-6
    )
    np.testing.assert_allclose(
        scores.points_base + scores.points_contributions.sum(axis=1) + scores.points_calibration,
        scores.points_exact,
        atol=1e-6,
    )
    np.testing.assert_allclose(scores.points_contributions, -40 / math.log(2) * scores.contributions)


def test_parts_that_do_not_add_up_are_refused(model):
    scores = model.score(frame())
    spoiled = scores.contributions.copy()
    spoiled[17, 2] += 1e-4
    with pytest.raises(InexactScoreError, match="margin of row 17"):
        check_sums(replace(scores, contributions=spoiled))
    with pytest.raises(InexactScoreError, match="points of row 0"):
        check_sums(replace(scores, points_base=scores.points_base + 1e-3))
    with pytest.raises(InexactScoreError, match="row 3"):
        check_sums(replace(scores, margin=np.where(np.arange(50) == 3, np.nan, scores.margin)))


def test_a_firm_scores_the_same_alone_and_in_company(model):
    features = frame(rows=2000)
    together = model.score(features)
    for i in (0, 3, 255, 256, 1999):
        alone = model.score(features[i : i + 1])
        for name in ("margin", "pd_12m", "points_exact", "points", "points_calibration"):
            assert getattr(alone, name).tobytes() == getattr(together, name)[i : i + 1].tobytes()
        assert alone.contributions.tobytes() == together.contributions[i : i + 1].tobytes()


def test_one_firm_taken_out_is_the_firm_alone(model):
    features = frame()
    scores = model.score(features)
    alone, taken = model.score(features[7:8]), scores.take(7)
    check_sums(taken)
    assert len(taken) == 1
    for name in ("x", "margin", "pd_12m", "points", "grade", "contributions", "points_contributions"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(alone, name))
    with pytest.raises(IndexError, match="row 50 of 50"):
        scores.take(50)


def test_the_order_of_columns_and_further_columns_do_not_matter(model):
    features = frame()
    other = features.select(reversed(features.columns)).with_columns(firm=pl.lit("x"))
    assert model.score(other).margin.tobytes() == model.score(features).margin.tobytes()


@pytest.mark.parametrize("rows", [3, 1000])
def test_null_nan_integers_and_booleans(model, rows):
    features = frame(rows).with_columns(late=pl.lit(1.0), usage=pl.lit(0.0), age=pl.lit(None, pl.Float64))
    other = features.with_columns(late=True, usage=pl.lit(0, pl.Int32), age=pl.lit(None))
    nan = features.with_columns(age=pl.lit(math.nan))
    assert model.score(other).margin.tobytes() == model.score(features).margin.tobytes()
    assert model.score(nan).margin.tobytes() == model.score(features).margin.tobytes()


def test_no_firms_have_no_scores(model):
    scores = model.score(frame(0))
    assert len(scores) == 0
    assert scores.points_contributions.shape == (0, 5)


@pytest.mark.parametrize("rows", [2, 600])
def test_a_frame_that_does_not_fit_names_the_columns(model, rows):
    features = frame(rows)
    with pytest.raises(FeatureError, match="lack headcount, age"):
        model.score(features.drop("headcount", "age"))
    with pytest.raises(FeatureError, match="late is String"):
        model.score(features.with_columns(late=pl.lit("two")))
    with pytest.raises(FeatureError, match="infinite value: usage"):
        model.score(features.with_columns(usage=pl.lit(math.inf)))
    with pytest.raises(FeatureError, match="infinite value: age"):
        model.score(features.with_columns(age=pl.lit(-1e300)))


def test_many_threads_score_at_once(model):
    features = frame(3000)
    expected = model.score(features).margin.tobytes()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: model.score(features).margin.tobytes(), range(32)))
    assert set(results) == {expected}


def test_a_deeper_model_scores_too(tmp_path):
    deep = load(write_folder(tmp_path / "deep", max_depth=5))
    scores = deep.score(frame())
    check_sums(scores)
    assert len(scores) == 50


def test_versions_of_indicators_are_compared(model):
    served = dict.fromkeys(NAMES, 1)
    assert model.version_mismatches(served) == ()
    assert model.version_mismatches(served | {"late": 2}) == ("late: the model needs version 1, the catalogue has 2",)
    del served["age"]
    assert "age" in model.version_mismatches(served)[0]


@pytest.mark.parametrize("name", ["model.ubj", "calibration.json", "card.md"])
def test_a_changed_file_is_named(tmp_path, name):
    folder = write_folder(tmp_path / "m")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelFolderError, match=rf"m/{name}: sha256"):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=rf"m/{name}: No such file"):
        load(folder)


def rewrite(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    return folder


def test_a_wrong_manifest_says_what_is_wrong(tmp_path):
    folder = write_folder(tmp_path / "m")
    files = json.loads((folder / "manifest.json").read_text())["files"]
    for changes, message in (
        ({"features": []}, "features must be objects"),
        ({"features": ["sales"]}, "features must be objects"),
        ({"model_id": None}, "model_id is missing"),
        ({"files": {}}, "files lack model.ubj"),
        ({"files": files | {"../m/card.md": "0"}}, "not a file of this folder"),
        ({"features": [{"name": "sales"}]}, "1 features, but model.ubj has 5"),
        ({"scale": {"slope": 3}}, "scale"),
    ):
        with pytest.raises(ModelFolderError, match=message):
            load(rewrite(write_folder(tmp_path / "m"), **changes))
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ModelFolderError, match=r"m/manifest\.json: not JSON"):
        load(folder)
    with pytest.raises(ModelFolderError, match=r"absent/manifest\.json: no such file"):
        load(tmp_path / "absent")


def test_files_with_right_hashes_and_wrong_content_are_refused(tmp_path):
    for name, content, message in (
        ("model.ubj", b"nothing", "not a booster"),
        ("calibration.json", b'{"kind": "platt", "a": -1, "b": 0}', "calibration a: -1"),
        ("calibration.json", b"\xff", "calibration.json"),
    ):
        folder = write_folder(tmp_path / "m")
        files = json.loads((folder / "manifest.json").read_text())["files"]
        (folder / name).write_bytes(content)
        rewrite(folder, files=files | {name: model_module.sha256_of(content)})
        with pytest.raises(ModelFolderError, match=message):
            load(folder)


def test_a_scale_may_come_from_the_manifest_or_the_caller(tmp_path):
    folder = write_folder(tmp_path / "m", manifest={"scale": {"offset": 500.0, "pd_bounds": [0.1, 0.2, 0.3, 0.4, 0.5]}})
    assert load(folder).scale == Scale(offset=500.0, pd_bounds=(0.1, 0.2, 0.3, 0.4, 0.5))
    assert load(folder, Scale()).scale == Scale()
    check_sums(load(folder).score(frame()))


def test_tables_that_differ_from_xgboost_are_refused(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "m", seed=3)
    prepared = model_module.prepare

    def spoiled(booster):
        tables = prepared(booster)
        return replace(tables, base_units=tables.base_units + round(0.01 / tables.scale))

    monkeypatch.setattr(model_module, "prepare", spoiled)
    with pytest.raises(ModelFolderError, match="tables differ from xgboost"):
        load(folder)
