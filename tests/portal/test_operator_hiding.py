"""Small numbers that are hidden stay hidden: whoever knows every total and every shown cell learns no small one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.optimize import linprog

from creditlink.portal.staff.operator.figures.hiding import OTHER, safe_table
from creditlink.portal.staff.operator.figures.regions import name_of

pytestmark = pytest.mark.pure
LEAST = 10


def ranges(table):
    """Return between which numbers each hidden cell must lie, by linear programming over all that is shown."""
    hidden = [(r, c) for r, line in enumerate(table.cells) for c, cell in enumerate(line) if cell is None]
    lines = [(0, r, total) for r, total in enumerate(table.row_totals)]
    lines += [(1, c, total) for c, total in enumerate(table.column_totals)]
    lines = [(axis, at, total) for axis, at, total in lines if total is not None]
    rows = [[float(cell[axis] == at) for cell in hidden] for axis, at, _ in lines]
    left = [
        total - sum(v for r, line in enumerate(table.cells) for c, v in enumerate(line) if v and (r, c)[axis] == at)
        for axis, at, total in lines
    ]
    rows.append([1.0] * len(hidden))
    left.append(table.total - sum(v or 0 for line in table.cells for v in line))
    for k, cell in enumerate(hidden):
        aim = np.eye(len(hidden))[k]
        low = linprog(aim, A_eq=rows, b_eq=left, bounds=(0, None)).fun
        high = -linprog(-aim, A_eq=rows, b_eq=left, bounds=(0, None)).fun
        yield cell, low, high


@examples(max_examples=120)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcde"), st.sampled_from("vwxyz")),
        st.one_of(st.integers(0, 12), st.integers(0, 300)),
        max_size=25,
    )
)
def test_no_small_number_follows_from_the_totals(counts):
    table = safe_table(counts, least=LEAST)
    if table is None:
        assert sum(counts.values()) < LEAST
        return
    assert table.total == sum(counts.values())
    shown = [cell for line in table.cells for cell in line if cell is not None]
    totals = [total for total in (*table.row_totals, *table.column_totals) if total is not None]
    assert all(number == 0 or number >= LEAST for number in (*shown, *totals))
    for (r, c), low, high in ranges(table):
        true = counts.get((table.rows[r], table.columns[c]), 0)
        if 0 < true < LEAST:
            assert low - 1e-6 <= true <= high + 1e-6
            assert high - low >= LEAST - 1e-6, (table, r, c)


def test_the_obvious_way_would_have_told_it():
    """One small cell in a table: its row's total less the shown cells gives it, unless others are hidden with it."""
    counts = {("a", "v"): 3, ("a", "w"): 40, ("b", "v"): 50, ("b", "w"): 60, ("c", "v"): 70, ("c", "w"): 80}
    table = safe_table(counts, least=LEAST)
    hidden = {(table.rows[r], table.columns[c]) for (r, c), _, _ in ranges(table)}
    assert hidden == {("a", "v"), ("a", "w"), ("b", "v"), ("b", "w")}
    assert table.row_totals == (43, 110, 150)


def test_lines_of_too_few_firms_are_put_together():
    table = safe_table({("a", "v"): 400, ("b", "v"): 4, ("c", "v"): 5, ("d", "v"): 90}, least=LEAST)
    assert table.rows == ("a", OTHER)  # nine firms are too few, so that the smallest other line joins them
    assert table.row_totals == (400, 99)
    assert safe_table({("a", "v"): 4, ("b", "w"): 5}, least=LEAST) is None


@pytest.mark.parametrize(
    ("code", "name"),
    [("440604", "佛山市禅城区"), ("440600", "佛山市"), ("310115", "上海市浦东新区"), ("310100", "上海市")]
    + [(odd, odd) for odd in ("999999", "", "44", "abcdef", "４４０６０４")],
)
def test_regions_have_their_names(code, name):
    assert name_of(code) == name
