"""A retired model stays loadable, and is explained as it was held, though the catalogue went on."""

import json

import pytest

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.scoring import settings as score_settings
from creditlink.engine.scoring.model import load
from creditlink.kit.settings import ROOT, load_settings
from creditlink.profiles.serving.live import live_model

pytestmark = pytest.mark.pure

FREED = {"tax_late_habit_36": 1, "tax_days_ahead_24": -1, "industry_default_rate": 1}
"""Indicators that city-2026f is free in, with the direction in which city-2026e was held."""


@pytest.fixture(scope="module")
def rules():
    return load_settings().parsed("score.toml", score_settings.parse)


FREE = dict.fromkeys(FREED, 0)


@pytest.mark.parametrize(("model", "held"), [("city-2026e", FREED), ("city-2026f", FREE), ("city-2026g", FREE)])
def test_sentences_and_levers_follow_the_model(rules, model, held):
    live = live_model(ROOT / "models" / model, rules)
    told = {i.name: i.direction for i in live.reasons.indicators}
    assert {name: told[name] for name in FREED} == held
    assert {i.name: i.direction for i in live.levers.indicators} == told
    manifest = json.loads((ROOT / "models" / model / "manifest.json").read_text())
    assert told == {row["name"]: row["direction"] for row in manifest["features"]}


def test_the_catalogue_is_that_of_the_newest():
    newest = load(ROOT / "models" / "city-2026g")
    assert {name: BY_NAME[name].direction for name in newest.features} == newest.directions
    assert tuple(BY_NAME) == newest.features


def test_what_an_older_model_reads_is_still_computed():
    older = load(ROOT / "models" / "city-2026e")
    assert older.version_mismatches({name: i.version for name, i in BY_NAME.items()}) == ()
    assert set(older.features) < set(BY_NAME)
