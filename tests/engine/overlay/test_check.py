"""What is refused of a declared overlay: each flaw by its field and value."""

from dataclasses import replace

import pytest

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.overlay.check import flaws_of, grades_crossed, reach
from creditlink.engine.overlay.limits import parse
from creditlink.engine.overlay.terms import CutOffs, ExtraColumn, OverlayRule, OverlayWeight, WeightBand, terms_of
from creditlink.kit.settings import load_settings
from tests.engine.overlay.samples import OFFSETS, RULES, SCALE, WEIGHTS, terms

pytestmark = pytest.mark.pure

SETTINGS = load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40})
LIMITS = SETTINGS.parsed("overlay.toml", parse)


def flaws(**more):
    return {flaw.field: str(flaw) for flaw in flaws_of(terms(**more), BY_NAME, scale=SCALE, limits=LIMITS)}


def weight(subject="indicator.headcount", form="standardised", **more):
    return {"weights": (OverlayWeight(subject, form, **more),)}


def column(name="own_x", kind="number", label_zh="自有", label_en="Own", **more):
    return {"columns": (ExtraColumn(name, kind, label_zh, label_en, **more),), "weights": (), "cut_offs": CutOffs()}


def rule(*about, **more):
    return {"cut_offs": CutOffs(rules=(OverlayRule("X1", "某条件", "a condition", *about, **more),))}


def test_the_sample_is_right_and_survives_storing():
    assert flaws() == {}
    assert terms_of(terms().to_dict()) == terms()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (weight("indicator.none_such"), "weights[0].subject"),
        (weight("own.none_such"), "weights[0].subject"),
        (weight("registration.industry"), "weights[0].subject"),
        ({"weights": (WEIGHTS[0], WEIGHTS[0])}, "weights[0].subject"),
        (weight(log_odds=0.2), "weights[0]"),  # more staff is safer
        (weight("own.own_late_days", log_odds=-0.2), "weights[0]"),
        (weight(log_odds=-1.2), "weights[0].log_odds"),
        (weight(log_odds=-0.2, deviation=0.0), "weights[0].deviation"),
        (weight(form="banded"), "weights[0].form"),
        (weight(form="by_choice", by_choice={"a": 0.1}), "weights[0].form"),
        (weight("own.own_relation", "by_choice", by_choice={"spouse": 0.1}), "weights[0].by_choice"),
        (weight(form="banded", bands=(WeightBand(5.0, 0.1), WeightBand(5.0, 0.0))), "weights[0].bands"),
        (weight(form="banded", bands=(WeightBand(5.0, -0.1),), otherwise=0.1), "weights[0]"),
        (column(name="owner_gender"), "columns[0].name"),
        (column(label_zh="法定代表人民族"), "columns[0].label_zh"),
        (column(label_en="Owner's Marital status"), "columns[0].label_en"),
        (column(kind="choice"), "columns[0].choices"),
        (column(minimum=2.0, maximum=1.0), "columns[0].maximum"),
        (column(kind="choice", choices=("a", "a")), "columns[0].choices"),
        ({"offsets": (replace(OFFSETS[0], subject="registration.status"),)}, "offsets[0].subject"),
        ({"offsets": (replace(OFFSETS[0], label_zh="回族聚居，宗教场所"),)}, "offsets[0].label_zh"),
        (rule("indicator.none_such", ">=", 1.0), "cut_offs.rules[0].subject"),
        (rule("own.none_such", ">=", 1.0), "cut_offs.rules[0].subject"),
        (rule("indicator.headcount", "in", ("a",)), "cut_offs.rules[0].operator"),
        (rule("profile.grade", "at_least_grade", "F"), "cut_offs.rules[0].limit"),
        ({"cut_offs": CutOffs(rules=(RULES[0], RULES[0]))}, "cut_offs.rules[0].code"),
    ],
)
def test_a_wrong_declaration_is_named(given, field):
    assert field in flaws(**given)


def test_a_direction_turned_round_needs_a_reason_and_not_an_empty_one():
    assert "why" in flaws(**weight(log_odds=0.2, against_direction_reason="   short  "))["weights[0]"]
    assert flaws(**weight(log_odds=0.2, against_direction_reason="Our book of agencies shows the reverse")) == {}


def test_a_word_within_another_is_another_word():
    assert flaws(**column(name="generated_kwh", label_en="Embraced sexagesimal racecourse")) == {}


def test_weights_that_could_make_too_many_grades_are_refused_together():
    each = [
        OverlayWeight(f"indicator.{name}", "standardised", log_odds=BY_NAME[name].direction * 0.3)
        for name in ("headcount", "sales_growth_12", "bills_late_6", "contributions_late_12")
    ]
    said = flaws(weights=tuple(each))["weights"]
    assert "grades" in said
    assert flaws(weights=tuple(each[:1])) == {}


def test_grades_crossed_are_those_between_any_two_places():
    assert grades_crossed(SCALE, 0.0) == 0
    assert grades_crossed(SCALE, 1e-6) == 1
    assert grades_crossed(SCALE, 100.0) == 5
    # From just below 0.8 % to just above 2 % is a log-odds of 0.93: two grades, and no less does it.
    assert (grades_crossed(SCALE, 0.92), grades_crossed(SCALE, 0.94)) == (1, 2)


def test_reach_is_the_sum_of_the_most_each_can_add():
    lowest, highest = reach(terms())
    assert lowest == pytest.approx(-0.3 - 0.1 - 0.2)
    assert highest == pytest.approx(0.3 + 0.5 + 0.15)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"most_grades": True, "most_log_odds": 1.0, "protected": ["x"]},
        {"most_grades": 2, "most_log_odds": 0.0, "protected": ["x"]},
        {"most_grades": 2, "most_log_odds": 1.0, "protected": []},
        {"most_grades": 2, "most_log_odds": 1.0, "protected": ["x"], "more": 1},
    ],
)
def test_a_wrong_configuration_is_refused(raw):
    with pytest.raises(ValueError, match=r".+: "):
        parse(raw)
