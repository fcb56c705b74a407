"""Approval odds: curves over published inputs only, and the published rule where nothing was learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.match import match_many
from creditlink.engine.matching.offers.approval import ApprovalModel, Curve, inputs, logit_pd
from creditlink.engine.matching.offers.offer import Ask
from creditlink.engine.matching.products.subjects import Subjects
from tests.engine.matching import samples

pytestmark = pytest.mark.pure

CURVE = Curve("tax", -3.0, (-1.2, -0.4, -0.1), answers=200, approvals=90, auc=0.8, brier=0.15, ece=0.03)
MODEL = ApprovalModel((CURVE,), None, {"energy": 12}, "2026-08-24", 80)
GENERAL = replace(CURVE, kind="(all)", intercept=-4.0)


def book(*products):
    return compile_book(products, BY_NAME, samples.SETTINGS)


def firms(pd_12m=(0.01, 0.05), sales=(5e8, np.nan)):
    return Subjects(
        np.arange(len(pd_12m), dtype=np.int32),
        {
            "profile.pd_12m": np.array(pd_12m),
            "indicator.sales_12_fen": np.array(sales),
            "profile.grade": np.array([4.0, 3.0]),
        },
        {},
    )


def test_safer_firms_are_likelier_to_be_approved_and_unlearned_kinds_say_nothing():
    odds = MODEL.odds(book(samples.product("A-1"), samples.product("B-1", kind="energy")), firms(), Ask(10**8, 12))
    assert odds.shape == (2, 2)
    assert 0 < odds[0, 1] < odds[0, 0] < 1
    assert np.isnan(odds[1]).all()


def test_unlearned_kinds_keep_the_published_rule():
    products = [samples.product("A-1"), samples.product("B-1", kind="energy")]
    at, ask = firms(), Ask(10**8, 12)
    odds = MODEL.odds(book(*products), at, ask)
    learned = match_many(book(*products), at, ask=ask, odds=odds).explain(0)
    plain = match_many(book(*products), at, ask=ask).explain(0)
    by_code = [{m.product.code: m.approval for m in matches} for matches in (learned, plain)]
    assert by_code[0]["B-1"] == by_code[1]["B-1"]
    assert by_code[0]["A-1"] == pytest.approx(odds[0, 0])


def test_a_rule_that_cannot_be_decided_lowers_learned_odds_as_published():
    open_rule = samples.rule("indicator.sales_12_fen", ">=", 1_000_000)
    products = book(samples.product("A-1", rules=[samples.GRADE_RULE, open_rule]))
    at, ask = firms(), Ask(10**8, 12)
    odds = MODEL.odds(products, at, ask)
    matches = match_many(products, at, ask=ask, odds=odds)
    told = [next(iter(matches.explain(i))).approval for i in range(2)]
    assert told == pytest.approx([odds[0, 0], odds[0, 1] * samples.SETTINGS.unknown_discount])


def test_kinds_without_a_curve_go_by_the_general_one_if_there_is_one():
    model = replace(MODEL, general=GENERAL)
    odds = model.odds(book(samples.product("A-1"), samples.product("B-1", kind="energy")), firms(), Ask(10**8, 12))
    np.testing.assert_allclose(logit_pd(odds[0]) - logit_pd(odds[1]), 1.0)
    assert ApprovalModel.from_dict(model.to_dict()) == model


def test_no_institution_enters_the_odds():
    same = samples.product("A-1")
    other = replace(
        same, code="Z-9", institution_code="ANOTHER", institution_kind="leasing", name_zh="别家", name_en="Other"
    )
    odds = MODEL.odds(book(same, other), firms(), Ask(10**8))
    assert np.array_equal(odds[0], odds[1])


def test_unknown_sales_are_told_apart_and_never_guessed():
    x = inputs(logit_pd(np.array([0.02, 0.02])), np.array([1e8, 1e8]), np.array([1e8, np.nan]))
    assert x[:, 2].tolist() == [0.0, 1.0]
    assert x[1, 1] == 0.0


def test_a_model_is_what_its_hash_says():
    again = ApprovalModel.from_dict(MODEL.to_dict())
    assert (again, again.sha256) == (MODEL, MODEL.sha256)
    assert replace(MODEL, fitted_on="2026-08-25").sha256 != MODEL.sha256
