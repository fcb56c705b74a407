"""A category is whole or not there: consent page, catalogue, source, connector, frames, indicators, reasons, products.

`served` are the categories that a firm can be asked for: those of which `config/sources.toml` connects a source.
"""

import json

import pytest

from creditlink.consents.agreement.categories import CATEGORIES as SHOWN
from creditlink.consents.agreement.categories import GRANTABLE, SERVED_ACTIONS
from creditlink.consents.agreement.served import ServedCategories
from creditlink.consents.agreement.statement import LANGUAGES
from creditlink.engine.explanation.sentences import MISSING_CODES
from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.engine.facts.catalogue_items import ITEMS
from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_SCHEMAS, METER_KINDS
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.supplies import SUPPLIES_OF
from creditlink.engine.vocabulary import CATEGORIES as EVIDENCE
from creditlink.engine.vocabulary import (
    CONSENT_CATEGORIES,
    PUBLIC_CATEGORIES,
    SUPPLIES,
    evidence_of,
    is_opened,
)
from creditlink.kit.settings import ROOT
from creditlink.profiles.disclosures.disclosure import _ACTIONS as ACTION_OF_PART
from creditlink.records.coverage import REGISTRY
from creditlink.records.sources import Sources, load_sources

pytestmark = pytest.mark.pure

PRODUCT_SCHEMA = json.loads((ROOT / "creditlink" / "products" / "files" / "product.schema.json").read_text())


@pytest.fixture(scope="module")
def connected():
    """The shipped sources, with every connector made."""
    from creditlink.kit.settings import load_settings

    opened = Sources(load_sources(load_settings({"CREDITLINK_SECRET_KEY": "k" * 40}), {}))
    yield opened
    opened.close()


def test_every_list_of_categories_is_the_same():
    assert list(CATEGORIES) == list(SHOWN) == list(CONSENT_CATEGORIES)
    assert list(EVIDENCE) == list(CATEGORY_FRAMES) == list(dict.fromkeys(map(evidence_of, CONSENT_CATEGORIES)))
    assert set(MISSING_CODES) == set(EVIDENCE)
    assert tuple(SUPPLIES) == METER_KINDS
    assert list(GRANTABLE) == [code for code in CONSENT_CATEGORIES if code not in PUBLIC_CATEGORIES]
    listed = PRODUCT_SCHEMA["properties"]["required_categories"]
    assert listed["items"]["enum"] == list(CONSENT_CATEGORIES)
    assert listed["maxItems"] == len(CONSENT_CATEGORIES)


@pytest.mark.parametrize("code", CONSENT_CATEGORIES)
def test_every_category_is_described(code):
    category = CATEGORIES[code]
    assert (category.label_zh, category.label_en) == (SHOWN[code].name.label_zh, SHOWN[code].name.label_en)
    assert category.owner_zh
    assert category.legal_basis_zh
    assert category.legal_basis_en
    assert category.items
    for lang in LANGUAGES:
        assert all(SHOWN[code].text(lang))
    assert (category.consent_scope is None) == (code in PUBLIC_CATEGORIES)


@pytest.mark.parametrize("frame", FRAME_SCHEMAS)
def test_every_column_is_an_item(frame):
    columns = [c for c in FRAME_SCHEMAS[frame] if c not in ("firm", "period", "known_on")]
    assert [item.name for item in ITEMS[frame]] == columns
    for item in ITEMS[frame]:
        assert item.label_zh
        assert item.label_en
        assert item.name.endswith("_fen") == (item.unit == "fen")


def test_what_can_be_asked_for_is_what_a_connector_serves(connected):
    config = connected.config
    served = ServedCategories.of(config.categories)
    for name, source in config.sources.items():
        assert connected.connectors[name].source == name
        for code in source.categories:
            assert CATEGORIES[code].source == name, "the catalogue names another source"
            assert config.of_category(code) == name, "two sources hold one category"
    assert set(served.categories) == config.categories - {*PUBLIC_CATEGORIES}
    assert CATEGORIES["registration"].source == REGISTRY


def test_what_can_be_asked_for_is_what_indicators_read(connected):
    """A category that no indicator reads is collected for nothing; a supply counts by the indicators that read it."""
    for code in connected.config.categories:
        evidence = evidence_of(code)
        readers = [
            i for i in CATALOGUE if evidence in i.categories and code in (evidence, *SUPPLIES_OF.get(i.name, ()))
        ]
        assert readers, f"{code}: no indicator reads it"


def test_no_action_can_be_asked_for_that_no_part_of_a_profile_needs():
    assert set(SERVED_ACTIONS) == {"profile", *ACTION_OF_PART.values()}


def test_one_supply_opens_what_all_supplies_are_evidence_of():
    for supply in SUPPLIES:
        assert is_opened("utility", {supply})
        assert is_opened(supply, {"utility"})
        assert [one for one in SUPPLIES if is_opened(one, {supply})] == [supply]
    assert not is_opened("utility", {"tax"})
    assert all(is_opened(category, frozenset()) for category in PUBLIC_CATEGORIES)
