import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.match import ELIGIBLE, INELIGIBLE, UNDETERMINED, match_many, order_keys
from creditlink.engine.matching.offers.offer import Ask, offer_worth
from creditlink.engine.matching.products.rules import OUTCOMES
from creditlink.engine.matching.products.terms import ProductInvalid, terms_from_checked
from creditlink.products.files.seed import load_seed
from tests.engine.matching.samples import GRADE_RULE, SEED, SETTINGS, Info, crowd, firms, product, rule

pytestmark = pytest.mark.pure

SALES = rule("indicator.sales_12_fen", ">=", 1_000_000_00)
STAFF = rule("indicator.headcount", ">=", 10)
OPEN = frozenset({"registration", "tax"})


def book(*products, settings=SETTINGS):
    return compile_book(products, BY_NAME, settings)


@pytest.fixture(scope="module")
def seeded():
    return compile_book(load_seed(SEED)[1], BY_NAME, SETTINGS)


def test_one_product_is_the_same_alone_as_among_all(seeded):
    found = match_many(seeded, firms(sales_12_fen=[400_000_00], granted=OPEN)).explain(0)
    assert len({one.rank for one in found}) == len(found) > 100
    assert [found.of_product(one.product.code) for one in found] == list(found)
    assert found.of_product("NO-SUCH-PRODUCT") is None


class TestHardRules:
    def test_every_rule_is_told_with_observed_limit_and_gap(self):
        products = book(product(rules=[GRADE_RULE, SALES, STAFF]))
        one = match_many(products, firms(sales_12_fen=[400_000_00], granted=OPEN)).explain(0)[0]
        told = [(r.outcome, r.observed, r.limit, r.gap, r.grant) for r in one.rules]
        assert told == [
            ("pass", "B", "C", 0.0, ()),
            ("fail", 400_000_00, 1_000_000_00, 600_000_00, ()),
            ("unknown", None, 10, None, ("social_security",)),
        ]
        assert one.state == "ineligible"
        assert one.categories_to_grant == ("social_security",)

    def test_a_failure_outweighs_what_is_unknown_and_the_unknown_outweighs_a_pass(self):
        products = book(
            product("P-PASS", rules=[GRADE_RULE]),
            product("P-UNKNOWN", rules=[GRADE_RULE, SALES]),
            product("P-FAIL", rules=[SALES, rule("profile.points", ">=", 700)]),
            product("P-NONE", rules=[]),
        )
        assert match_many(products, firms()).states[:, 0].tolist() == [ELIGIBLE, UNDETERMINED, INELIGIBLE, ELIGIBLE]

    def test_granted_without_a_record_asks_for_nothing(self):
        products = book(product(rules=[SALES]))
        one = match_many(products, firms(granted=OPEN)).explain(0)[0]
        assert one.state == "undetermined"
        assert one.categories_to_grant == ()
        assert "no record" in one.rules[0].text_en
        assert "未取得相关记录" in one.rules[0].text_zh  # and no word on why: it may be an outage

    def test_a_required_category_that_is_not_granted_keeps_it_undetermined(self):
        products = book(product(required_categories=["water"], rules=[GRADE_RULE]))
        one = match_many(products, firms(granted=OPEN)).explain(0)[0]
        assert (one.state, one.categories_to_grant) == ("undetermined", ("water",))
        assert "water" in one.unlock_en
        assert "用水" in one.unlock_zh

    def test_a_product_of_before_the_supplies_were_apart_needs_all_three(self):
        products = book(
            terms_from_checked(product(rules=[GRADE_RULE]).to_dict() | {"required_categories": ["utility"]})
        )
        one = match_many(products, firms(granted=OPEN | {"electricity"})).explain(0)[0]
        assert (one.state, one.categories_to_grant) == ("undetermined", ("gas", "water"))

    def test_what_is_public_is_never_to_grant(self):
        products = book(product(required_categories=["public_credit"], rules=[GRADE_RULE]))
        assert match_many(products, firms(granted=OPEN)).explain(0)[0].categories_to_grant == ()

    def test_an_indicator_of_two_categories_asks_for_the_one_withheld(self):
        products = book(product(rules=[rule("indicator.sales_per_kwh_fen", ">=", 1)]))
        assert match_many(products, firms(granted=OPEN)).explain(0)[0].rules[0].grant == ("electricity",)

    def test_an_indicator_of_every_meter_asks_for_all_supplies_where_none_is_granted(self):
        products = book(product(rules=[rule("indicator.bills_late_6", "<=", 1)]))
        assert match_many(products, firms(granted=OPEN)).explain(0)[0].rules[0].grant == ("electricity", "water", "gas")
        assert match_many(products, firms(granted=OPEN | {"gas"})).explain(0)[0].rules[0].grant == ()

    def test_a_rule_on_an_unknown_indicator_names_product_field_and_value(self):
        wrong = product("BAD-1", rules=[GRADE_RULE, rule("indicator.shoe_size", ">=", 1)])
        with pytest.raises(ProductInvalid) as caught:
            book(wrong)
        assert str(caught.value) == (
            "product 'BAD-1': field 'rules[1].subject': value 'indicator.shoe_size': is not a known indicator"
        )

    def test_the_catalogue_is_whatever_is_passed_in(self):
        settings = replace(SETTINGS, bases=(), kind_bases=dict.fromkeys(SETTINGS.kind_bases, ()))
        small = compile_book([product(rules=[rule("indicator.mine", ">=", 1)])], [Info("mine")], settings)
        assert match_many(small, firms()).states.tolist() == [[UNDETERMINED]]

    def test_no_products_is_no_matches(self):
        matches = match_many(book(), crowd(3))
        assert len(matches.explain(1)) == 0
        assert matches.explain(1).top(3) == matches.explain(1).near_misses(3) == []
        assert matches.best(3)[0].shape == (3, 0)

    def test_two_products_of_one_code_are_refused(self):
        with pytest.raises(ValueError, match="'TAX-1': field 'code'"):
            book(product(), product())


