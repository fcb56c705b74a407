"""Rows of the feed: what they say, and every way in which they can be wrong, by field and value."""

import json
from datetime import date

import pytest

from creditlink.enterprises.registry.change import MOST_ITEMS, ChangeInvalid, change_of, readable_uscc
from creditlink.enterprises.registry.feed_file import FormUnknown, read_feed
from creditlink.kit.files.csvfile import HeaderInvalid
from creditlink.kit.files.textfile import decode
from tests.factories import make_uscc

pytestmark = pytest.mark.pure

CODE, OTHER = make_uscc(1), make_uscc(2)


def row(**values):
    return {"sequence": "4406-1", "uscc": CODE} | values


def flaws_of(**values):
    with pytest.raises(ChangeInvalid) as wrong:
        change_of(row(**values))
    return [(flaw.field, flaw.problem) for flaw in wrong.value.flaws]


def test_a_row_says_what_it_names_and_nothing_else():
    change = change_of(
        row(
            uscc=f" {CODE.lower()} ",
            status="revoked",
            registered_capital_fen=5,
            valid_from="2026-02-28",
            shareholders=[{"name": "张三", "person_id": "p1", "share_bps": 6000}, {"name": "乙公司", "uscc": OTHER}],
            address=None,
        )
    )
    assert change.uscc == CODE
    assert dict(change.registration) == {"status": "revoked", "registered_capital_fen": 5}
    assert change.valid_from == date(2026, 2, 28)
    assert [(one.name, one.uscc, one.share_bps) for one in change.shareholders] == [
        ("张三", None, 6000),
        ("乙公司", OTHER, None),
    ]
    assert (change.name, change.address, change.branches) == (None, None, None)


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"uscc": None}, "uscc", "is missing"),
        ({"uscc": 91}, "uscc", "must be a text"),
        ({"uscc": "9144"}, "uscc", "needs 18 characters"),
        ({"uscc": CODE + "\0"}, "uscc", "U+0000"),
        ({"former_uscc": CODE}, "former_uscc", "is the code itself"),
        ({"name": "甲\ud800"}, "name", "half of a character"),
        ({"name": "甲\u0007"}, "name", "control character"),
        ({"name": "   "}, "name", "must not be empty"),
        ({"name": "甲" * 201}, "name", "at most 200"),
        ({"name": ["甲"]}, "name", "must be a text"),
        ({"sequence": "1 2"}, "sequence", "letters, digits"),
        ({"sequence": 7}, "sequence", "must be a text"),
        ({"status": "asleep"}, "status", "must be one of active"),
        ({"registered_capital_fen": -1}, "registered_capital_fen", "whole number"),
        ({"registered_capital_fen": True}, "registered_capital_fen", "whole number"),
        ({"registered_capital_fen": 1.0}, "registered_capital_fen", "whole number"),
        ({"registered_capital_fen": 2**63}, "registered_capital_fen", "whole number"),
        ({"established_on": "2026-02-30"}, "established_on", "YYYY-MM-DD"),
        ({"established_on": "20260201"}, "established_on", "YYYY-MM-DD"),
        ({"valid_from": "2026-02-01T00:00:00+08:00"}, "valid_from", "YYYY-MM-DD"),
        ({"valid_from": "1900-01-01"}, "valid_from", "must not lie before 1949"),
        ({"representative_id": "p"}, "representative_id", "needs legal_representative"),
        ({"shareholders": {"name": "张三"}}, "shareholders", "must be a list"),
        ({"shareholders": ["张三"]}, "shareholders[0]", "must be an object"),
        ({"shareholders": [{"share_bps": 1}]}, "shareholders[0].name", "is missing"),
        ({"shareholders": [{"name": "甲", "share_bps": 10001}]}, "shareholders[0].share_bps", "0 to 10000"),
        ({"shareholders": [{"name": "甲", "id_number": "4406"}]}, "shareholders[0].id_number", "is none of"),
        ({"shareholders": [{"name": "甲", "uscc": CODE}]}, "shareholders", "names the firm itself"),
        ({"shareholders": [{"name": "甲", "uscc": OTHER}] * 2}, "shareholders", "names one of them twice"),
        ({"shareholders": [{"name": n, "share_bps": 9000} for n in "甲乙"]}, "shareholders", "more than 10000"),
        ({"shareholders": [{"name": "甲"}] * (MOST_ITEMS + 1)}, "shareholders", "at most 500"),
        ({"guarantees": [{"name": "甲", "amount_fen": 1}]}, "guarantees[0].uscc", "is missing"),
        ({"id_number": "4406"}, "id_number", "is none of sequence"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(values, field, says):
    found = flaws_of(**values)
    assert [name for name, _ in found] == [field]
    assert says in found[0][1]


def test_every_wrong_field_is_named_at_once():
    assert [field for field, _ in flaws_of(status="x", address="", name=1)] == ["address", "name", "status"]


def test_two_shareholders_of_one_name_are_two_persons():
    assert len(change_of(row(shareholders=[{"name": "陈伟"}, {"name": "陈伟"}])).shareholders) == 2


@pytest.mark.parametrize(
    ("given", "read"), [(CODE, CODE), (CODE.lower(), CODE), ("x", None), (None, None), (5, None), ("9" * 10**6, None)]
)
def test_the_code_of_a_row_that_is_otherwise_wrong_is_read_where_it_can_be(given, read):
    assert readable_uscc({"uscc": given, "name": 5}) == read


class TestFiles:
    def test_json_lines_keep_their_numbers_and_name_what_cannot_be_read(self):
        lines = [
            json.dumps(row(name="甲公司"), ensure_ascii=False).encode(),
            b"",
            b'{"uscc": ',
            b"[]",
            b'{"uscc": "x", "uscc": "y"}',
            b'{"uscc": "\\u0000"}',
            b'{"a": [[[[[1]]]]]}',
            b'{"registered_capital_fen": 1e999}',
        ]
        rows = list(read_feed(decode(b"\xef\xbb\xbf" + b"\r\n".join(lines)), "FEED.NDJSON"))
        assert [(one.line, one.flaw is None) for one in rows] == [
            (1, True), (3, False), (4, False), (5, False), (6, False), (7, False), (8, False),
        ]  # fmt: skip
        assert rows[0].members["name"] == "甲公司"
        said = [one.flaw.problem for one in rows[1:]]
        assert "is not JSON" in said[0]
        assert said[1] == "must be an object"
        assert "appears twice" in said[2]
        assert "U+0000" in said[3]
        assert "nested deeper" in said[4]

    def test_csv_of_a_spreadsheet_in_gbk(self):
        text = "sequence;uscc;name;registered_capital_fen;shareholders\n"
        text += f'1;{CODE};佛山市甲公司;100;"[{{""name"":""张三""}}]"\n'
        text += f"2;{OTHER};;1,5;\n3;{CODE};;;[\n"
        rows = list(read_feed(decode(text.encode("gb18030")), "feed.csv"))
        assert rows[0].members == {
            "sequence": "1", "uscc": CODE, "name": "佛山市甲公司", "registered_capital_fen": 100,
            "shareholders": [{"name": "张三"}],
        }  # fmt: skip
        assert [(one.line, one.flaw.field) for one in rows[1:]] == [(3, "registered_capital_fen"), (4, "shareholders")]

    def test_a_header_or_a_name_that_is_none_is_refused(self):
        with pytest.raises(HeaderInvalid, match="is none of"):
            list(read_feed(decode(b"uscc,id_number\n"), "a.csv"))
        with pytest.raises(FormUnknown, match=r"\.csv"):
            list(read_feed(decode(b""), "a.xlsx"))
