from collections import Counter
from dataclasses import replace

import pytest

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.products.checker import check_product
from creditlink.engine.matching.products.subjects import known_subjects
from creditlink.engine.matching.products.terms import ProductInvalid
from creditlink.engine.matching.settings import MatchingSettingsInvalid
from creditlink.engine.vocabulary import LENDER_KINDS, PRODUCT_KINDS
from creditlink.products.files.open_form import parse_product
from creditlink.products.files.seed import load_seed
from creditlink.products.files.settings import load_settings
from creditlink.products.files.templates import SeedInvalid
from tests.engine.matching.samples import SEED, SETTINGS

pytestmark = pytest.mark.pure

HEAD = 'seed = "1"\nvalid_from = 2024-01-01\n'
LENDER = """
institutions = [
  { code = "AAB", kind = "bank", short_zh = "甲", name_zh = "甲行", short_en = "A", name_en = "A Bank" },
]
"""
TEMPLATE = """
[[templates]]
key = "T"
kind = "tax"
institutions = ["bank"]
names_zh = ["贷"]
names_en = ["Loan"]
amount_min_wan = [1]
amount_max_wan = [10]
terms = [[1, 12]]
rate_min = [300]
rate_spread = [100]
rules = [["profile.points", ">=", [500, 600]]]
"""


@pytest.fixture(scope="module")
def seeded():
    return load_seed(SEED)


class TestTheSeed:
    def test_has_what_the_platform_promises(self, seeded):
        institutions, products = seeded
        assert len(institutions) >= 38
        assert len(products) >= 369
        assert {one.kind for one in institutions} == set(LENDER_KINDS)
        assert {terms.institution_code for terms in products} == {one.code for one in institutions}
        assert {terms.kind for terms in products} == set(PRODUCT_KINDS)

    def test_is_varied(self, seeded):
        products = seeded[1]
        shapes = Counter(
            (t.kind, t.amount_max_fen, t.rate_bps_min, t.rate_bps_max, t.term_months_max, t.rules) for t in products
        )
        assert len(shapes) > 0.9 * len(products)
        assert len({rule for t in products for rule in t.rules}) > 150

    def test_names_are_in_both_languages(self, seeded):
        for one in [*seeded[0], *seeded[1]]:
            assert any("一" <= sign <= "鿿" for sign in one.name_zh), one
            assert one.name_en.isascii(), one

    def test_every_rule_holds_with_the_catalogue_and_the_checker(self, seeded):
        compile_book(seeded[1], BY_NAME, SETTINGS)
        known = known_subjects(BY_NAME)
        errors = [(t.code, f) for t in seeded[1] for f in check_product(t, known) if f.severity == "error"]
        assert errors == []

    def test_is_the_same_each_time_and_round_trips(self, seeded):
        again = load_seed(SEED)
        assert again == seeded
        assert [parse_product(terms.to_dict()) for terms in seeded[1]] == seeded[1]

    def test_more_rounds_keep_the_first(self, seeded):
        twice = load_seed(SEED, rounds=2)[1]
        assert len(twice) > 1.8 * len(seeded[1])
        assert set(seeded[1]) <= set(twice)
        assert len({terms.code for terms in twice}) == len(twice)


def write(tmp_path, text):
    path = tmp_path / "products.toml"
    path.write_text(text, "utf-8")
    return path


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("seed = ", "products.toml: not TOML"),
            ('seed = "1"', "fields 'seed' (text) and 'valid_from' (date) are needed"),
            (HEAD + "other = 1", "field 'other': is not part of a seed"),
            (
                HEAD + LENDER.replace('"bank"', '"club"'),
                "line 5: institution 'AAB': field 'kind': value 'club'",
            ),
            (HEAD + LENDER.replace("short_en", "short_fr"), "line 5: field 'short_fr': value 'A': is not a field here"),
            (
                HEAD + LENDER + TEMPLATE.replace("[300]", "[]"),
                "line 8: field 'rate_min': value []: must list at",
            ),
            (
                HEAD + LENDER + TEMPLATE.replace("[500, 600]", "500"),
                "field 'rules': value ['profile.points', '>=', 5",
            ),
            (HEAD + LENDER + TEMPLATE.replace("kind =", "sort ="), "field 'sort': value 'tax': is not a field here"),
        ],
    )
    def test_file_line_field_and_value_are_named(self, tmp_path, text, message):
        with pytest.raises(SeedInvalid) as caught:
            load_seed(write(tmp_path, text))
        assert message in str(caught.value)

    def test_a_template_that_makes_a_wrong_product_names_its_line(self, tmp_path):
        with pytest.raises(ProductInvalid) as caught:
            load_seed(write(tmp_path, HEAD + LENDER + TEMPLATE.replace("[300]", "[-300]")))
        assert "line 8: product 'AAB-T': field 'rate_bps_min': value -300: must be at least" in str(caught.value)

    def test_a_code_given_twice_is_named(self, tmp_path):
        row = LENDER.splitlines()[2]
        with pytest.raises(SeedInvalid, match="line 6: field 'code': value 'AAB': appears twice"):
            load_seed(write(tmp_path, HEAD + LENDER.replace(row, f"{row}\n{row}")))

    def test_a_plain_product_is_taken_and_must_belong_to_an_institution(self, tmp_path):
        plain = """
[[products]]
code = "AAB-OWN"
institution_code = "AAB"
institution_kind = "bank"
name_zh = "贷"
name_en = "Loan"
kind = "tax"
amount_min_fen = 1
amount_max_fen = 2
term_months_min = 1
term_months_max = 2
rate_bps_min = 1
rate_bps_max = 2
valid_from = 2024-01-01
"""
        _, products = load_seed(write(tmp_path, HEAD + LENDER + plain))
        assert [terms.code for terms in products] == ["AAB-OWN"]
        with pytest.raises(ProductInvalid, match="line 8: product 'AAB-OWN': field 'institution_code': value 'AAC'"):
            load_seed(write(tmp_path, HEAD + LENDER + plain.replace('"AAB"', '"AAC"')))


class TestSettings:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("approval = 1.0", "approval = -1.0", "setting weights.approval: value -1.0: must lie between 0 and 10"),
            ("cost = 4.0", 'cost = "much"', "setting weights.cost: value 'much': must be a number"),
            ("[near_miss]", "[near]", "setting near_miss is missing"),
            ("leasing = 320\n", "", "setting price.funding_bps.leasing is missing"),
            ('tax = ["turnover"]', 'tax = ["luck"]', "setting limit.kinds.tax: value ['luck']: must list bases out of"),
            ("reference_bps = 600", "reference_bps = 600\nspeed = 3", "setting cost.speed: value 3: is not a setting"),
            ("[weights]", "[weights", "not TOML"),
        ],
    )
    def test_a_wrong_setting_is_named_with_its_value(self, tmp_path, old, new, message):
        text = (SEED.parent / "matching.toml").read_text("utf-8")
        assert old in text
        path = tmp_path / "matching.toml"
        path.write_text(text.replace(old, new), "utf-8")
        (tmp_path / "price_response.csv").write_bytes((SEED.parent / "price_response.csv").read_bytes())
        with pytest.raises(MatchingSettingsInvalid) as caught:
            load_settings(path)
        assert message in str(caught.value)

    def test_a_basis_on_an_unknown_indicator_is_named(self):
        wrong = replace(SETTINGS, bases=(replace(SETTINGS.bases[0], indicator="luck"),))
        with pytest.raises(ValueError, match=r"setting limit\.bases turnover: value 'luck': is not a known indicator"):
            compile_book([], BY_NAME, wrong)
