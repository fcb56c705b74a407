"""The golden files of the offices are what the command makes today; hard values of any dialect."""

import json
from pathlib import Path

import pytest

from creditlink.conformance import mutations
from creditlink.conformance.cases import KINDS, read_cases
from creditlink.conformance.recording import OFFICES, record_office

pytestmark = pytest.mark.pure

WIRE = Path(__file__).parent / "wire"


def lasting(path):
    """Return a golden file without what is new each time: the instant and number of a certificate."""
    case = json.loads(path.read_text(encoding="utf-8"))
    for exchange in case["exchanges"]:
        answer = exchange["response"].get("json", {})
        for name in ("查询时间", "凭证编号"):
            answer.get("查询凭证", {}).pop(name, None)
    for fact in case["expect"]["facts"]:
        if fact["subkey"] == "searched":
            del fact["known_at"]
    return case


@pytest.mark.parametrize("office", OFFICES)
def test_the_committed_files_are_what_the_command_makes(office, tmp_path):
    made = record_office(office, tmp_path)
    assert [path.stem for path in made] == list(KINDS)
    for path in made:
        assert lasting(path) == lasting(WIRE / office / path.name), path.name


@pytest.mark.parametrize("office", OFFICES)
def test_they_are_small_and_hold_no_credential(office):
    for path in (WIRE / office).glob("*.json"):
        assert "sandbox-" not in path.read_text(encoding="utf-8")
    sizes = {case.name: len(case.facts) for case in read_cases(WIRE / office)}
    # A page of customs has a hundred rows, whatever is asked for; the tax bureau has five resources.
    assert max(sizes.values()) <= {"import_export": 110, "tax": 50}.get(office, 12)


def test_a_conversation_says_nothing_twice():
    for office in OFFICES:
        for path in (WIRE / office).glob("*.json"):
            asked = [json.dumps(one["request"], sort_keys=True) for one in json.loads(path.read_bytes())["exchanges"]]
            assert len(set(asked)) == len(asked), path


def test_the_tax_bureaus_files_show_every_way_to_file():
    facts = [json.loads(fact) for case in read_cases(WIRE / "tax") for fact in case.facts]
    values = [fact["values"] for fact in facts]
    assert {one["filing"] for one in values if "filing" in one} == {"monthly", "quarterly", "occasion"}
    assert any(one.get("filing") == "monthly" and one["filed_on"] is None for one in values)
    assert {fact["subkey"] for fact in facts if fact["frame"] == "income_tax_returns"} == {"prepayment", "settlement"}
    kinds = {fact["subkey"].partition("/")[0] for fact in facts if fact["frame"] == "tax_events"}
    assert kinds == {"violation", "penalty", "refund"}
    assert {one["taxpayer_kind"] for one in values if "taxpayer_kind" in one} == {"general", "small_scale"}


@pytest.mark.parametrize(
    ("body", "spoilt"),
    [
        (b'{"a": 1}\n{"b": "x"}\n', b'{"a": 1}\n{"b": "n/a"}\n'),
        ("H|1\r\nD|出口|202404\r\n".encode("gb18030"), "H|1\r\nD|出口|n/a\r\n".encode("gb18030")),
        (b"h1,h2\r\n1,2\r\n", b"h1,h2\r\n1,n/a\r\n"),
    ],
)
def test_one_value_of_a_line_is_replaced(body, spoilt):
    assert spoilt in [found for _, found in mutations.hard_values(body)[body]]


@pytest.mark.parametrize(
    ("body", "members"),
    [
        (b'{"rows": [{"a": 1, "b": 2}, {"a": 3, "b": 4}], "n": 2}', 3),
        (b'{"rows": [["x", 1], ["y", 2], ["z", 3]]}', 2),
        (b'{"t": 1, "b": 2}\n{"t": 1, "b": 3}\n{"t": 2, "c": 4}\n', 4),
        (b'<a n="2"><b n="1"><c>x</c><d>y</d></b><b n="2"><c>z</c><d>w</d></b></a>', 4),
        (b"h1,h2\r\n1,2\r\n3,4\r\n", 2),
        (b"H|1\r\nD|a|7\r\nD|b|8\r\nT|2\r\n", 5),
    ],
)
def test_alike_members_are_replaced_once_by_each_hard_value(body, members):
    once = len(mutations._HARD) + 1 if body.startswith(b"{") else len(mutations._HARD_TEXT)
    found = mutations.hard_values(body, b" " + body)
    assert sum(map(len, found.values())) == members * once
    assert all(found.values())


@pytest.mark.parametrize("office", ["tax", "electricity", "water", "gas"])
def test_the_bureaus_bad_rows_are_of_every_sort_with_good_ones_beside_them(office):
    case = next(case for case in read_cases(WIRE / office) if case.kind == "bad_rows")
    by_resource = {}
    for resource, field in case.rejects:
        by_resource.setdefault(resource, set()).add(field)
    assert max(len(fields) for fields in by_resource.values()) >= 3
    assert case.facts
