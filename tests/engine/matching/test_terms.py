import time
from datetime import date

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.engine.matching.products.terms import ProductInvalid
from creditlink.products.files.open_form import parse_product, product_schema
from tests.engine.matching.samples import GRADE_RULE, product, raw, rule

pytestmark = pytest.mark.pure


def test_reads_back_what_it_writes():
    terms = product(
        valid_until="2027-01-01",
        quota_fen=10**12,
        tags=["green"],
        guarantee="fund",
        risk_share_bps=8000,
        rules=[GRADE_RULE, rule("registration.industry", "in", ["C", "F51"]), rule("indicator.x", "between", [1, 2.5])],
    )
    assert parse_product(terms.to_dict()) == terms
    jsonschema.validate(terms.to_dict(), product_schema())


def test_dates_of_toml_and_whole_floats_of_json_are_taken():
    terms = product(valid_from=date(2024, 5, 1), amount_min_fen=5.0)
    assert terms.valid_from == date(2024, 5, 1)
    assert isinstance(terms.amount_min_fen, int)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 3}, "product 'TAX-1': field 'rate': value 3: is not a field of a product"),
        ({"kind": "gold"}, "product 'TAX-1': field 'kind': value 'gold': must be one of credit, tax"),
        ({"amount_min_fen": "1"}, "field 'amount_min_fen': value '1': must be of type integer"),
        ({"amount_min_fen": 0}, "field 'amount_min_fen': value 0: must be at least 1"),
        ({"rate_bps_max": 299}, "field 'rate_bps_max': value 299: is below rate_bps_min = 300"),
        ({"term_months_max": 2}, "field 'term_months_max': value 2: is below term_months_min = 3"),
        ({"valid_from": "2024-02-30"}, "field 'valid_from': value '2024-02-30': must be a date"),
        ({"valid_until": "2024-01-01"}, "field 'valid_until': value datetime.date(2024, 1, 1): is not after"),
        ({"risk_share_bps": 10}, "field 'risk_share_bps': value 10: needs a guarantee"),
        ({"code": "tax 1"}, "field 'code': value 'tax 1': must match"),
        ({"rules": [rule("profile.age", "near", 3)]}, "field 'rules[0].operator': value 'near': must be one of"),
        ({"rules": [rule("shoe.size", ">=", 3)]}, "field 'rules[0].subject': value 'shoe.size': must match"),
        ({"rules": [GRADE_RULE | {"weight": 1}]}, "field 'rules[0].weight': value 1: is not a field"),
        (
            {"rules": [rule("profile.points", ">=", "600")]},
            "value '600': must be of type number",
        ),
        ({"rules": [rule("profile.points", "between", [2, 1])]}, "has its lower bound above its upper"),
        ({"rules": [rule("profile.points", ">=", float("nan"))]}, "field 'rules[0].limit': value nan: must be finite"),
        (
            {"rules": [rule("profile.grade", "at_least_grade", "F")]},
            "limit': value 'F': must be one of",
        ),
        ({"rules": [GRADE_RULE, GRADE_RULE]}, "field 'rules': value"),
    ],
)
def test_a_flaw_names_product_field_and_value(change, message):
    with pytest.raises(ProductInvalid) as caught:
        product(**change)
    assert message in str(caught.value)


def test_every_flaw_is_told_at_once_with_the_line():
    with pytest.raises(ProductInvalid) as caught:
        parse_product(raw(kind="gold", fees_bps=-1), line=41)
    assert [flaw.field for flaw in caught.value.flaws] == ["fees_bps", "kind"]
    assert str(caught.value).count("line 41: product 'TAX-1'") == 2


def test_a_missing_field_is_named():
    incomplete = raw()
    del incomplete["name_zh"]
    with pytest.raises(ProductInvalid, match=r"field 'name_zh': value None: is missing"):
        parse_product(incomplete)


def test_validity_is_half_open():
    terms = product(valid_until="2025-01-01")
    offered = [terms.is_offered_on(day) for day in (date(2023, 12, 31), date(2024, 1, 1), date(2025, 1, 1))]
    assert offered == [False, True, False]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*raw(), "other"]), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_garbage_is_refused_or_read_and_never_breaks(change):
    try:
        terms = parse_product(raw() | change)
    except ProductInvalid:
        return
    assert parse_product(terms.to_dict()) == terms


class TestWhatIsToldOfMuch:
    """A body of 250 kB costs little to refuse, and the refusal is short."""

    def test_lists_beyond_their_bound_are_refused_before_their_entries_are_compared(self):
        """3,000 rules were compared each with each: 20 seconds, with everybody who writes products waiting."""
        rules = [rule("indicator.sales_growth_12", ">=", number) for number in range(3_000)]
        for name, entries, most in (("rules", rules, 60), ("tags", ["x"] * 30_000, 20),
                                    ("required_categories", ["tax"] * 20_000, 12)):  # fmt: skip
            began = time.process_time()
            with pytest.raises(ProductInvalid) as refused:
                parse_product(raw(**{name: entries}))
            assert time.process_time() - began < 5
            assert [(flaw.field, flaw.problem) for flaw in refused.value.flaws] == [
                (name, f"must have at most {most} entries")
            ]
            assert len(str(refused.value)) < 300

    def test_a_hundred_flaws_are_named(self):
        with pytest.raises(ProductInvalid) as refused:
            parse_product(raw(**{f"colour_{number}": 1 for number in range(5_000)}))
        assert len(refused.value.flaws) == 100

    @pytest.mark.parametrize("name", ["name_zh", "code"])
    def test_a_long_text_is_not_sent_back(self, name):
        with pytest.raises(ProductInvalid) as refused:
            parse_product(raw(**{name: "长" * 80_000}))
        assert len(str(refused.value)) < 400
