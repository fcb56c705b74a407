"""A firm that every office knows: every indicator of the champion has a value."""

from __future__ import annotations

from datetime import date

import pytest

from creditlink.engine.features.compute import compute
from creditlink.kit.settings import load_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.city import write_city
from creditlink.sandbox.city.latent import COVERAGE
from creditlink.training.city import read_city

pytestmark = pytest.mark.pure


def test_every_indicator_of_the_champion_has_a_value_for_some_firm(tmp_path):
    write_city(
        tmp_path / "city", firms=6_000, months=40, seed=3, until=date(2026, 9, 1), coverage=dict.fromkeys(COVERAGE, 1.0)
    )
    live = load_live(load_settings())
    features = compute(read_city(tmp_path / "city").records, date(2026, 10, 19), live.reference)
    whole = features.select("firm", *live.model.features).drop_nulls()
    assert whole.height >= 1
