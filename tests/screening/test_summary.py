"""Counts and lists by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from creditlink.screening.city.lists import LISTS, SIZES, list_of, size_classes
from creditlink.screening.city.summary import hide_few, summary

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(("count", "told"), [(0, 0), (1, None), (9, None), (10, 10), (11, 11)])
def test_one_firm_to_nine_are_hidden(count, told):
    assert hide_few(count) == told


def test_partitions_are_added():
    part = {
        "firms": 12, "rows": 40, "products": [[6, 3, 3], [0, 0, 12]], "pushed": [5, 0],
        "cells": [["C", "440604", "micro", "A", "whitelist", 8], ["C", "440604", "micro", None, "none", 4]],
    }  # fmt: skip
    told = summary([part, part], ["P", "Q"])
    assert (told["firms"], told["rows"]) == (24, 80)
    assert told["grades"] == {"A": 16, "not_scored": None}
    assert told["lists"] == {"whitelist": 16}
    assert told["grades_by_size"] == {"micro": {"A": 16, "not_scored": None}}
    assert told["products"][0] == {
        "product": "P", "eligible": 12, "undetermined": None, "ineligible": None, "pushed": 10,
    }  # fmt: skip
    assert told["products"][1]["ineligible"] == 24


def test_sizes():
    classes = size_classes(np.array([np.nan, 0, 19, 20, 299, 300, 999, 1000]))
    assert [SIZES[c] for c in classes] == ["unknown", "micro", "micro", "small", "small", "medium", "medium", "large"]


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        ({}, "whitelist"),
        ({"grade": 5}, "high_risk"),
        ({"knocked_out": True}, "high_risk"),
        ({"grade": 5, "scored": False}, "none"),
        ({"active": False}, "none"),
        ({"eligible": 0}, "none"),
        ({"grade": 3}, "cultivation"),
        ({"grade": 3, "sales_growth": np.nan}, "none"),
        ({"grade": 3, "sales_growth": -0.1}, "none"),
    ],
)
def test_lists(change, listed):
    firm = {"grade": 1, "scored": True, "active": True, "knocked_out": False, "eligible": 3, "sales_growth": 0.1}
    columns = {name: np.array([value]) for name, value in (firm | change).items()}
    assert LISTS[list_of(columns.pop("grade"), **columns)[0]] == listed
