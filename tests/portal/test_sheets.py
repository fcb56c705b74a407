"""Tables of a page: sorted, filtered, paged and exported as the address asks, and nothing else."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest

from creditlink.portal.sheets.sheet import (
    Sheet,
    SheetColumn,
    SheetFilter,
    SheetRefused,
    asked_of,
    cell_of,
    csv_text,
    kept,
    ordered,
)

pytestmark = pytest.mark.pure


@dataclass(frozen=True)
class Loan:
    firm: str
    points: int | None
    amount_fen: int
    due_on: date
    at: datetime
    state: str = "open"


AT = datetime(2026, 11, 30, 17, 30, tzinfo=UTC)
LOANS = [
    Loan("乙", 700, -123456789, date(2026, 1, 2), AT),
    Loan("=HYPERLINK(1)", None, 5, date(2026, 1, 3), AT, "late"),
    Loan("甲", 650, 100_000_000, date(2025, 12, 31), AT),
    Loan("丙", 700, 0, date(2026, 1, 1), AT),
]
COLUMNS = (
    SheetColumn("firm", "Firm", lambda one: one.firm, note=lambda one: "+" + one.state, note_label="Note"),
    SheetColumn("points", "Points", lambda one: one.points, "points"),
    SheetColumn("amount", "Amount", lambda one: one.amount_fen, "money", unit="yuan"),
    SheetColumn("due", "Due", lambda one: one.due_on, "day"),
    SheetColumn("at", "At", lambda one: one.at, "instant"),
    SheetColumn("state", "State", lambda one: one.state, text=lambda one: one.state.upper(), tone=lambda one: "bad"),
    SheetColumn("free", "Free", lambda one: one.firm, "own", sorts=False),
)
FILTERS = (
    SheetFilter("firm", "Firm", meets=lambda one, text: text in one.firm),
    SheetFilter("state", "State", "choice", [("open", "Open"), ("late", "Late")], lambda one, code: one.state == code),
    SheetFilter("since", "Since", "day", meets=lambda one, day: one.due_on >= day),
    SheetFilter("least", "Least", "number", meets=lambda one, number: (one.points or 0) >= number),
)


def asked(*arguments, prefix=""):
    return asked_of(arguments, COLUMNS, FILTERS, first="-points", prefix=prefix)


def names(*arguments):
    wanted = asked(*arguments)
    return [one.firm for one in ordered(kept(LOANS, FILTERS, wanted.values), COLUMNS, wanted)]


def sheet(*arguments, prefix="", per_page=2, total=4):
    wanted = asked(*arguments, prefix=prefix)
    start = (wanted.page - 1) * per_page
    return Sheet("Loans", COLUMNS, FILTERS, wanted, LOANS[start : start + per_page], total, prefix, per_page=per_page)


def test_what_is_not_known_comes_last_both_ways_and_equal_rows_keep_their_order():
    assert names() == ["乙", "丙", "甲", "=HYPERLINK(1)"]
    assert names(("sort", "points")) == ["甲", "乙", "丙", "=HYPERLINK(1)"]
    assert names(("sort", "due")) == ["甲", "丙", "乙", "=HYPERLINK(1)"]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([("state", "late")], 1),
        ([("since", "2026-01-02")], 2),
        ([("least", "7e2")], 2),
        ([("firm", "甲"), ("state", "late")], 0),
        ([("firm", "  ")], 4),
        ([("state", "late"), ("state", "open")], 1),  # the first counts
    ],
)
def test_filters_narrow_together(arguments, left):
    assert len(names(*arguments)) == left


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("sort", "free", "sort"),
        ("sort", "--points", "sort"),
        ("sort", "password_hash", "sort"),
        ("page", "0", "page"),
        ("page", "-1", "page"),
        ("page", "٣", "page"),
        ("page", "9" * 400, "page"),
        ("state", "OPEN", "choice"),
        ("since", "20260101", "day"),
        ("since", "0001-01-01", "day"),
        ("since", "9999-12-31", "day"),
        ("least", "nan", "number"),
        ("least", "Infinity", "number"),
        ("least", "1e999999999", "number"),
        ("least", "x" * 5000, "number"),
    ],
)
def test_what_the_table_cannot_show_is_refused_and_named(name, text, what):
    with pytest.raises(SheetRefused) as refused:
        asked((name, text))
    assert refused.value.what == what


def test_addresses_keep_what_is_narrowed_and_what_is_not_the_tables():
    one = sheet(("enterprise", "a b"), ("lang", "zh"), ("firm", "甲&x"), ("page", "1"))
    assert one.next == "?enterprise=a+b&firm=%E7%94%B2%26x&sort=-points&page=2"
    assert one.previous is None
    assert one.whole == "?enterprise=a+b"
    assert one.csv.endswith("&export=csv")
    assert "page" not in one.sorted_by(COLUMNS[0])


def test_a_header_says_its_direction_and_turns_it_round():
    one = sheet(("sort", "firm"))
    assert one.direction(COLUMNS[0]) == "ascending"
    assert one.sorted_by(COLUMNS[0]) == "?sort=-firm"
    assert one.direction(COLUMNS[1]) is None
    assert one.sorted_by(COLUMNS[1]) == "?sort=-points"  # the largest first
    assert sheet(("sort", "-firm")).sorted_by(COLUMNS[0]) == "?sort=firm"


def test_pages_end_where_the_rows_do():
    assert sheet(("page", "2")).span == (3, 4)
    assert sheet(("page", "2")).next is None
    assert sheet(("page", "2")).previous.endswith("page=1")
    assert sheet(("page", "5000"), total=10_001).next is None  # no page beyond what may be paged through


def test_two_tables_on_a_page_do_not_meet():
    one = sheet(("sort", "firm"), ("b.sort", "due"), ("b.page", "2"), prefix="b.")
    assert (one.asked.sort, one.asked.page) == ("due", 2)
    assert one.previous == "?sort=firm&b.sort=due&b.page=1#b.sheet"


@pytest.mark.parametrize(
    ("column", "row", "text"),
    [
        (2, 0, "-1,234,567.89"),
        (2, 1, "0.05"),
        (2, 2, "1,000,000.00"),
        (1, 1, "–"),
        (1, 0, "700"),
        (3, 0, "2026-01-02"),
        (5, 1, "LATE"),
    ],
)
def test_cells_are_written_by_their_kind(column, row, text):
    assert cell_of(COLUMNS[column], LOANS[row]).text == text


def test_small_negative_money_keeps_its_sign():
    column = SheetColumn("amount", "Amount", lambda fen: fen, "money")
    assert [cell_of(column, fen).text for fen in (-5, -100, -99)] == ["-0.05", "-1.00", "-0.99"]


def test_the_export_has_a_mark_plain_figures_and_no_formula():
    text = csv_text(sheet(per_page=9))
    assert text.startswith("\ufeff")
    head, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert head == ["Firm", "Note", "Points", "Amount (yuan)", "Due", "At", "State", "Free"]
    assert rows[0] == ["乙", "'+open", "700", "-1234567.89", "2026-01-02", "2026-12-01 01:30:00", "OPEN", "乙"]
    assert rows[1][:3] == ["'=HYPERLINK(1)", "'+late", ""]
