import math

import numpy as np
import polars as pl
import pytest

from creditlink.scoring.knockouts import apply_rules
from creditlink.scoring.scorable import refusal, scorable
from creditlink.scoring.settings import Rule, ScorableSettings

pytestmark = pytest.mark.pure

RULES = (
    Rule("K01", "名单", "List", indicator="dishonest_debtor", category="public_credit", at_least=1.0),
    Rule("K02", "吊销", "Revoked", registration="status", one_of=("revoked", "deregistered")),
)
FEATURES = pl.DataFrame({"dishonest_debtor": [0.0, 1.0, None, math.nan, 2.0]})
REGISTRATION = pl.DataFrame({"status": ["revoked", "active", None, "deregistered", "active"]})


def test_rules_hold_where_the_fact_is_known_and_so():
    hits = apply_rules(RULES, FEATURES, REGISTRATION)
    assert hits.holds.tolist() == [[False, True], [True, False], [False, False], [False, True], [True, False]]
    assert [rule.code for rule in hits.of(0)] == ["K02"]
    assert hits.of(2) == ()


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


SETTINGS = ScorableSettings(("tax", "utility"), 6)


def test_one_category_with_months_enough_suffices():
    months = {"tax": np.array([0, 6, 5, 36]), "utility": np.array([6, 0, 5, 0]), "contract": np.full(4, 99)}
    assert scorable(months, SETTINGS).tolist() == [True, True, False, True]
    with pytest.raises(ValueError, match="no counts for utility"):
        scorable({"tax": np.array([1])}, SETTINGS)


def test_a_refusal_says_what_there_is_and_what_it_takes():
    assert refusal({"tax": 6, "utility": 0}, SETTINGS) is None
    none = refusal({"tax": 0, "utility": 0}, SETTINGS)
    assert (none.code, none.months) == ("N01", {"tax": 0, "utility": 0})
    short = refusal({"tax": 2, "utility": 5, "contract": 30}, SETTINGS)
    assert short.code == "N02"
    assert short.sentence_zh == "最长的记录为水电气5个月，评分至少需要6个月。"
    assert short.sentence_en == "The longest record is utility with 5 months; a score needs 6."