class TestOrder:
    def test_cheaper_comes_first_and_so_does_likelier(self):
        dear = product("DEAR-1", rate_bps_min=900, rate_bps_max=900)
        cheap = product("CHEAP-1", rate_bps_min=300, rate_bps_max=400)
        strict = product("STRICT-1", rules=[rule("profile.grade", "at_least_grade", "B")])
        order = [m.product.code for m in match_many(book(dear, cheap, strict), firms()).explain(0)]
        assert order.index("CHEAP-1") < order.index("DEAR-1")
        assert order.index("CHEAP-1") < order.index("STRICT-1")

    def test_ineligible_comes_last_however_good(self):
        good = product("GOOD-1", rate_bps_min=1, rate_bps_max=2, rules=[rule("profile.points", ">=", 900)])
        explained = match_many(book(good, product(rate_bps_min=2000, rate_bps_max=2000)), firms()).explain(0)
        assert [m.state for m in explained] == ["eligible", "ineligible"]
        assert [m.rank for m in explained] == [1, 2]

    def test_what_fits_the_asked_amount_and_term_comes_first(self):
        small = product("SMALL-1", amount_max_fen=10_000_000)
        short = product("SHORT-1", term_months_max=6)
        fits = product("FITS-1")
        firm = firms(sales_12_fen=[10**11])
        explained = match_many(book(small, short, fits), firm, ask=Ask(200_000_000, 24)).explain(0)
        assert explained[0].product.code == "FITS-1"
        assert explained[0].fit == 1.0
        assert {m.product.code: m.fit for m in explained} == {
            "FITS-1": 1.0,
            "SHORT-1": pytest.approx(0.25 * 0.5),
            "SMALL-1": pytest.approx(0.05 * 0.5),
        }

    def test_the_order_is_blind_to_who_lends(self, seeded):
        """Institutions and their names change places; every score and the order of products stay."""
        rng = np.random.default_rng(7)
        products = seeded.products
        by_kind = {
            kind: [p.institution_code for p in products if p.institution_kind == kind]
            for kind in {p.institution_kind for p in products}
        }
        for codes in by_kind.values():
            rng.shuffle(codes)
        swapped = [
            replace(p, institution_code=by_kind[p.institution_kind].pop(), name_zh=f"名{i}", name_en=f"Name {i}")
            for i, p in enumerate(products)
        ]
        assert [p.institution_code for p in swapped] != [p.institution_code for p in products]
        for ask in (Ask(), Ask(50_000_000, 12)):
            before = match_many(seeded, crowd(30), ask=ask)
            after = match_many(compile_book(swapped, BY_NAME, SETTINGS), crowd(30), ask=ask)
            for i in range(30):
                assert before.explain(i).order.tolist() == after.explain(i).order.tolist()
                assert np.array_equal(before.explain(i).worth.score, after.explain(i).worth.score)

    def test_the_place_in_the_file_does_not_matter(self):
        three = [product(f"TIE-{k}") for k in range(3)]
        orders = {
            tuple(m.product.code for m in match_many(book(*some), firms()).explain(0)) for some in permutations(three)
        }
        assert len(orders) == 1

    def test_no_code_wins_every_tie(self):
        tied = book(*(product(f"TIE-{k}") for k in range(4)))
        first = {match_many(tied, firms(pd_12m=[pd])).explain(0)[0].product.code for pd in np.linspace(0.01, 0.02, 60)}
        assert len(first) == 4

    def test_learned_odds_take_the_place_of_the_proxy(self):
        products = book(product("LOW-1"), product("HIGH-1"))
        odds = np.array([[0.1], [0.9]])
        explained = match_many(products, firms(), odds=odds).explain(0)
        assert [(m.product.code, m.approval) for m in explained] == [("HIGH-1", 0.9), ("LOW-1", 0.1)]
        with pytest.raises(ValueError, match=r"odds has shape \(2, 1\), wanted \(2, 2\)"):
            match_many(products, firms(2), odds=odds)

    def test_an_unscored_firm_still_has_every_product_explained(self):
        matches = match_many(book(product()), firms(pd_12m=[np.nan], points=[np.nan], grade=[None]))
        one = matches.explain(0)[0]
        assert (one.state, one.score, one.approval, one.offer.rate_bps) == ("undetermined", 0.0, None, None)


