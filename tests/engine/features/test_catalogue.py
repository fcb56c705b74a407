"""House rules of the catalogue."""

from __future__ import annotations

import re

import polars as pl
import pytest

from creditlink.engine.facts.frames import CATEGORY_FRAMES
from creditlink.engine.features.catalogue import BY_NAME, CATALOGUE, REFERENCE_VALUES, windows
from creditlink.engine.features.indicator import DIMENSION_LABELS
from creditlink.engine.features.months.grid import MONTHS, TRADE_ITEMS
from creditlink.engine.features.months.items import SOURCES
from creditlink.engine.features.months.statistics import STATISTICS
from creditlink.engine.features.months.window import Window

pytestmark = pytest.mark.pure


def test_there_are_enough_over_all_dimensions():
    assert len(CATALOGUE) >= 63
    assert {i.dimension for i in CATALOGUE} == set(DIMENSION_LABELS)
    assert {c for i in CATALOGUE for c in i.categories} == set(CATEGORY_FRAMES)


def test_names_and_reason_codes_are_unique():
    assert len(BY_NAME) == len(CATALOGUE) == len({i.reason_code for i in CATALOGUE})


@pytest.mark.parametrize("indicator", CATALOGUE, ids=lambda i: i.name)
def test_every_indicator_is_fully_declared(indicator):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", indicator.name)
    assert re.fullmatch(r"R\d{3}", indicator.reason_code)
    assert re.search(r"[一-鿿]", indicator.label_zh)
    assert indicator.label_en.isascii()
    assert indicator.label_en
    assert indicator.unit
    assert indicator.missing
    assert indicator.formula
    assert indicator.source.startswith("Source: ")
    assert indicator.direction in (-1, 0, 1)
    assert 0 <= indicator.window <= MONTHS
    assert indicator.version >= 1
    assert indicator.name.endswith("_fen") == indicator.unit.startswith("fen")


@pytest.mark.parametrize("indicator", CATALOGUE, ids=lambda i: i.name)
def test_the_expression_reads_no_further_than_its_window(indicator):
    read = [w for name in indicator.expression.meta.root_names() if (w := Window.parse(name))]
    assert max((w.last for w in read), default=0) <= indicator.window


def test_every_window_can_be_computed():
    items = {n for s in SOURCES for suffix in s.items for n in s.names(suffix)} | {*TRADE_ITEMS}
    for window in windows():
        assert window.item in items
        assert window.statistic in STATISTICS
        assert 1 <= window.first <= window.last <= MONTHS


def test_no_expression_divides_by_a_literal():
    divided = re.compile(r"/ \(?(dyn|lit|\d)")
    assert divided.search(str(pl.col("a") / 3))
    expressions = {i.name: i.expression for i in CATALOGUE} | REFERENCE_VALUES
    assert [n for n, e in expressions.items() if divided.search(str(e))] == []
