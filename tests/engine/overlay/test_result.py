"""An overlay on one firm: parts that add up to the last bit, and decisions with typed reasons."""

import random
from dataclasses import replace

import pytest

from creditlink.engine.overlay.columns import value_of, value_of_text
from creditlink.engine.overlay.decision import holds
from creditlink.engine.overlay.result import apply_overlay
from creditlink.engine.overlay.terms import CutOffs, OverlayRule
from tests.engine.overlay.samples import COLUMNS, RULES, SCALE, firm, terms

pytestmark = pytest.mark.pure

OWN = {"own_late_days": 12.0, "own_relation": "payroll", "own_watch": 0.0}


def overlaid(base=None, own=OWN, **more):
    return apply_overlay(terms(**more), base or firm(), own, SCALE)


class TestPoints:
    @pytest.mark.parametrize("seed", range(20))
    def test_base_and_contributions_are_the_overlays_points_to_the_last_bit(self, seed):
        rng = random.Random(seed)
        base = firm(points_exact=rng.uniform(300, 900), values={"headcount": rng.choice([None, rng.uniform(0, 900)])})
        own = {"own_late_days": rng.uniform(0, 90), "own_relation": rng.choice(["none", "deposit", None])}
        got = overlaid(base, own)
        parts = [one["points_contribution"] for one in got["contributions"]]
        rng.shuffle(parts)
        assert sum(parts, got["base"]["points_exact"]) == got["points_exact"]
        assert sum(parts) == got["points_added"]
        assert got["base"]["points_exact"] == pytest.approx(base.points_exact, abs=1e-9)

    def test_a_contribution_is_the_line_of_the_scale(self):
        got = overlaid()
        for one in got["contributions"]:
            assert one["points_contribution"] == pytest.approx(one["contribution"] * SCALE.points_per_logit, abs=1e-9)
        assert [one["contribution"] for one in got["contributions"]] == pytest.approx([0.08, 0.2, -0.2, 0.15])
        assert got["contributions"][-1]["label_en"] == "Ceramics and wholesale"

    def test_what_is_not_known_adds_nothing_and_the_base_stays_as_it_is(self):
        got = overlaid(firm(values={}, registration={}), {})
        assert [one["contribution"] for one in got["contributions"]] == [0.0, 0.0, 0.0]
        assert (got["points"], got["pd_12m"], got["grade"]) == (600, 0.047, "C")
        assert {one["value_zh"] for one in got["contributions"]} == {"未知"}

    def test_a_standardised_value_weighs_no_more_than_three_deviations(self):
        far = overlaid(firm(values={"headcount": 1e9}))
        assert far["contributions"][0]["contribution"] == pytest.approx(-0.3)

    def test_a_cap_of_the_profile_holds_for_the_overlay_too(self):
        got = overlaid(firm(points_exact=900.0, pd_12m=0.001, grade="B", best_grade="B"))
        assert got["grade"] == "B"


class TestDecision:
    def kinds(self, got):
        return {one["kind"] for one in got["reasons"]}

    def test_accepts_a_firm_that_nothing_speaks_against(self):
        got = overlaid(firm(points_exact=680.0, pd_12m=0.01, grade="B"))
        assert (got["decision"], got["reasons"]) == ("accept", [])

    @pytest.mark.parametrize(
        ("base", "own", "decision", "kind"),
        [
            (firm(points_exact=480.0, pd_12m=0.3, grade="E"), OWN, "decline", "grade_below"),
            (firm(points_exact=560.0, pd_12m=0.09, grade="D"), OWN, "decline", "pd_above"),
            (firm(points_exact=680.0), OWN | {"own_watch": 1.0}, "decline", "rule"),
            (firm(points_exact=680.0), {"own_relation": "none"}, "refer", "column_missing"),
            (firm(points_exact=680.0, values={}), OWN, "refer", "unknown"),
            (firm(points_exact=680.0, knock_outs=("K01",)), OWN, "refer", "knock_out"),
            (firm(points_exact=680.0, human_review=("H01", "H01")), OWN, "refer", "human_review"),
        ],
    )
    def test_refers_or_declines_with_a_typed_reason(self, base, own, decision, kind):
        got = overlaid(base, own)
        assert got["decision"] == decision
        assert kind in self.kinds(got)
        assert all(one["text_zh"].endswith("。") and one["text_en"].endswith(".") for one in got["reasons"])

    def test_a_person_must_look_whatever_the_overlay_says(self):
        lenient = CutOffs(on_knock_out="accept", otherwise="accept")
        got = overlaid(firm(human_review=("H01",), knock_outs=("K01",)), cut_offs=lenient, columns=COLUMNS[:2])
        assert (got["decision"], self.kinds(got)) == ("refer", {"human_review"})

    def test_without_a_score_there_are_no_points_and_a_person_decides(self):
        got = overlaid(firm(state="not_scorable", points=None, points_exact=None, pd_12m=None, grade=None))
        assert (got["points"], got["grade"], got["contributions"]) == (None, None, [])
        assert (got["decision"], got["reasons"][0]["kind"]) == ("refer", "not_scorable")

    @pytest.mark.parametrize(
        ("about", "value", "met"),
        [
            (("profile.grade", "at_least_grade", "B"), "A", True),
            (("profile.grade", "at_least_grade", "B"), "C", False),
            (("registration.industry", "in", ("C3", "F")), "C30", True),
            (("registration.industry", "not_in", ("C3",)), "C30", False),
            (("registration.entity_type", "==", "company"), "company_limited", False),
            (("indicator.headcount", "between", (1.0, 5.0)), 5.0, True),
            (("indicator.headcount", ">", 5.0), 5.0, False),
            (("indicator.headcount", "<", 5.0), 4.0, True),
            (("indicator.headcount", "==", 5.0), 5.0, True),
        ],
    )
    def test_a_rule_holds_as_it_reads(self, about, value, met):
        assert holds(replace(RULES[0], subject=about[0], operator=about[1], limit=about[2]), value) is met
        assert isinstance(RULES[0], OverlayRule)


class TestColumns:
    NUMBER, CHOICE, FLAG = COLUMNS

    @pytest.mark.parametrize("sent", [True, "12", -1, 4000, float("nan"), float("inf"), 10**400, [1], {}], ids=type)
    def test_what_is_no_such_number_is_refused(self, sent):
        with pytest.raises(ValueError, match="must be"):
            value_of(self.NUMBER, sent)

    @pytest.mark.parametrize("sent", ["x", 2, "１", "nan", "1_0", "0x1", "1e400", "-5", "12天"])
    def test_what_reads_as_no_such_number_is_refused(self, sent):
        with pytest.raises(ValueError, match="must be"):
            value_of_text(self.NUMBER, str(sent)) if sent != 2 else value_of(self.FLAG, sent)

    def test_what_is_right_is_taken(self):
        assert value_of(self.NUMBER, 12) == 12.0
        assert str(value_of(self.NUMBER, -0.0)) == "0.0"
        assert value_of(self.CHOICE, None) is None
        assert value_of(self.FLAG, sent=True) == 1.0
        assert [value_of_text(self.FLAG, text) for text in ("是", "no", " 1 ", "")] == [1.0, 0.0, 1.0, None]
        assert value_of_text(self.CHOICE, "deposit") == "deposit"
        with pytest.raises(ValueError, match="one of none, deposit"):
            value_of_text(self.CHOICE, "Deposit")
