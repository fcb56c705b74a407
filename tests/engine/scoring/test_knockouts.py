import math
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.engine.scoring.limits.knockouts import apply_rules, judge
from creditlink.engine.scoring.limits.scorable import refusal, scorable
from creditlink.engine.scoring.scale import Scale
from creditlink.engine.scoring.settings import Evidence, FactRule, ReasonSettings, ScorableSettings, ScoreSettings

pytestmark = pytest.mark.pure

RULES = (
    FactRule("K01", "名单", "List", indicator="dishonest_debtor", category="public_credit", at_least=1.0),
    FactRule("K02", "吊销", "Revoked", registration="status", one_of=("revoked", "deregistered")),
)
FEATURES = pl.DataFrame({"dishonest_debtor": [0.0, 1.0, None, math.nan, 2.0]})
REGISTRATION = pl.DataFrame({"status": ["revoked", "active", None, "deregistered", "active"]})


def test_rules_hold_where_the_fact_is_known_and_so():
    hits = apply_rules(RULES, FEATURES, REGISTRATION)
    assert hits.holds.tolist() == [[False, True], [True, False], [False, False], [False, True], [True, False]]
    assert [rule.code for rule in hits.of(0)] == ["K02"]
    assert hits.of(2) == ()
    # An unknown fact is not a pass.
    assert hits.unknown.tolist() == [[False, False], [False, False], [True, True], [True, False], [False, False]]
    assert [rule.code for rule in hits.not_evaluated(2)] == ["K01", "K02"]


def test_categorical_registration_and_no_rules_and_no_firms():
    enums = REGISTRATION.cast(pl.Enum(["active", "revoked", "deregistered"]))
    assert apply_rules(RULES, FEATURES, enums).holds.sum() == 4
    assert apply_rules((), FEATURES, REGISTRATION).holds.shape == (5, 0)
    assert apply_rules(RULES, FEATURES[:0], REGISTRATION[:0]).holds.shape == (0, 2)


def test_wrong_frames_are_named():
    with pytest.raises(ValueError, match="rule K01: no column 'dishonest_debtor'"):
        apply_rules(RULES, pl.DataFrame({"x": [1.0]}), REGISTRATION[:1])
    with pytest.raises(ValueError, match="features have 5 rows, registration has 1"):
        apply_rules(RULES, FEATURES, REGISTRATION[:1])


@given(
    listed=st.lists(st.none() | (st.just(float("nan")) | st.floats(-2, 3)), min_size=1, max_size=5),
    status=st.sampled_from([None, "active", "revoked", "deregistered", ""]),
)
def test_a_verdict_is_a_row_of_the_rules(listed, status):
    features = pl.DataFrame({"dishonest_debtor": pl.Series(listed, dtype=pl.Float64)}).with_columns(
        tax_record_months=pl.lit(9.0), usage=pl.lit(None, pl.Float64)
    )
    registration = pl.DataFrame({"status": pl.Series([status] * len(listed), dtype=pl.String)})
    hits = apply_rules(RULES, features, registration)
    for row in range(len(listed)):
        verdict = judge(
            replace(SETTINGS, human_review=()),
            registration=registration.row(row, named=True),
            features=features.row(row, named=True),
        )
        assert tuple(found.rule for found in verdict.knock_outs) == hits.of(row)
        assert tuple(one.rule for one in verdict.not_evaluated) == hits.not_evaluated(row)


SETTINGS = ScoreSettings(
    scale=Scale(),
    reasons=ReasonSettings(),
    scorable=ScorableSettings(6, (Evidence("tax", "tax_record_months", 6.0), Evidence("utility", "usage"))),
    knockouts=RULES,
    human_review=(FactRule("H01", "个体工商户", "Sole trader", registration="entity_type", one_of=("sole_trader",)),),
)
ORDINARY = {"dishonest_debtor": 0.0, "tax_record_months": 30.0, "usage": None, "other": 5.0}
COMPANY = {"status": "active", "entity_type": "company", "industry": "C26"}


def test_evidence_of_one_category_suffices():
    features = pl.DataFrame(
        {"tax_record_months": [None, 5.0, 6.0, None, math.nan], "usage": [None, None, None, -1.0, math.nan]}
    )
    assert scorable(features, SETTINGS.scorable).tolist() == [False, False, True, True, False]
    with pytest.raises(ValueError, match="no column 'usage'"):
        scorable(features.drop("usage"), SETTINGS.scorable)


def test_an_ordinary_firm_has_nothing_apart_from_its_score():
    verdict = judge(SETTINGS, registration=COMPANY, features=ORDINARY)
    assert (verdict.knock_outs, verdict.human_review, verdict.not_scorable) == ((), (), None)


