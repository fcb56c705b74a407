"""The reference of a model: bins, seasons between two ends of months, and files that are none."""

import json
from datetime import date

import numpy as np
import pytest

from creditlink.kit.settings import ROOT
from creditlink.watch.rules.reference import (
    DriftReference,
    edges_of,
    from_json,
    measured,
    month_ends,
    reference_of,
)

pytestmark = pytest.mark.pure
NAN = float("nan")


def test_a_value_on_an_edge_belongs_above_it_and_missing_is_apart():
    bins = DriftReference({"a": (0.0, 1.0)}, {})
    assert bins.count("a", np.array([-1.0, 0.0, 0.5, 1.0, 9.0, NAN])) == [1, 2, 2, 1]
    assert bins.count("a", np.empty(0)) == [0, 0, 0, 0]


def test_between_two_ends_of_months_the_shares_go_in_a_straight_line():
    summer, autumn = (100, 900, 0), (900, 100, 0)
    reference = DriftReference({"a": (0.5,)}, {6: {"a": summer}, 7: {"a": autumn}})
    at_june, firms = reference.expected("a", date(2026, 6, 30))
    assert firms == 1000
    assert at_june[0] == pytest.approx(0.1, abs=0.001)
    mid_july, _ = reference.expected("a", date(2026, 7, 15))
    assert mid_july[0] == pytest.approx(0.1 + 0.8 * 15 / 31, abs=0.001)
    assert mid_july.sum() == pytest.approx(1.0)
    assert reference.expected("a", date(2026, 2, 1)) is None
    assert reference.expected("b", date(2026, 7, 1)) is None


def test_the_year_turns():
    reference = DriftReference({"a": (0.5,)}, {12: {"a": (1000, 0, 0)}, 1: {"a": (0, 1000, 0)}})
    shares, _ = reference.expected("a", date(2027, 1, 1))
    assert shares[0] == pytest.approx(1 - 1 / 31, abs=0.002)


def test_what_was_measured_comes_back_from_its_file():
    ends = month_ends(date(2026, 9, 30))
    assert ends[0] == date(2025, 10, 31)
    assert [day.month for day in ends] == [10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    rng = np.random.default_rng(0)
    days = [(day, {"points": rng.normal(600, 40, 400), "a": rng.normal(size=400)}) for day in ends]
    inside = {day: {"region:4406": np.arange(400) < 100} for day in ends}
    made = measured(days, inside)
    again = from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert sum(again.months[9]["points"]) == 400
    assert sum(again.months[9]["points@region:4406"]) == 100
    assert again.expected("points@region:4406", date(2026, 9, 30))[1] == 100


def test_edges_say_nothing_finer_than_four_digits():
    assert edges_of([123456.7, 123457.1, 0.0]) == (0.0, 123500.0)


GOOD = {"edges": {"a": [0.0, 1.0]}, "months": {"1": {"a": [1, 2, 3, 4]}}, "days": []}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"edges": {"a": [1.0, 0.0]}}, "edges must rise"),
        ({"edges": {"a": [1.0, 1.0]}}, "edges must rise"),
        ({"edges": {"a": [NAN, 0.0]}}, "edges must rise"),
        ({"months": {"13": {}}}, "13 is no month"),
        ({"months": {"1": {"a": [1, 2]}}}, "2 counts for 2 edges"),
        ({"months": {"1": {"a": [1, 2, 3, -4]}}}, "4 counts"),
        ({"days": ["yesterday"]}, "isoformat"),
    ],
)
def test_a_file_that_is_none_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        from_json(GOOD | change)


def test_a_member_that_is_absent_is_no_reference():
    for name in GOOD:
        with pytest.raises(KeyError):
            from_json({key: value for key, value in GOOD.items() if key != name})


def test_the_shipped_scorecard_keeps_its_year_and_the_champion_its_bins():
    from creditlink.engine.scoring.model import load

    scorecard = reference_of(load(ROOT / "models" / "scorecard-2026f"))
    assert set(scorecard.months) == set(range(1, 13))
    shares, firms = scorecard.expected("sales_12_fen", date(2027, 5, 12))
    assert shares.sum() == pytest.approx(1.0)
    assert firms > 5000
    champion = reference_of(load(ROOT / "models" / "city-2026f"))
    assert champion.months == {}
    assert len(champion.edges["sales_12_fen"]) > 5
