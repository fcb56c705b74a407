"""Blanking a refused category's indicators is the same as never having had its records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from creditlink.engine.facts.frames import CATEGORY_FRAMES, empty
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.compute import compute
from creditlink.engine.features.withhold import TAKEN, blanked, without
from tests.engine.features.builders import AS_OF
from tests.engine.features.test_compute import ECONOMY, REFERENCE

pytestmark = pytest.mark.pure

OPTIONAL = [c for c in CATEGORY_FRAMES if c != "registration"]


def refused(*categories: str):
    return replace(ECONOMY, **{name: empty(name) for c in categories for name in CATEGORY_FRAMES[c]})


@pytest.mark.parametrize("category", OPTIONAL)
def test_blanking_is_what_computing_without_the_records_gives(category):
    computed = compute(refused(category), AS_OF, REFERENCE)
    assert without(compute(ECONOMY, AS_OF, REFERENCE), [category]).equals(computed)


@pytest.mark.parametrize("category", OPTIONAL)
def test_the_matrix_is_blanked_as_the_frame_is(category):
    full = compute(ECONOMY, AS_OF, REFERENCE).drop("firm")
    expected = without(full, [category]).fill_null(np.nan).to_numpy().astype(np.float32)
    x = full.fill_null(np.nan).to_numpy().astype(np.float32)
    np.testing.assert_array_equal(blanked(x, list(BY_NAME), category), expected)


def test_several_at_once():
    full = compute(ECONOMY, AS_OF, REFERENCE)
    for pair in (("tax", "utility"), ("utility", "social_security"), tuple(OPTIONAL)):
        assert without(full, pair).equals(compute(refused(*pair), AS_OF, REFERENCE)), pair


def test_each_firm_refuses_for_itself():
    full = compute(ECONOMY, AS_OF, REFERENCE)
    rng = np.random.default_rng(1)
    masks = {c: pl.Series(rng.random(full.height) < 0.5) for c in OPTIONAL}
    mixed = without(full, masks)
    for row in range(full.height):
        alone = without(full[row : row + 1], [c for c in OPTIONAL if masks[c][row]])
        assert alone.equals(mixed[row : row + 1])


def test_registration_is_never_refused_and_unknown_categories_are_named():
    assert "age_months" in TAKEN["registration"]
    with pytest.raises(KeyError, match="horoscope"):
        without(compute(ECONOMY, AS_OF, REFERENCE), ["horoscope"])
