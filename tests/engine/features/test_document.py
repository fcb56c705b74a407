"""The published reference says what the code does."""

from pathlib import Path

import pytest

from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.document import render_reference

pytestmark = pytest.mark.pure

PAGE = Path(__file__).parents[3] / "docs" / "indicators.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render_reference(), "rewrite it: creditlink train indicators"


def test_every_indicator_is_on_it():
    page = render_reference()
    for indicator in CATALOGUE:
        assert f"### {indicator.reason_code} `{indicator.name}`" in page