def test_a_verdict_names_the_facts():
    verdict = judge(
        SETTINGS,
        registration={"status": "revoked", "entity_type": "sole_trader"},
        features=ORDINARY | {"dishonest_debtor": 1.0, "tax_record_months": 3.0},
    )
    assert [found.to_dict() for found in verdict.knock_outs] == [
        {"code": "K01", "category": "public_credit", "subject": "indicator.dishonest_debtor", "observed": 1.0,
         "label_zh": "名单", "label_en": "List"},
        {"code": "K02", "category": "registration", "subject": "registration.status", "observed": "revoked",
         "label_zh": "吊销", "label_en": "Revoked"},
    ]  # fmt: skip
    assert [found.rule.code for found in verdict.human_review] == ["H01"]
    assert verdict.not_scorable.to_dict() == {
        "code": "N01",
        "least_months": 6,
        "categories": ["tax", "utility"],
        "sentence_zh": "近24个月内，纳税申报、销售、水电气记录均不足6个月，无法评分。",
        "sentence_en": "No score: within the last 24 months, tax declarations, sales and utilities each have fewer "
        "than 6 months of record.",
    }


def test_a_refusal_names_each_record_with_the_months_it_lacks():
    evidence = (
        Evidence("tax", "tax_record_months", 6.0),
        Evidence("utility", "electricity_trend_24", supply="electricity"),
        Evidence("utility", "water_growth_12", supply="water", months=13),
    )
    told = refusal(ScorableSettings(6, evidence))
    assert told.sentence_zh == "近24个月内，纳税申报、销售、用电记录均不足6个月，用水记录不足13个月，无法评分。"
    assert told.sentence_en == (
        "No score: within the last 24 months, tax declarations, sales and electricity each have fewer than 6 months of "
        "record, and water fewer than 13."
    )
    first = refusal(ScorableSettings(6, evidence), 1)
    assert first.sentence_en == "No score: none of tax, utility has 6 months of record."


def test_a_rule_about_an_absent_fact_is_an_error_not_a_pass():
    with pytest.raises(ValueError, match="rule K01: no column 'dishonest_debtor'"):
        judge(SETTINGS, registration=COMPANY, features={"tax_record_months": 9.0, "usage": 1.0})


def test_rules_of_one_kind_only():
    for knockouts in (RULES[:1], RULES[1:], ()):
        settings = replace(SETTINGS, knockouts=knockouts, human_review=())
        verdict = judge(settings, registration={"status": "revoked"}, features=ORDINARY | {"dishonest_debtor": 1.0})
        assert [found.rule for found in verdict.knock_outs] == list(knockouts)


@pytest.mark.parametrize(
    ("missing", "found"),
    [
        ({"public_credit": "not_granted"}, [("K01", "not_granted")]),
        ({"public_credit": "source_down"}, [("K01", "source_down")]),
        ({"public_credit": "not_connected"}, [("K01", "not_connected")]),
        ({"public_credit": "partial"}, [("K01", "partial")]),
        ({}, [("K01", "unknown")]),
        # The source was asked and has nothing on the firm: it is on no list.
        ({"public_credit": "no_record"}, []),
    ],
)
def test_a_knock_out_that_could_not_be_looked_at_is_not_passed(missing, found):
    verdict = judge(SETTINGS, registration=COMPANY, features=ORDINARY | {"dishonest_debtor": None}, missing=missing)
    assert verdict.knock_outs == ()
    told = [one.to_dict() for one in verdict.not_evaluated]
    assert [(one["code"], one["cause"]) for one in told] == found
    for one in told:
        assert "未能核查" in one["text_zh"]
        assert one["text_en"].startswith("Not evaluated: List; ")


@pytest.mark.parametrize("cause", ["partial", "source_down", "timeout", "denied"])
def test_rows_of_before_an_outage_pass_nobody_and_still_find(cause):
    """A firm was on no list when its office last answered: it may be on one today."""
    told = {"registration": COMPANY, "incomplete": {"public_credit": cause}}
    clear = judge(SETTINGS, features=ORDINARY | {"dishonest_debtor": 0.0}, **told)
    assert [(one.rule.code, one.cause) for one in clear.not_evaluated] == [("K01", cause)]
    listed = judge(SETTINGS, features=ORDINARY | {"dishonest_debtor": 1.0}, **told)
    assert [one.rule.code for one in listed.knock_outs] == ["K01"]
    assert listed.not_evaluated == ()


def test_a_rule_of_human_review_that_could_not_be_looked_at_is_named_too():
    verdict = judge(SETTINGS, registration={"status": None, "entity_type": None}, features=ORDINARY)
    assert [one.rule.code for one in verdict.not_evaluated] == ["K02", "H01"]
    assert "the fact is not known" in verdict.not_evaluated[0].to_dict()["text_en"]
