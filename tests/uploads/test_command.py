"""`creditlink sources check-upload`: what would be taken, without a database."""

from __future__ import annotations

import json
from datetime import date

import pytest
from click.testing import CliRunner

from creditlink.cli.sources import sources
from tests.uploads.exports import DECLARATION_HEADER, csv, declaration

pytestmark = pytest.mark.pure
FIRM = "91440606MA4XYZ1234"


def check(tmp_path, content, uscc=FIRM):
    file = tmp_path / "export.csv"
    file.write_bytes(content)
    return CliRunner().invoke(sources, ["check-upload", str(file), "--uscc", uscc])


def test_it_says_what_would_be_taken_and_names_the_rest(tmp_path):
    good, bad = declaration(FIRM, date(2026, 1, 1)), declaration(FIRM, date(2026, 2, 1), 应纳税额合计="many")
    done = check(tmp_path, csv(DECLARATION_HEADER, [good, bad]).encode("gb18030"))
    assert done.exit_code == 1
    assert "line 3: field '应纳税额': value 'many': not an amount in yuan with two decimals" in done.stderr
    found = json.loads(done.stdout)
    assert (found["layout"], found["format"], found["rows"], found["taken"], found["wrong"]) == (
        "declarations", "csv", 2, 1, 1,
    )  # fmt: skip
    assert (found["facts"][0]["period"], found["facts"][0]["taxable_sales_fen"]) == ("2026-01-01", 10_000_000)
    assert check(tmp_path, csv(DECLARATION_HEADER, [good]).encode(), FIRM.lower()).exit_code == 0


@pytest.mark.parametrize(("content", "said"), [(b"%PDF-1.4", "PDF"), (b"", "empty"), (b"a,b\n1,2\n", "no table")])
def test_a_file_that_is_not_taken_ends_it_with_one_line(tmp_path, content, said):
    done = check(tmp_path, content)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_firms_file(tmp_path):
    done = check(
        tmp_path, csv(DECLARATION_HEADER, [declaration(FIRM, date(2026, 1, 1))]).encode(), "91440606MA4ABC1239"
    )
    assert "another firm's" in done.stderr
