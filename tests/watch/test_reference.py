"""The reference of a model: bins, seasons between two ends of months, and files that are none."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from creditlink.kit.settings import ROOT, SettingError
from creditlink.watch.references import reference_for, write_reference
from creditlink.watch.rules.drift import DriftThresholds, judge, nearest
from creditlink.watch.rules.reference import (
    DriftReference,
    days_measured,
    edges_of,
    from_json,
    measured,
    phases_around,
    reference_of,
)

pytestmark = pytest.mark.pure
NAN = float("nan")


def test_a_value_on_an_edge_belongs_above_it_and_missing_is_apart():
    bins = DriftReference({"a": (0.0, 1.0)}, {})
    assert bins.count("a", np.array([-1.0, 0.0, 0.5, 1.0, 9.0, NAN])) == [1, 2, 2, 1]
    assert bins.count("a", np.empty(0)) == [0, 0, 0, 0]


def test_a_day_lies_between_the_tenth_and_an_end_of_a_month():
    assert phases_around(date(2026, 1, 1)) == phases_around(date(2026, 1, 10)) == (23, 0)
    assert phases_around(date(2026, 1, 11)) == phases_around(date(2026, 1, 31)) == (0, 1)
    assert phases_around(date(2026, 12, 31)) == (22, 23)


def test_what_lies_between_two_phases_is_no_drift_and_what_lies_beyond_is():
    reference = DriftReference({"a": (0.5,)}, {12: {"a": (1000, 9000, 0)}, 13: {"a": (9000, 1000, 0)}})
    july = reference.expected("a", date(2026, 7, 20))
    assert july.firms == 10_000
    for low in (100, 350, 500, 900):
        counts = [low, 1000 - low, 0]
        shares = nearest(counts, july.before, july.after)
        found = judge(counts, shares, firms=1000, reference_firms=july.firms, thresholds=DriftThresholds())
        assert found.level == "stable", low
    counts = [990, 10, 0]
    beyond = judge(
        counts, nearest(counts, july.before, july.after), firms=1000, reference_firms=july.firms,
        thresholds=DriftThresholds(),
    )  # fmt: skip
    assert beyond.level in ("moved", "shifted")
    assert reference.expected("a", date(2026, 2, 1)) is None
    assert reference.expected("b", date(2026, 7, 20)) is None


def test_what_was_measured_comes_back_from_its_file():
    ends = days_measured(date(2026, 9, 30))
    assert (ends[0], ends[1], ends[-1]) == (date(2025, 10, 10), date(2025, 10, 31), date(2026, 9, 30))
    assert len(set(ends)) == 24
    rng = np.random.default_rng(0)
    days = [(day, {"points": rng.normal(600, 40, 400), "a": rng.normal(size=400)}) for day in ends]
    inside = {day: {"region:4406": np.arange(400) < 100} for day in ends}
    made = measured(days, inside)
    again = from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert sum(again.phases[17]["points"]) == 400
    assert sum(again.phases[17]["points@region:4406"]) == 100
    assert again.expected("points@region:4406", date(2026, 9, 30)).firms == 100


def test_edges_say_nothing_finer_than_four_digits():
    assert edges_of([123456.7, 123457.1, 0.0]) == (0.0, 123500.0)


GOOD = {"edges": {"a": [0.0, 1.0]}, "phases": {"1": {"a": [1, 2, 3, 4]}}, "days": []}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"edges": {"a": [1.0, 0.0]}}, "edges must rise"),
        ({"edges": {"a": [1.0, 1.0]}}, "edges must rise"),
        ({"edges": {"a": [NAN, 0.0]}}, "edges must rise"),
        ({"phases": {"24": {}}}, "24 is no phase"),
        ({"phases": {"1": {"a": [1, 2]}}}, "2 counts for 2 edges"),
        ({"phases": {"1": {"a": [1, 2, 3, -4]}}}, "4 counts"),
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
    assert set(scorecard.phases) == set(range(24))
    expected = scorecard.expected("sales_12_fen", date(2027, 5, 12))
    assert expected.before.sum() == pytest.approx(1.0)
    assert expected.firms > 5000
    model = load(ROOT / "models" / "city-2026f")
    kept = reference_for(model, ROOT / "models")
    assert set(kept.phases) == set(range(24))
    assert set(model.features) < set(kept.edges)
    champion = reference_of(model)
    assert champion.phases == {}
    assert len(champion.edges["sales_12_fen"]) > 5


def test_a_reference_beside_the_folders_is_of_one_model(tmp_path):
    from creditlink.engine.scoring.model import load

    model = load(ROOT / "models" / "city-2026f")
    assert reference_for(model, tmp_path).phases == {}
    made = DriftReference({"a": (0.5,)}, {3: {"a": (1, 2, 3)}})
    path = write_reference(model, made, tmp_path, city={"seed": 7})
    assert reference_for(model, tmp_path) == made
    with pytest.raises(SettingError, match="of another model"):
        reference_for(replace(model, sha256="0" * 64), tmp_path)
    path.write_text("{}")
    with pytest.raises(SettingError, match="KeyError"):
        reference_for(model, tmp_path)
