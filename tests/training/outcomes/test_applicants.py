"""Files of applicants: what is needed, what is taken for granted, and what is refused by row, field and value."""

from __future__ import annotations

import polars as pl
import pytest

from creditlink.training.labelled import write
from creditlink.training.outcomes.applicants import LEARNED, read_applicants
from creditlink.training.recalibration.outcomes import OutcomesUnusable
from tests.training.outcomes.firms import made_up

pytestmark = pytest.mark.pure

ROWS = made_up(40, approve=0.5, by_lot=0.5)[0].rows


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_was_written_is_read_again(tmp_path, form):
    file = tmp_path / f"applicants.{form}"
    write(ROWS, file)
    found = read_applicants(file)
    assert found.rows.drop("firm").equals(ROWS.drop("firm"))
    assert found.rows["firm"].n_unique() == 20
    assert found.counts == dict(sorted(ROWS["outcome"].value_counts().iter_rows()))


def test_outcome_and_indicators_are_enough(tmp_path):
    file = tmp_path / "bare.parquet"
    ROWS.select("is_bad", *LEARNED).write_parquet(file)
    found = read_applicants(file)
    assert found.approved.all()
    assert found.rows["firm"].n_unique() == 40
    assert set(found.counts) <= {"good", "bad", "unreported"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (pl.lit(2).alias("is_bad"), "row 0: field 'is_bad': value 2"),
        (pl.lit("yes").alias("is_bad"), "column is_bad is String"),
        (pl.lit(1).alias("firm"), "firm 1 is there twice"),
        (pl.lit(None, pl.Int32).alias("firm"), "row 0: field 'firm': value None"),
        (pl.lit(0.5).alias("approved"), "row 0: field 'approved': value 0.5"),
        ((pl.lit(value=True).alias("approved"), pl.lit(value=True).alias("by_lot")), "an approved firm needs no lot"),
        (pl.lit("\x00").alias("headcount"), "column headcount is String"),
        (pl.lit("2025").alias("as_of"), "column as_of is String, not dates"),
        (pl.lit("a|b").alias("region"), r"row 0: field 'region': value 'a\|b'"),
        (pl.lit("x\x00").alias("entity_type"), "row 0: field 'entity_type'"),
        (pl.lit("x" * 41).alias("industry"), "row 0: field 'industry'"),
        (pl.lit("great").alias("outcome"), "row 0: field 'outcome': value 'great': one of good, bad"),
        (pl.lit("x").alias("pd_12m"), "conversion from `str` to `f64` failed"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, change, told):
    file = tmp_path / "wrong.parquet"
    ROWS.with_columns(*(change if isinstance(change, tuple) else [change])).write_parquet(file)
    with pytest.raises(OutcomesUnusable, match=told) as refused:
        read_applicants(file)
    assert str(refused.value).startswith("wrong.parquet: ")


def test_a_file_that_is_none_is_refused(tmp_path):
    for name, content, told in (
        ("a.xlsx", b"", "must end in"),
        ("a.csv", b"is_bad\n\xff\xfe\x00\n", "a.csv"),
        ("a.csv", b"", "a.csv"),
        ("a.csv", b"is_bad\n1\n", "lacks the column"),
        ("a.parquet", b"PAR1", "a.parquet"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OutcomesUnusable, match=told):
            read_applicants(tmp_path / name)
    empty = tmp_path / "empty.parquet"
    ROWS.head(0).write_parquet(empty)
    with pytest.raises(OutcomesUnusable, match="holds no row"):
        read_applicants(empty)