class TestManyFirms:
    def test_a_firm_alone_is_the_firm_in_the_crowd(self, seeded):
        subjects = crowd(300)
        together = match_many(seeded, subjects)
        best, scores = together.best(5)
        for i in range(0, 300, 13):
            alone = match_many(seeded, subjects.take(i))
            assert np.array_equal(alone.states[:, 0], together.states[:, i])
            explained, again = alone.explain(0), together.explain(i)
            assert explained.order.tolist() == again.order.tolist()
            top = explained.top(5)
            assert [seeded.products.index(m.product) for m in top] == [p for p in best[i] if p >= 0]
            assert [m.score for m in top] == pytest.approx(scores[i][: len(top)], abs=0)

    @pytest.mark.parametrize("ask", [None, Ask(60_000_00, 18), Ask(900_000_000_00)])
    @pytest.mark.parametrize("weights", [{}, {"weight_approval": 2.0, "weight_cost": 1.5, "weight_fit": 0.5}])
    @pytest.mark.parametrize("learned", [0.0, 0.6])
    def test_the_compiled_ranking_has_the_bits_of_the_columns(self, seeded, ask, weights, learned):
        products, subjects = replace(seeded, settings=replace(seeded.settings, **weights)), crowd(700)
        odds = None
        if learned:
            rng = np.random.default_rng(3)
            odds = np.where(rng.random((len(products), 700)) < learned, rng.random((len(products), 700)), np.nan)
        matches = match_many(products, subjects, ask=ask, odds=odds)
        chosen, scores = matches.best(6)
        score = offer_worth(products, subjects, np.zeros((1, 1)), ask or Ask(), odds).score.T
        eligible = matches.states.T == ELIGIBLE
        keys = np.where(eligible, order_keys(products, subjects, score), 0)
        leading = np.argsort(keys, axis=1)[:, ::-1][:, :6]
        there = np.take_along_axis(eligible, leading, axis=1)
        assert there.any()
        np.testing.assert_array_equal(chosen, np.where(there, leading, -1))
        np.testing.assert_array_equal(scores, np.where(there, np.take_along_axis(score, leading, axis=1), 0.0))

    def test_states_say_what_the_rules_say(self, seeded):
        matches = match_many(seeded, crowd(40))
        for i in range(40):
            for m in matches.explain(i):
                outcomes = {r.outcome for r in m.rules}
                wanted = "ineligible" if "fail" in outcomes else "undetermined" if "unknown" in outcomes else "eligible"
                assert m.state == wanted

    def test_counts_add_up(self, seeded):
        matches = match_many(seeded, crowd(200))
        counts = matches.counts()
        assert counts.shape == (len(seeded), 3)
        for state in range(3):
            there = matches.states == state
            assert there.any()
            np.testing.assert_array_equal(counts[:, state], there.sum(axis=1))
            np.testing.assert_array_equal(matches.products(state), there.sum(axis=0))

    def test_the_rule_table_is_what_the_words_say(self, seeded):
        explained = match_many(seeded, crowd(1)).explain(0)
        status, observed, gap = explained.rule_table()
        at = 0
        by_code = {m.product.code: m for m in explained}
        for terms in seeded.products:
            for told in by_code[terms.code].rules:
                assert OUTCOMES[status[at]] == told.outcome
                assert (None if np.isnan(gap[at]) else gap[at]) == told.gap
                assert isinstance(told.observed, str) or told.observed is None or told.observed == observed[at]
                at += 1
        assert at == len(status)


