"""The data catalogue agrees with the frames, the consent page and the configuration."""

import pytest

from creditlink.consents.agreement.categories import CATEGORIES as SHOWN
from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.engine.facts.catalogue_items import ITEMS
from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_SCHEMAS
from creditlink.records.sources import load_sources

pytestmark = pytest.mark.pure


def test_every_category_is_described():
    assert list(CATEGORIES) == list(CATEGORY_FRAMES)
    for category in CATEGORIES.values():
        assert (category.label_zh, category.label_en) == (
            SHOWN[category.code].name.label_zh,
            SHOWN[category.code].name.label_en,
        )
        assert category.owner_zh
        assert category.legal_basis_en
        assert category.items


@pytest.mark.parametrize("frame", FRAME_SCHEMAS)
def test_every_column_is_an_item(frame):
    columns = [c for c in FRAME_SCHEMAS[frame] if c not in ("firm", "period", "known_on")]
    assert [item.name for item in ITEMS[frame]] == columns
    for item in ITEMS[frame]:
        assert item.label_zh
        assert item.label_en
        assert item.name.endswith("_fen") == (item.unit == "fen")


def test_the_connected_categories_are_those_of_the_configuration(shipped):
    config = load_sources(shipped, {})
    connected = {code: c.source for code, c in CATEGORIES.items() if c.source not in (None, "registry")}
    assert connected == {code: config.of_category(code) for code in connected}
    assert set(config.for_categories(CATEGORIES)) == set(connected.values())
