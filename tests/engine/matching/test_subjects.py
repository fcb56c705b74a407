"""A firm's values are the same however many firms are asked about at once."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from creditlink.engine.matching.products.subjects import subjects_of
from creditlink.engine.vocabulary import GRADES_BY_RANK

pytestmark = pytest.mark.pure

AS_OF = date(2026, 2, 28)


def frames(count):
    rng = np.random.default_rng(5)
    firms = pl.Series("firm", range(count), dtype=pl.Int32)
    sales = pl.Series("sales", np.where(rng.random(count) < 0.2, np.nan, rng.normal(size=count)), nan_to_null=True)
    registration = pl.DataFrame(
        {
            "firm": firms,
            "industry": [None if i % 9 == 0 else f"C{10 + i % 20}" for i in range(count)],
            "region": ["440604", "110101"] * (count // 2),
            "entity_type": ["company"] * count,
            "status": ["active", None] * (count // 2),
            "established_on": [date(1965 + i % 60, 1 + i % 12, 1 + i % 28) for i in range(count)],
            "registered_capital_fen": [None if i % 5 == 0 else i * 100 for i in range(count)],
            "paid_in_capital_fen": [0] * count,
            "linked_struck_off": [i % 7 == 0 for i in range(count)],
        }
    )
    return registration, pl.DataFrame([firms, sales])


def subjects(registration, features, rows):
    grades = [None if i % 11 == 0 else GRADES_BY_RANK[i % len(GRADES_BY_RANK)] for i in rows]
    return subjects_of(
        registration=registration, features=features[rows], pd_12m=np.full(len(rows), 0.02),
        points=np.full(len(rows), 600), grade=grades, as_of=AS_OF,
    )  # fmt: skip


def test_one_firm_is_the_firm_in_a_large_crowd():
    registration, features = frames(1200)
    together = subjects(registration, features, list(range(1200)))
    for i in (0, 1, 11, 55, 63, 700, 1199):
        alone, taken = (
            subjects(registration, features, [i]),
            together.take(0) if i == 0 else together.slice(slice(i, i + 1)),
        )
        for name, column in taken.numbers.items():
            np.testing.assert_array_equal(alone.numbers[name], column, err_msg=name)
        for name, column in taken.texts.items():
            told = [None if code < 0 else column.values[code] for code in column.codes]
            same = alone.texts[name]
            assert [None if code < 0 else same.values[code] for code in same.codes] == told


def test_age_is_whole_months_before_the_day():
    registration, features = frames(2)
    born = [date(2025, 2, 28), date(2025, 3, 1)]
    aged = subjects(registration.with_columns(established_on=pl.Series(born)), features, [0, 1])
    assert aged.number("registration.age_months").tolist() == [12, 11]


@pytest.mark.parametrize("count", [2, 1200])
def test_a_strange_grade_is_named(count):
    registration, features = frames(count)
    with pytest.raises(ValueError, match="grade 'Z' is not one of"):
        subjects_of(
            registration=registration, features=features, pd_12m=np.zeros(count), points=np.zeros(count),
            grade=["Z"] * count, as_of=AS_OF,
        )  # fmt: skip
