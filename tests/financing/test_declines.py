"""Decline reasons: typed, mapped to what the score knows, and held beside the explanation."""

from __future__ import annotations

import tomllib

import pytest

from creditlink.engine.explanation.sentences import MISSING_CODES
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.financing.applications.declines import declines_from, weigh
from creditlink.kit.settings import ROOT

pytestmark = pytest.mark.pure

DECLINES = declines_from(tomllib.loads((ROOT / "config" / "declines.toml").read_text("utf-8")))


def test_there_are_at_least_thirty_and_most_are_mapped():
    assert len(DECLINES) >= 30
    assert sum(bool(reason.reasons) for reason in DECLINES.values()) >= 30


def test_every_mapped_code_is_one_of_the_score():
    known = {indicator.reason_code for indicator in CATALOGUE} | set(MISSING_CODES.values())
    assert {code for reason in DECLINES.values() for code in reason.reasons} <= known


def test_a_reason_the_explanation_names_agrees():
    weighed = weigh(DECLINES["D03"], adverse={"R004"}, points_by_reason={"R004": -9.0, "R005": 1.0})
    assert (weighed.agreement, weighed.points) == ("agrees", -8.0)


def test_a_reason_that_speaks_for_the_firm_contradicts():
    weighed = weigh(DECLINES["D03"], adverse={"R111"}, points_by_reason={"R004": 6.0, "R006": -1.0})
    assert (weighed.agreement, weighed.points) == ("contradicts", 5.0)


def test_a_reason_of_little_weight_is_minor():
    assert weigh(DECLINES["D03"], adverse=(), points_by_reason={"R004": -0.5}).agreement == "minor"


def test_a_reason_beyond_the_profile_is_outside():
    assert weigh(DECLINES["D39"], adverse={"R004"}, points_by_reason={"R004": -9.0}).agreement == "outside"


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"X1": {}}, "X1"),
        ({"D01": {"label_zh": "甲"}}, "D01"),
        ({"D01": {"label_zh": "甲", "label_en": "A", "reasons": ["R1"]}}, "R1"),
        ({"version": 1}, "at least one"),
    ],
)
def test_a_wrong_file_names_the_entry(table, named):
    with pytest.raises(ValueError, match=named):
        declines_from(table)
