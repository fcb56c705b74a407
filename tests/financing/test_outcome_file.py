"""Files of outcomes as they come: each wrong line by number, field and value, and no line lost to another."""

import json

import pytest

from creditlink.financing.loans.outcome_file import Line, LineError, OutcomeInvalid, read_lines
from creditlink.kit.files.textfile import decode

pytestmark = pytest.mark.pure

HEAD = "application_id,kind,on,amount_fen,days_past_due,reference\n"
DRAW = {"application_id": "app_1", "kind": "draw", "on": "2026-03-05", "amount_fen": 100}


def told(content, form="csv"):
    """Return the references of the lines that read by number, and the wrong ones."""
    found = list(read_lines(decode(content if isinstance(content, bytes) else content.encode()), form=form))
    good = {line.number: line.outcome.reference for line in found if isinstance(line, Line)}
    return good, [(line.line, line.field) for line in found if isinstance(line, LineError)]


def ndjson(*rows):
    return "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)


class TestNdjson:
    @pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85"])
    def test_a_sign_that_is_no_line_end_stays_in_its_text(self, sign):
        text = ndjson(DRAW | {"reference": f"first{sign}tranche"}, DRAW | {"kind": "nope"})
        assert told(text, "ndjson") == ({1: f"first{sign}tranche"}, [(2, "kind")])

    def test_nul_and_half_characters_are_refused_by_field(self):
        text = ndjson(
            '{"application_id":"a","kind":"draw","on":"2026-03-05","amount_fen":5,"reference":"a\\u0000b"}',
            '{"application_id":"a","kind":"draw","on":"2026-03-05","amount_fen":5,"reference":"\\ud800"}',
            DRAW | {"reference": "good"},
        )
        assert told(text, "ndjson") == ({3: "good"}, [(1, "reference"), (2, "reference")])

    def test_a_member_given_twice_is_refused_by_name(self):
        twice = '{"application_id":"app_1","kind":"draw","on":"2026-03-05","amount_fen":100,"amount_fen":200}'
        assert told(ndjson(twice, DRAW), "ndjson") == ({2: ""}, [(1, "amount_fen")])

    def test_what_is_no_object_or_no_text_is_named(self):
        content = ndjson("[]", "{", "1" * 5000, DRAW).encode() + b'\n{"application_id":"\xff\xff"}'
        assert told(content, "ndjson") == ({4: ""}, [(1, "line"), (2, "line"), (3, "line"), (5, "line")])

    def test_marks_and_crlf_are_read(self):
        for encoding in ("utf-8-sig", "utf-16"):
            assert told(ndjson(DRAW, DRAW).replace("\n", "\r\n").encode(encoding), "ndjson")[0] == {1: "", 2: ""}


class TestCsv:
    @pytest.mark.parametrize(
        ("bad", "end"), [('app_1,draw,2026-03-05,100,,"a"b', "\n"), ('app_2,draw,2026-03-05,100,,"unclosed', "\n")]
    )
    def test_a_quote_gone_wrong_names_its_line_and_the_others_are_in(self, bad, end):
        good = "app_1,draw,2026-03-05,100,,"
        assert told(f"{HEAD}{good}x{end}{bad}{end}{good}y{end}{good}z{end}") == (
            {2: "x", 4: "y", 5: "z"},
            [(3, "line")],
        )

    @pytest.mark.parametrize("end", ["\r", "\r\n"])
    def test_every_line_end_is_read(self, end):
        assert told((HEAD + "app_1,draw,2026-03-05,100,,x\n").replace("\n", end)) == ({2: "x"}, [])

    def test_gbk_is_read(self):
        assert told((HEAD + "app_1,draw,2026-03-05,100,,首笔\n").encode("gbk")) == ({2: "首笔"}, [])

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            ('"application_id" ,kind,on', "cannot be read"),
            ("application_id,kind,on,amount_fen,amount_fen", "twice"),
            ('application_id,kind,on,"amount_fen', "cannot be read"),
        ],
    )
    def test_a_header_that_cannot_be_trusted_is_refused(self, header, said):
        with pytest.raises(OutcomeInvalid, match=said):
            told(f"{header}\napp_1,closure,2026-03-05\n")
