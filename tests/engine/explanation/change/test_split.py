"""The change in points between two profiles: parts that add up to the last bit and favour no order."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from creditlink.engine.explanation.change.change import change_between
from creditlink.engine.explanation.change.evaluation import evaluate
from creditlink.engine.explanation.change.grid import STEPS, shapley, steps_of, whole_steps
from creditlink.engine.explanation.change.split import InexactChange, NotReproduced, check_split, split_change
from creditlink.engine.explanation.change.states import ScoreBasis, ScoredState
from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.engine.scoring.calibration.calibration import Calibration
from creditlink.engine.scoring.calibration.known import ByKnown, Rising
from creditlink.engine.scoring.model import load
from creditlink.engine.scoring.scale import Scale
from tests.engine.scoring.folders import write_folder

pytestmark = pytest.mark.pure

OLD = ("sales_12_fen", "sales_growth_12", "headcount", "electricity_growth_12", "months_since_established")
NEW = ("sales_12_fen", "headcount", "contributions_late_12", "electricity_growth_12")
ABSENCE = Absence(
    {"tax": ("sales_12_fen",), "social_security": ("headcount",), "utility": ("electricity_growth_12",)},
    {"tax": -0.3, "social_security": -0.1, "utility": 0.2, "tax+utility": 0.07},
)
BY_KNOWN = ByKnown(
    ("tax", "social_security", "utility"), (Rising(1.3, 1.1), Rising(1.1, 0.6), Rising(1.0, 0.4), Rising(0.9, 0.01))
)
PLATT = Calibration("platt", 1.02, 0.4, absence=ABSENCE, by_known=BY_KNOWN)
BETA = Calibration("beta", 0.8, 1.2, 0.1)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return load(write_folder(tmp_path_factory.mktemp("models") / "old", names=OLD, calibration=PLATT, seed=1))


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    return load(write_folder(tmp_path_factory.mktemp("models") / "new", names=NEW, calibration=BETA, seed=2))


def some_values(rng: random.Random, names, missing=0.25):
    return {name: None if rng.random() < missing else rng.gauss(0, 1) for name in names}


def state(values, basis, *, present=("tax", "social_security", "electricity"), day=date(2026, 11, 1), **more):
    scored = evaluate(values, basis)
    return ScoredState(
        day, values, dict.fromkeys(present, "delivered"), frozenset(present),
        points=round(scored.points_exact), points_exact=scored.points_exact, grade=scored.grade,
        grade_by_score=scored.grade, **more,
    )  # fmt: skip


def by_every_order(before, after, bases):
    """The mean effect of each player over all six orders, on the stated scores: slow and plain."""
    same = bases[0].trees == bases[1].trees
    read = [set(basis.model.features) for basis in bases]

    def points(at):
        model = bases[at["model"]]
        calibration = (bases[at["policy"]] if same else model).calibration
        sides = (before, after)
        values = {
            name: sides[at["data"] if name in read[0] & read[1] else at["model"]].values.get(name)
            for name in read[at["model"]]
        }
        return evaluate(values, ScoreBasis(model.model, calibration, bases[at["policy"]].scale)).points_exact

    effects = dict.fromkeys(("data", "model", "policy"), 0.0)
    for order in permutations(effects):
        at = dict.fromkeys(effects, 0)
        for player in order:
            earlier = points(at)
            at[player] = 1
            effects[player] += (points(at) - earlier) / 6
    return effects


def exact(split):
    """All leaves as floats, added in several orders, give the change in whole points to the last bit."""
    leaves = [split.parts[part] for part in ("model", "policy", "rounding")]
    leaves += [*split.by_indicator.values(), *split.by_coverage.values()]
    for seed in range(3):
        random.Random(seed).shuffle(leaves)
        assert sum(leaves) == split.points
    return True


class TestParts:
    @pytest.mark.parametrize("seed", range(12))
    def test_add_up_to_the_change_whatever_changed_and_are_the_mean_over_all_orders(self, old, new, seed):
        rng = random.Random(seed)
        names = {*OLD, *NEW}
        bases = [ScoreBasis.of(old), ScoreBasis.of(new)] if seed % 2 else [ScoreBasis.of(old)] * 2
        if seed % 3:
            bases[1] = replace(bases[1], scale=Scale(offset=620, points_to_double=35))
        if seed % 4 == 2:
            bases[1] = replace(bases[1], calibration=BETA)
        before, after = (state(some_values(rng, names), basis) for basis in bases)
        split = split_change(before, after, tuple(bases))
        assert exact(split)
        oracle = by_every_order(before, after, tuple(bases))
        assert split.parts["data"] + split.parts["coverage"] == pytest.approx(oracle["data"], abs=1e-6)
        assert split.parts["model"] == pytest.approx(oracle["model"], abs=1e-6)
        assert split.parts["policy"] == pytest.approx(oracle["policy"], abs=1e-6)

    def test_turn_round_with_the_change(self, old, new):
        rng = random.Random(5)
        bases = ScoreBasis.of(old), replace(ScoreBasis.of(new), scale=Scale(offset=610))
        before, after = (state(some_values(rng, {*OLD, *NEW}), basis) for basis in bases)
        there, back = split_change(before, after, bases), split_change(after, before, bases[::-1])
        for name, points in there.parts.items():
            assert back.parts[name] == pytest.approx(-points, abs=300 / STEPS)

    def test_nothing_changed_nothing_is_said(self, old):
        basis = ScoreBasis.of(old)
        one = state(some_values(random.Random(1), OLD), basis)
        split = split_change(one, one, (basis, basis))
        assert split.points == 0
        assert set(split.parts.values()) == {0.0}
        assert (split.by_indicator, split.by_coverage) == ({}, {})

    def test_another_calibration_of_the_same_trees_is_policy_and_with_other_trees_it_is_the_model(self, old, new):
        values = some_values(random.Random(3), {*OLD, *NEW}, missing=0)
        bases = ScoreBasis.of(old), replace(ScoreBasis.of(old), calibration=BETA)
        parts = split_change(state(values, bases[0]), state(values, bases[1]), bases).parts
        assert parts["policy"]
        assert (parts["data"], parts["model"]) == (0.0, 0.0)
        bases = ScoreBasis.of(old), ScoreBasis.of(new)
        parts = split_change(state(values, bases[0]), state(values, bases[1]), bases).parts
        assert parts["model"]
        assert (parts["data"], parts["policy"]) == (0.0, 0.0)

    def test_an_indicator_of_one_model_alone_is_an_effect_of_the_model(self, old, new):
        values = some_values(random.Random(4), {*OLD, *NEW}, missing=0)
        bases = ScoreBasis.of(old), ScoreBasis.of(new)
        later = values | {"contributions_late_12": -9.0, "sales_growth_12": 9.0}  # of one model each
        split = split_change(state(values, bases[0]), state(later, bases[1]), bases)
        assert split.parts["data"] == 0.0
        assert split.only_after == ("contributions_late_12",)
        assert "sales_growth_12" in split.only_before


class TestIndicators:
    def test_have_the_difference_of_their_contributions_where_one_model_scored_both(self, old):
        basis = replace(ScoreBasis.of(old), calibration=Calibration("platt", 1.1, 0.2))
        rng = random.Random(7)
        one, two = (some_values(rng, OLD, missing=0) for _ in range(2))
        split = split_change(state(one, basis), state(two, basis), (basis, basis))
        shares = [evaluate(values, basis).shares for values in (one, two)]
        for name, then, now in zip(OLD, *shares, strict=True):
            said = split.by_indicator.get(name, 0.0)
            assert said == pytest.approx((now - then) * 1.1 * basis.scale.points_per_logit, abs=1e-6)

    def test_that_come_with_their_category_are_coverage_and_not_data(self, old):
        basis = ScoreBasis.of(old)
        known = some_values(random.Random(8), OLD, missing=0)
        without = known | {"headcount": None}
        before, after = state(without, basis, present=("tax", "electricity")), state(known, basis)
        split = split_change(before, after, (basis, basis))
        assert set(split.by_coverage) == {"social_security"}
        assert "headcount" not in split.by_indicator
        assert exact(split)
        # What is known of a category that was there all along is data, and only the calibration's shift is coverage.
        split = split_change(state(without, basis), after, (basis, basis))
        assert split.by_indicator["headcount"]
        assert exact(split)

    def test_several_categories_that_come_at_once_each_have_a_share(self, old):
        basis = ScoreBasis.of(old)
        known = some_values(random.Random(9), OLD, missing=0)
        nothing = dict.fromkeys(known) | {"months_since_established": known["months_since_established"]}
        split = split_change(state(nothing, basis, present=()), state(known, basis), (basis, basis))
        assert set(split.by_coverage) == {"tax", "social_security", "utility"}
        assert exact(split)


class TestRefusals:
    def test_a_score_that_does_not_follow_from_its_values(self, old):
        basis = ScoreBasis.of(old)
        one = state(some_values(random.Random(1), OLD), basis)
        wrong = replace(one, points_exact=one.points_exact + 1e-9)
        with pytest.raises(NotReproduced, match="the later profile"):
            split_change(one, wrong, (basis, basis))

    def test_parts_that_are_off_by_one_step(self, old):
        basis = ScoreBasis.of(old)
        rng = random.Random(2)
        one, two = (state(some_values(rng, OLD), basis) for _ in range(2))
        split = split_change(one, two, (basis, basis))
        with pytest.raises(InexactChange, match="points"):
            check_split(replace(split, parts=split.parts | {"model": split.parts["model"] + 1 / STEPS}))

    def test_a_profile_without_a_score_has_nothing_to_split(self, old):
        basis = ScoreBasis.of(old)
        one = state(some_values(random.Random(1), OLD), basis)
        with pytest.raises(ValueError, match="no points"):
            split_change(one, replace(one, points=None), (basis, basis))


class TestWords:
    def test_name_the_old_value_the_new_one_and_their_months(self, old):
        basis = ScoreBasis.of(old)
        then = {"sales_12_fen": 250.0, "sales_growth_12": 0.1, "headcount": 2.0}
        now = then | {"sales_12_fen": -150.0, "headcount": -1.0}
        before, after = state(then, basis, day=date(2026, 1, 15)), state(now, basis)
        change = change_between(before, after, (basis, basis))
        told = {one.name: one for one in change.indicators}
        assert told["headcount"].text_zh.startswith("参保人数由2人")
        assert "2025-12" in told["sales_12_fen"].text_en
        assert "2026-10" in told["sales_12_fen"].text_en
        assert "from CNY 2.5 (" in told["sales_12_fen"].text_en

    def test_say_that_a_cap_made_the_grade(self, old):
        basis = ScoreBasis.of(old)
        one = replace(state(some_values(random.Random(1), OLD), basis), grade="B", grade_by_score="B")
        change = change_between(one, replace(one, grade="D"), (basis, basis))
        assert "caps it" in change.grade_en
        assert "受限" in change.grade_zh

    def test_without_a_score_on_one_side_tell_values_and_coverage_and_no_points(self, old):
        basis = ScoreBasis.of(old)
        known = some_values(random.Random(1), OLD, missing=0)
        after = state(known, basis)
        before = replace(
            state(known | {"headcount": None}, basis, present=("tax",)),
            points=None,
            refusal=("记录不足。", "Too little."),
        )
        change = change_between(before, after, None)
        assert (change.comparison, change.points, change.parts) == ("not_comparable", None, ())
        assert [one.name for one in change.coverage] == ["social_security", "utility"]
        assert all(one.points is None for one in (*change.coverage, *change.indicators))
        assert "Too little." in change.text_en


class TestGrid:
    def test_shares_become_whole_steps_with_their_sum_kept(self):
        shares = {name: Fraction(1, 3) for name in "abc"}
        assert sum(whole_steps(shares).values()) == 1
        assert whole_steps({"a": Fraction(-7, 2), "b": Fraction(1, 2)}) in ({"a": -3, "b": 0}, {"a": -4, "b": 1})
        with pytest.raises(ValueError, match="not whole"):
            whole_steps({"a": Fraction(1, 2)})

    def test_shapley_of_two_gloves(self):
        """Shapley's own example: a left glove and two right ones."""
        shares = shapley(("left", "r1", "r2"), lambda s: Fraction(int("left" in s and len(s) > 1)))
        assert shares == {"left": Fraction(2, 3), "r1": Fraction(1, 6), "r2": Fraction(1, 6)}

    def test_a_step_is_finer_than_a_score_promises(self):
        points = np.random.default_rng(0).uniform(-2000, 2000, 1000)
        assert all(abs(steps_of(p) / STEPS - p) < 1e-9 for p in points)
