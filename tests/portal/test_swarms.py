"""What moves a model's scores over many firms: computed once, of no firm in particular, drawn on the model's page."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import xgboost

from creditlink.engine.scoring.model import sha256_of
from creditlink.engine.scoring.swarm import UNKNOWN, ModelSwarm, ranks_of, swarm_of
from creditlink.kit.postgres import db
from creditlink.kit.settings import ROOT, load_settings
from creditlink.lifecycle.swarms import SwarmDamaged, swarm_for, write_swarm
from creditlink.lifecycle.tables import RegisteredModel
from creditlink.portal.staff.drawing import swarms
from creditlink.training.validation.swarm import interactions
from tests.lifecycle.conftest import people, registered, session
from tests.portal.test_risk_desk import staff

__all__ = ["people", "session"]


def made(firms=200, seed=1):
    """Three inputs: the first moves most, together with the second; the third moves nothing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(firms, 3)).astype(np.float32)
    x[:40, 0] = np.nan
    points = np.column_stack([np.nan_to_num(x[:, 0]) * 20, x[:, 1] * 3, np.zeros(firms)]).astype(np.float64)
    pairs = np.array([[9.0, 2.0, 0.0], [2.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
    return (
        x,
        points,
        swarm_of(
            ("a", "b", "c"), x, points, pairs, manifest_sha256="ab" * 32, sample={"as_of": "2026-09-30"}, seed=seed
        ),
    )


@pytest.mark.pure
class TestSwarm:
    def test_the_strongest_first_with_its_partner_and_what_moves_nothing_is_left_out(self):
        found = made()[2]
        assert [(one.name, one.partner) for one in found.indicators] == [("a", "b"), ("b", "a")]
        assert found.indicators[0].mean_points > found.indicators[1].mean_points

    def test_points_and_ranks_stay_together_and_firms_do_not(self):
        x, points, found = made()
        a, b = found.indicators
        known = a.ranks != UNKNOWN
        assert np.corrcoef(a.ranks[known], ranks_of(a.points[known]))[0, 1] > 0.999
        assert (a.ranks == UNKNOWN).sum() == 40
        assert np.corrcoef(a.points, points[:, 0].round(1))[0, 1] < 0.5  # not in the firms' order
        assert np.corrcoef(a.partner_ranks, b.ranks)[0, 1] < 0.5  # nor in the order of the other indicator
        told = json.dumps(found.to_json())
        assert not any(f"{value:.5f}"[:7] in told for value in x[40:60, 0])

    def test_it_is_read_as_it_was_written(self):
        found = made()[2]
        again = ModelSwarm.from_json(json.loads(json.dumps(found.to_json())))
        assert again.to_json() == found.to_json()

    @pytest.mark.parametrize(
        "change",
        [
            {"points": [1.0]}, {"points": [float("nan")] * 200}, {"ranks": [101] * 200}, {"ranks": [-2] * 200},
            {"tenths": [1.0]}, {"ranks": ["x"] * 200},
        ],
    )  # fmt: skip
    def test_what_is_no_swarm_is_refused(self, change):
        members = made()[2].to_json()
        members["indicators"][0] |= change
        with pytest.raises(ValueError):  # noqa: PT011 (each says something else)
            ModelSwarm.from_json(members)

    def test_of_few_firms_there_is_none(self):
        with pytest.raises(ValueError, match="at least 100"):
            made(firms=99)
        with pytest.raises(ValueError, match="at least 100"):
            ModelSwarm.from_json(made()[2].to_json() | {"firms": 99})

    def test_ranks(self):
        assert ranks_of(np.array([3.0, 1.0, np.nan, 2.0])).tolist() == [83, 17, UNKNOWN, 50]
        assert ranks_of(np.array([5.0, 5.0])).tolist() == [50, 50]

    def test_interactions_are_those_of_the_trees(self):
        rng = np.random.default_rng(3)
        x = rng.normal(size=(400, 3)).astype(np.float32)
        y = (x[:, 0] * x[:, 1] > 0).astype(float)
        booster = xgboost.train({"max_depth": 3, "seed": 1}, xgboost.DMatrix(x, y), 20)
        pairs = interactions(booster, x[:50])
        assert pairs[0, 1] == pytest.approx(pairs[1, 0], rel=1e-4)
        assert pairs[0, 1] > 5 * max(pairs[0, 2], pairs[1, 2])


@pytest.mark.pure
class TestDrawing:
    def test_every_firm_is_a_point_inside_its_strip(self):
        found = made()[2]
        shown = swarms.swarm(found)
        for strip in shown.strips:
            places = re.findall(r"M([\d.-]+) ([\d.-]+)h0", "".join(dots.path for dots in strip.dots))
            assert len(places) == 200
            assert all(0 <= float(x) <= swarms.WIDTH and 0 <= float(y) <= swarms.ROW for x, y in places)
        assert {dots.colour for dots in shown.strips[0].dots} == {*"01234", "u"}

    def test_dependence_goes_up_with_the_points(self):
        found = made()[2].of("a")
        shown = swarms.dependence(found, ["x"] * 9)
        assert sum(firms for _, firms, *_ in shown.rows) == 200
        means = [mean for colour, _, mean, *_ in shown.rows if colour != "u"]
        assert means == sorted(means)
        assert len(re.findall("M", "".join(dots.path for dots in shown.dots))) == 200

    @pytest.mark.parametrize("rank", [0, 19, 20, 99, 100])
    def test_colours_are_fifths(self, rank):
        assert swarms.colour_of(rank) == str(min(4, rank // 20))


class TestPage:
    @pytest.fixture
    def models(self, tmp_path, app, settings, session, people, monkeypatch):
        """A registered model, and the folder in which its swarm is looked for."""
        registered(session, people.ada)
        session.commit()
        monkeypatch.setattr("creditlink.portal.staff.models.settings", lambda: load_settings(
            {"CREDITLINK_MODELS_DIR": str(tmp_path), "CREDITLINK_VAR_DIR": str(tmp_path)}
        ))  # fmt: skip
        with db.transaction("owner") as read:
            sha256 = read.get_one(RegisteredModel, "m1").manifest_sha256
        person = staff(app, settings, "zoe", "model_owner")
        return tmp_path, sha256, lambda path="": person.get(f"/portal/staff/models/m1{path}?lang=en")

    def test_it_is_drawn_with_a_table_and_leads_to_each_indicator(self, models):
        folder, sha256, get = models
        members = made()[2].to_json() | {"manifest_sha256": sha256}
        write_swarm("m1", ModelSwarm.from_json(members), folder)
        shown = get().text
        assert shown.count('<th scope="row"><a href="/portal/staff/models/m1/indicators/') == 2
        assert " style=" not in shown
        one = get("/indicators/a").text
        assert "strongest exact SHAP interaction" in one
        assert "with a high partner" in one
        for unknown in ("c", "%00", "x" * 3000):
            assert get(f"/indicators/{unknown}").status_code == 404

    def test_without_a_file_or_with_one_of_another_model_the_page_says_so(self, models):
        folder, _, get = models
        assert "Nobody has computed this" in get().text
        assert get("/indicators/a").status_code == 404
        write_swarm("m1", made()[2], folder)
        assert "it is of another model" in get().text
        for content in ("", "{}", "[]", '{"firms": 1e400}', "\ufffd"):
            (folder / "swarms" / "m1.json").write_text(content)
            assert "The file cannot be used" in get().text, content


@pytest.mark.pure
@pytest.mark.parametrize("model_id", ["city-2026g", "scorecard-2026f"])
def test_what_ships_is_of_the_models_that_ship(model_id, tmp_path):
    manifest = (ROOT / "models" / model_id / "manifest.json").read_bytes()
    found = swarm_for(model_id, sha256_of(manifest), ROOT / "models")
    assert found is not None
    assert len(found.indicators) == 16
    shutil.copytree(ROOT / "models" / "swarms", tmp_path / "swarms")
    with pytest.raises(SwarmDamaged, match="another model"):
        swarm_for(model_id, "0" * 64, tmp_path)
