"""CSV that people hand over: a wrong record costs itself only."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.kit.files.csvfile import CsvRecord, HeaderInvalid, records, rows
from creditlink.kit.files.textfile import TextFile, decode

pytestmark = pytest.mark.pure

KNOWN = ("code", "name", "note")


def read(text, **how):
    return list(rows(TextFile(text), known=KNOWN, needed=("code",), **how))


def told(text):
    """Return the lines that read, and line and field of those that do not."""
    found = read(text)
    good = [(row.line, row.values["code"]) for row in found if isinstance(row, CsvRecord)]
    return good, [(row.line, row.field) for row in found if not isinstance(row, CsvRecord)]


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])), min_size=2, max_size=2),
        max_size=5,
    )
)
def test_what_is_written_is_read_again(table):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    assert [list(record.fields) for record in records(TextFile(out.getvalue()))] == table


class TestQuotes:
    def test_a_field_may_hold_line_ends_and_later_lines_keep_their_numbers(self):
        good, wrong = told('code,name\n1,"a\nb\n""c"""\n2,d\n')
        assert (good, wrong) == ([(2, "1"), (5, "2")], [])

    @pytest.mark.parametrize(
        "bad", ['b,"x', 'b,"x"y', '"b,x', 'b,"x,""', 'b,"', pytest.param("b," + '"a""', id="even")]
    )
    def test_a_quote_gone_wrong_costs_its_own_line(self, bad):
        good, wrong = told(f'code,name\na,1\n{bad}\nc,2\nd,"3"\ne,4\n')
        assert (good, wrong) == ([(2, "a"), (4, "c"), (5, "d"), (6, "e")], [(3, "line")])

    def test_two_quotes_gone_wrong_cost_two_lines(self):
        good, wrong = told('code,name\na,"1\nb,2\nc,3",\nd,"4\ne,5\n')
        assert (good, wrong) == ([(3, "b"), (6, "e")], [(2, "line"), (4, "line"), (5, "line")])

    def test_a_quote_inside_a_bare_field_is_a_sign_like_any_other(self):
        assert told('code,name\n5" pipe,x\nb,y\n')[0] == [(2, '5" pipe'), (3, "b")]

    def test_a_file_of_nothing_but_open_quotes_is_read_in_time(self):
        good, wrong = told("code,name\n" + 'a,"x\n' * 30_001)
        assert (good, len(wrong)) == ([], 30_001)


class TestRows:
    def test_a_field_too_many_or_too_few_is_named(self):
        good, wrong = told("code,name\na,b,c\nd\n\n  \ne,f\n")
        assert (good, wrong) == ([(6, "e")], [(2, "line"), (3, "line")])

    def test_nul_is_named_by_its_column(self):
        row = read("code,name\na,x\x00y\n")[0]
        assert (row.line, row.field, row.value) == (2, "name", "x\ufffdy")
        assert "U+0000" in row.problem

    def test_a_line_that_is_not_text_is_named(self):
        found = list(rows(decode("code,name\na,甲\n".encode() + b"b,\xff\xff\nc,d\n"), known=KNOWN, needed=("code",)))
        assert [type(row).__name__ for row in found] == ["CsvRecord", "WrongRow", "CsvRecord"]
        assert found[1].problem == "is neither UTF-8 nor GBK (GB18030)"

    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_what_a_spreadsheet_separates_by_is_found(self, separator):
        assert told(f"code{separator}name\na{separator}b\n")[0] == [(2, "a")]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "lacks the column code"),
            ("name\n", "lacks the column code"),
            ("code,colour\n", "'colour' is none of code, name, note"),
            ("code,name,name\n", "'name' names this column twice"),
            ('"code" ,name\n', "line 1: the header '\"code\" ,name' cannot be read: is not CSV"),
            ('code,"name\na,b\n', "cannot be read: a quote opens in it that is not closed"),
        ],
    )
    def test_a_wrong_header_is_refused_whole(self, text, said):
        with pytest.raises(HeaderInvalid, match="line 1") as error:
            read(text)
        assert said in str(error.value)
