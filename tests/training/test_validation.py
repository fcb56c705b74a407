"""The validation pack: its figures against their definitions, and the page made from them."""

import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.sandbox.sandbox import sandbox
from creditlink.cli.training.train import train
from creditlink.cli.training.validate import write_pack
from creditlink.kit.settings import ROOT, load_settings
from creditlink.training.card import render_card
from creditlink.training.validation import figures

pytestmark = pytest.mark.pure

MODEL = ROOT / "models" / load_settings().model


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validated") / "city"
    words = ["city", "--firms", "700", "--months", "36", "--seed", "5", "--until", "2026-06", "--out", str(folder)]
    made = CliRunner().invoke(sandbox, words)
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture(scope="module")
def pack(city, tmp_path_factory):
    out = tmp_path_factory.mktemp("packs") / "pack"
    done = CliRunner().invoke(
        train, ["validate", str(MODEL), "--city", str(city), "--out", str(out), "--no-challenger"]
    )
    assert done.exit_code == 0, done.output
    return out, json.loads((out / "validation.json").read_text())


def test_the_pack_holds_every_part(pack):
    _, figures = pack
    assert 0.5 < figures["overall"]["auc"] <= 1
    assert figures["overall"]["gini"] == pytest.approx(2 * figures["overall"]["auc"] - 1, abs=2e-6)  # six digits told
    assert figures["overall"]["best_expected_auc"] >= figures["overall"]["expected_auc"]
    assert {s["by"] for s in figures["segments"]} >= {"region", "industry", "entity_type", "size", "age"}
    assert figures["gains"][-1] == [1.0, 1.0]
    assert figures["stability"]["psi"]
    assert figures["monotonicity"]["directions"] > 60
    assert figures["monotonicity"]["broken"] == []
    assert {"shell", "manipulator", "alarm_rate"} <= set(figures["cross_checks"][0])
    assert figures["challenger"] is None
    assert figures["overall"] == figures["cases"]["all granted"]
    assert len(figures["stability"]["csi"][0][1]) == len(figures["stability"]["psi"])


def test_intervals_are_counted_by_grade_and_by_segment(pack):
    _, figures = pack
    by_grade = [s for s in figures["segments"] if s["by"] == "grade"]
    counted = sum(s["firms"] * s["interval_coverage"] for s in by_grade)
    left_out = figures["overall"]["firms"] - sum(s["firms"] for s in by_grade)
    whole = figures["overall"]["interval_coverage"] * figures["overall"]["firms"]
    assert counted <= whole + 0.01
    assert whole <= counted + left_out + 0.01
    for segment in figures["segments"]:
        assert sum(group[0] for group in segment["reliability"]) == segment["firms"]


def test_true_hazards_stand_beside_the_pds_of_every_grade(pack):
    out, figures = pack
    card = (out / "card.md").read_text()
    for segment in figures["segments"]:
        assert segment["hazard_over_pd"] == pytest.approx(segment["mean_hazard"] / segment["mean_pd"], rel=0.01)
        assert f"| {segment['mean_hazard']:.4f} | {segment['hazard_over_pd']:.3f} |" in card
    ages = [s for s in figures["segments"] if s["by"] == "age"]
    mean = sum(s["firms"] * s["mean_hazard"] for s in ages) / sum(s["firms"] for s in ages)
    assert 0.5 * figures["overall"]["mean_pd"] < mean < 2 * figures["overall"]["mean_pd"]


def test_segments_add_up_to_the_whole(pack):
    _, figures = pack
    for by in ("size", "age"):
        assert sum(s["firms"] for s in figures["segments"] if s["by"] == by) <= figures["overall"]["firms"]


def test_the_page_stands_alone_and_says_what_the_json_says(pack):
    out, figures = pack
    page = (out / "validation.html").read_text()
    assert f"<b>{figures['overall']['auc']:.4f}</b>" in page
    assert page.count("<svg") == 3
    assert (out / "card.md").read_text() == render_card(json.loads((MODEL / "manifest.json").read_text()), figures)
    for heading in ("Reliability by segment", "Gains", "Stability", "Sensitivity", "Cross-checks", "Challenger"):
        assert heading in page
    for case, told in figures["cases"].items():
        assert f"<td>{case}</td><td>{told['auc']:.4f}</td>" in page
    assert "模型验证" in page
    assert "src=" not in page
    assert "<link" not in page
    assert "@import" not in page


def test_an_existing_pack_and_a_damaged_model_are_refused_before_work(pack, city, tmp_path):
    out, _ = pack
    again = CliRunner().invoke(train, ["validate", str(MODEL), "--city", str(city), "--out", str(out)])
    assert again.exit_code == 2
    damaged = tmp_path / MODEL.name
    damaged.mkdir()
    for file in MODEL.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes() + (b" " if file.name == "calibration.json" else b""))
    done = CliRunner().invoke(train, ["validate", str(damaged), "--city", str(city), "--out", str(tmp_path / "p")])
    assert done.exit_code == 1
    assert f"{MODEL.name}/calibration.json: sha256 is" in done.output
    assert not (tmp_path / "p").exists()


def test_a_folder_that_is_no_city_is_named(tmp_path):
    done = CliRunner().invoke(train, ["validate", str(MODEL), "--city", str(tmp_path), "--out", str(tmp_path / "p")])
    assert done.exit_code == 1
    assert "manifest.json: no such file" in done.output


def test_nothing_half_written(tmp_path, pack, monkeypatch):
    _, figures = pack
    monkeypatch.setattr("creditlink.cli.training.validate.render_page", lambda _: 1 / 0)
    monkeypatch.setattr("creditlink.cli.training.validate.render_card", lambda *_: "")
    with pytest.raises(ZeroDivisionError):
        write_pack(figures, {}, tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_gains_of_a_perfect_score_find_all_bads_at_once():
    bad = np.r_[np.ones(5, np.int8), np.zeros(95, np.int8)]
    assert figures._gains(bad, bad.astype(float))[0] == [0.05, 1.0]


def test_a_cross_check_that_knows_the_kind_finds_all_at_the_alarm_rate():
    rows = pl.DataFrame({"firm": pl.Series(range(200), dtype=pl.Int32)}).with_columns(
        pl.lit(0.0).alias(i.name) for i in figures.CATALOGUE
    )
    kinds = rows.select("firm", kind=pl.when(pl.col("firm") < 20).then(pl.lit("shell")).otherwise(pl.lit("healthy")))
    pd_12m = np.where(np.arange(200) < 20, 0.9, np.linspace(0.01, 0.5, 200))
    told = {row["check"]: row for row in figures.cross_checks(rows, kinds, pd_12m)}
    assert told["pd_12m"]["shell"] == 1.0
    assert told["pd_12m"]["alarm_rate"] <= figures.ALARM_RATE + 0.01
    assert told["pd_12m"]["manipulator"] is None
