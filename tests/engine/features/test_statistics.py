"""Compiled statistics against the plain ones, and rows against months."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.engine.features.months import cells, rows
from creditlink.engine.features.months.grid import MONTHS, without_mask
from creditlink.engine.features.months.statistics import STATISTICS, fading, fill_windows
from tests.engine.features.plain_windows import KERNELS, Months

pytestmark = pytest.mark.pure

SPANS = ((1, 3), (1, 12), (13, 24), (4, 6), (1, 24), (1, 36))


def months(seed: int, firms: int, missing: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    kinds = [rng.normal(0, 1e6, (MONTHS, firms)), rng.integers(-2, 3, (MONTHS, firms)), np.zeros((MONTHS, firms))]
    x = np.choose(rng.integers(0, 3, firms), kinds).astype(np.float64)
    x[rng.random(x.shape) < missing] = np.nan
    x[:, rng.random(firms) < 0.1] = np.nan
    return x


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), firms=st.integers(1, 40), missing=st.sampled_from([0.0, 0.2, 0.7, 0.97]))
def test_every_statistic_has_the_bits_of_the_plain_one(seed, firms, missing):
    x = months(seed, firms, missing)
    asked = [(code, first, last) for code in range(len(STATISTICS)) for first, last in SPANS]
    out = np.full((len(asked), firms + 5), -7.0)
    # In any order: what windows share is taken up again, or computed anew.
    order = np.random.default_rng(seed).permutation(len(asked))
    table = np.array([(*asked[row], row) for row in order], np.int64)
    wider = np.hstack([x, np.full((MONTHS, 3), 1e9)])
    fill_windows(wider, fading(MONTHS), table, np.arange(firms)[::-1].copy(), 3, out)
    out[:, 3:-2] = out[:, 3:-2][:, ::-1]
    plain = Months(x)
    for row, (code, first, last) in zip(out, asked, strict=True):
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = KERNELS[STATISTICS[code]](plain, first, last)
        np.testing.assert_array_equal(row[3:-2], expected, f"{STATISTICS[code]} of months {first} to {last}")
    assert (out[:, [0, 1, 2, -2, -1]] == -7.0).all()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_row_known_last_speaks(data):
    """Against a dict filled in the order of knowledge."""
    count = data.draw(st.integers(0, 30))
    draw = lambda most: np.sort(data.draw(st.lists(st.integers(0, most), min_size=count, max_size=count)))  # noqa: E731
    shuffled = lambda most: np.array(  # noqa: E731
        data.draw(st.lists(st.integers(0, most), min_size=count, max_size=count)), np.int32
    )
    firm, kind, day, known = draw(3).astype(np.int32), shuffled(1), shuffled(80), shuffled(9)
    span = 1 + shuffled(2)
    firms, today = np.arange(4), 7
    back = np.arange(70)[::-1] // 10  # five months of ten days, and two before them that rows may begin in
    expected = np.full((2, 5, 4), -1, np.int32)
    for row in sorted(range(count), key=lambda row: known[row]):
        if known[row] <= today and 0 <= day[row] - 5 < 70:
            for month in range(back[day[row] - 5], back[day[row] - 5] - span[row], -1):
                if 0 <= month < 5:
                    expected[kind[row], month, firm[row]] = row
    keys = (firm, day, known)
    for one in (0, 1):  # a frame has kinds or spans, never both
        of_kind = np.where(kind == one)[0].astype(np.int32)
        found = listed(*(key[of_kind] for key in keys), NONE, span[of_kind], firms, back, today)
        rows_of = lambda found, of_kind=of_kind: np.where(found < 0, -1, np.append(of_kind, -1)[found])  # noqa: E731
        np.testing.assert_array_equal(rows_of(found[0]), expected[one])
        newer = np.vstack([np.full((1, 4), -2, np.int32), found[0, :-1]])
        np.testing.assert_array_equal(found[1], np.where(newer == found[0], -1, found[0]))
    single = np.full_like(expected, -1)
    for row in sorted(range(count), key=lambda row: known[row]):
        if known[row] <= today and 0 <= day[row] - 5 < 70 and back[day[row] - 5] < 5:
            single[kind[row], back[day[row] - 5], firm[row]] = row
    np.testing.assert_array_equal(listed(*keys, kind, NONE, firms, back, today), single)


NONE = np.empty(0, np.int32)


def listed(firm, day, known, kind, span, firms, back, today):
    """Return what `speakers` lists as two grids of rows, and see that it lists every firm of them once."""
    begins, columns = np.empty((2, 5), np.int32), np.empty(4, np.int64)
    row, month = np.empty((2, 20), np.uint32), np.empty((2, 20), np.uint8)
    count = cells.speakers(firm, day, known, kind, span, firms, back, 5, today, columns, begins, row, month)
    found = np.full((2, 5, 4), -1, np.int32)
    for one in (0, 1):
        cells.who_speaks(columns[:count], begins[one], row[one], month[one], found[one])
    assert columns[:count].tolist() == np.flatnonzero((found >= 0).any(axis=(0, 1))).tolist()
    return found


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float64])
def test_null_is_read_as_missing_whatever_the_type(kind):
    import polars as pl

    typed = {np.int32: pl.Int32, np.int64: pl.Int64, np.float64: pl.Float64}[kind]
    column = without_mask(pl.Series([3, None, -(2**31) + 1], dtype=typed))
    assert column.dtype == kind
    out = np.empty(3)
    rows.plain(np.array([0, 1, 2], np.uint32), 0.0, 0.0, column, out)
    np.testing.assert_array_equal(out, [3.0, np.nan, -(2.0**31) + 1])