class TestNearMisses:
    def test_nearest_first_with_what_would_unlock_it_in_words(self):
        far = product("FAR-1", rules=[rule("profile.points", ">=", 900)])
        near = product("NEAR-1", rules=[rule("profile.points", ">=", 660), rule("registration.age_months", ">=", 75)])
        explained = match_many(book(far, near), firms()).explain(0)
        found = explained.near_misses(5)
        assert [m.product.code for m in found] == ["NEAR-1", "FAR-1"]
        assert found[0].unlock_en == (
            "credit points must be at least 660 points, now 640 points: 20 points short; "
            "time since registration must be at least 75 months, now 71 months; met in 4 months"
        )
        assert (
            found[0].unlock_zh
            == "信用分须不低于660分，目前为640分，还差20分；成立时间须不低于75个月，目前为71个月，4个月后满足"
        )

    def test_what_cannot_be_changed_is_no_near_miss(self):
        fixed = product("FIXED-1", rules=[rule("registration.industry", "in", ["A"])])
        aged = product("YOUNG-1", rules=[rule("registration.age_months", "<=", 24)])
        explained = match_many(book(fixed, aged), firms()).explain(0)
        assert explained.near_misses(5) == []
        assert "cannot be changed" in next(m for m in explained if m.product.code == "FIXED-1").rules[0].text_en

    def test_more_failing_rules_than_the_settings_allow_is_not_near(self):
        rules = [rule("profile.points", ">=", 660), rule("profile.pd_12m", "<=", 0.005), SALES]
        firm = firms(sales_12_fen=[1.0])
        assert match_many(book(product(rules=rules)), firm).explain(0).near_misses(5) == []
        assert len(match_many(book(product(rules=rules[:2])), firm).explain(0).near_misses(5)) == 1

    def test_a_match_is_plain_data(self):
        explained = match_many(book(product(rules=[GRADE_RULE, SALES])), firms(granted=OPEN)).explain(0)
        assert json.loads(json.dumps(explained[0].to_dict(), allow_nan=False)) == explained[0].to_dict()
