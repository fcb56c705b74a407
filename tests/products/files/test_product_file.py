"""Files of products: every wrong row by line, field and value, and the good rows are there."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.products.subjects import known_subjects
from creditlink.kit.files.textfile import TextFile, decode
from creditlink.products.files.product_file import _Json, read_products
from tests.engine.matching.samples import SEED, raw, rule

pytestmark = pytest.mark.pure
KNOWN = known_subjects(BY_NAME)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
SEED_TEXT = SEED.read_text("utf-8")


def told(text, form="json"):
    read = read_products(TextFile(text), form, KNOWN, name="file")
    return [terms.code for _, terms in read.products], [(row.line, row.field, row.value) for row in read.wrong]


def line_of(text, needle):
    return next(number for number, line in enumerate(text.splitlines(), 1) if needle in line)


class TestJson:
    def test_each_wrong_field_is_named_by_its_own_line_and_the_good_rows_are_there(self):
        text = json.dumps(
            [
                raw("TAX-1"),
                raw("TAX-2", kind="gold", rate_bps_max=600.5),
                raw("TAX-3", amount_max_fen=5),
                raw("TAX-4", rules=[rule("profile.points", ">=", 600), rule("indicator.shoe_size", ">=", 42)]),
                raw("TAX-5", colour="red"),
                raw("TAX-6"),
            ],
            indent=1,
        )
        good, wrong = told(text)
        assert good == ["TAX-1", "TAX-6"]
        assert wrong == [
            (line_of(text, '"gold"'), "kind", "gold"),
            (line_of(text, "600.5"), "rate_bps_max", 600.5),
            (line_of(text, '"amount_max_fen": 5,'), "amount_max_fen", 5),
            (line_of(text, "shoe_size"), "rules[1].subject", "indicator.shoe_size"),
            (line_of(text, '"red"'), "colour", "red"),
        ]

    def test_a_missing_field_is_told_at_the_line_of_its_product(self):
        text = json.dumps([raw(), {k: v for k, v in raw("TAX-2").items() if k != "kind"}], indent=1)
        assert told(text)[1] == [(line_of(text, '"TAX-2"') - 1, "kind", None)]

    def test_one_product_and_a_list_under_products_are_taken(self):
        assert told(json.dumps(raw()))[0] == ["TAX-1"]
        text = json.dumps({"products": [raw(), raw("TAX-2", kind="gold")]}, indent=1)
        assert told(text) == (["TAX-1"], [(line_of(text, "gold"), "kind", "gold")])

    def test_a_code_given_twice_names_the_first(self):
        read = read_products(TextFile(json.dumps([raw(), raw()], indent=1)), "json", KNOWN)
        assert len(read.products) == 1
        assert "field 'code': value 'TAX-1': is that of line 2 too" in str(read.wrong[0])

    @pytest.mark.parametrize(
        ("tail", "problem"),
        [
            (",\n oops]", "Expecting value"),
            (",\n {'code': 1}]", "expected the name of a member"),
            (",\n NaN]", "NaN is not a JSON number"),
            (',\n {"code": 1, "code": 2}]', "member 'code' appears twice"),
            ("\n", "the text ends too early"),
            ("]\n]", "there is more after the end"),
            (",\n" + "[" * 5000, "nested too deeply"),
        ],
    )
    def test_what_stands_before_a_fault_is_there(self, tail, problem):
        text = f"[{json.dumps(raw())}{tail}"
        read = read_products(TextFile(text), "json", KNOWN)
        assert [terms.code for _, terms in read.products] == ["TAX-1"]
        assert problem in str(read.wrong[0])
        assert read.wrong[0].line in (1, 2)

    @pytest.mark.parametrize("name", ["²", "rules/x", "rules[0]", "rules.²", "[]", ""])
    def test_any_name_of_a_member_is_told(self, name):
        for value in (1, "\0"):
            good, wrong = told(json.dumps([raw("TAX-1") | {name: value}, raw("TAX-2")]))
            assert good == ["TAX-2"]
            assert [field for _, field, _ in wrong] == [name]

    @settings(max_examples=60)
    @given(ANY_JSON)
    def test_any_json_is_read_as_the_library_reads_it(self, value):
        assert _Json(json.dumps(value, indent=1)).whole()[0] == value


class TestNdjson:
    def test_a_line_that_does_not_parse_costs_only_itself(self):
        lines = [json.dumps(raw()), "{oops", json.dumps(raw("TAX-2", kind="gold")), "", "[]", json.dumps(raw("TAX-3"))]
        good, wrong = told("\n".join(lines), "ndjson")
        assert good == ["TAX-1", "TAX-3"]
        assert [(line, field) for line, field, _ in wrong] == [(2, ""), (3, "kind"), (5, "(product)")]

    def test_a_sign_that_is_no_line_end_stays_in_its_text(self):
        rows = [raw(name_en="Tax\u2028Loan"), raw("TAX-2", kind="gold")]
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        assert told(text, "ndjson") == (["TAX-1"], [(2, "kind", "gold")])

    def test_a_line_that_is_not_text_costs_only_itself(self):
        content = json.dumps(raw()).encode() + b'\n{"code": "\xff\xff"}\n' + json.dumps(raw("TAX-2")).encode()
        read = read_products(decode(content), "ndjson", KNOWN)
        assert [terms.code for _, terms in read.products] == ["TAX-1", "TAX-2"]
        assert [row.line for row in read.wrong] == [2]


class TestCharacters:
    @pytest.mark.parametrize("form", ["json", "ndjson"])
    @pytest.mark.parametrize(("name", "shown"), [("a\0b", "a\ufffdb"), ("\ud800", "\ufffd")])
    def test_nul_and_half_characters_are_refused_by_line_and_field(self, form, name, shown):
        rows = [raw(), raw("TAX-2", name_en=name), raw("TAX-3", tags=["new", name])]
        text = json.dumps(rows, indent=1) if form == "json" else "\n".join(map(json.dumps, rows))
        lines = (
            [number for number, line in enumerate(text.split("\n"), 1) if json.dumps(name) in line]
            if form == "json"
            else [2, 3]
        )
        good, wrong = told(text, form)
        assert good == ["TAX-1"]
        assert wrong == [(lines[0], "name_en", shown), (lines[1], "tags[1]", shown)]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
    def test_every_form_is_read_in_every_encoding(self, encoding):
        one = json.dumps(raw(), ensure_ascii=False)
        for text, form in ((one, "json"), (one, "ndjson"), (SEED_TEXT, "toml")):
            read = read_products(decode(text.encode(encoding)), form, KNOWN)
            assert read.products
            assert not read.wrong

    def test_lines_of_a_toml_file_are_those_of_an_editor(self):
        text = "# a\u2028b\x85c\n" + SEED_TEXT.replace('key = "TAX"', 'key = "TAX"\ncolour = "red"', 1)
        wrong = read_products(TextFile(text), "toml", KNOWN).wrong
        lines = text.split("\n")
        assert f"line {next(n for n, line in enumerate(lines, 1) if 'red' in line) - 2}" in str(wrong[0])


class TestToml:
    def test_the_seed_is_without_fault(self):
        good, wrong = told(SEED_TEXT, "toml")
        assert (len(good), wrong) == (len(set(good)), [])
        assert len(good) >= 369

    def test_every_fault_is_told_once_and_all_else_is_there(self):
        whole, _ = told(SEED_TEXT, "toml")
        text = SEED_TEXT.replace('kind = "leasing", short_zh = "筑恒租赁"', 'kind = "club", short_zh = "筑恒租赁"')
        text = text.replace('key = "TAX"', 'key = "TAX"\ncolour = "red"', 1)
        text = text.replace("indicator.capacity_utilisation", "indicator.shoe_size")
        read = read_products(TextFile(text), "toml", KNOWN, name="seed.toml")
        assert 100 < len(read.products) < len(whole)
        said = "\n".join(map(str, read.wrong))
        assert f"line {line_of(text, 'club')}: institution 'ZHL': field 'kind': value 'club'" in said
        assert "field 'colour': value 'red': is not a field here" in said
        shoes = [row for row in read.wrong if row.value == "indicator.shoe_size"]
        assert shoes
        places = ("rules", "[[", "optional")
        assert {text.splitlines()[row.line - 1].startswith(places) for row in shoes} == {True}
        assert len(shoes) == len({(row.line, row.field) for row in shoes}) < 10

    def test_a_field_of_a_plain_product_has_its_own_line(self):
        plain = "\n".join(
            f"{name} = {json.dumps(value)}" if name != "valid_from" else "valid_from = 2024-01-01"
            for name, value in raw("LJB-OWN", kind="gold", rules=[]).items()
        )
        text = f"{SEED_TEXT}\n[[products]]\n{plain}\n"
        assert told(text, "toml")[1] == [(line_of(text, 'kind = "gold"'), "kind", "gold")]

    @pytest.mark.parametrize("value", ["5", '"x"', "[]", "[5]", '["x"]', "[[5]]", "true", "2024-01-01", "{}", "[nan]"])
    def test_garbage_in_a_template_is_told_and_never_breaks(self, value):
        head, first, *_ = SEED_TEXT.split("[[templates]]")
        names = [line.partition(" =")[0] for line in first.splitlines() if " = " in line and line[0].isalpha()]
        assert len(names) > 10
        broken = 0
        for name in names:
            lines = [f"{name} = {value}" if line.startswith(f"{name} =") else line for line in first.splitlines()]
            read = read_products(TextFile(f"{head}[[templates]]" + "\n".join(_whole(lines, name))), "toml", KNOWN)
            broken += bool(read.wrong)
        assert broken > len(names) / 2


def _whole(lines, name):
    """Drop the further lines of a list that was replaced by one value."""
    kept, skipping = [], False
    for line in lines:
        if skipping:
            skipping = not line.startswith("]")
            continue
        kept.append(line)
        skipping = line.startswith(f"{name} =") and line.rstrip().endswith("[")
    return kept
