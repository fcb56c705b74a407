"""A city folder with flaws is refused before any long work, with file, column and row."""

import shutil
from datetime import date

import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.sandbox.sandbox import sandbox
from creditlink.training.city import CityError, read_city

pytestmark = pytest.mark.pure


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "city"
    words = ["city", "--firms", "40", "--months", "14", "--seed", "5", "--until", "2026-06", "--out", str(folder)]
    made = CliRunner().invoke(sandbox, words)
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture
def city(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "city")
    return tmp_path / "city"


def change(city, name, column, value):
    """Set `column` to `value` in row 2 of the first part."""
    path = sorted((city / name).glob("*.parquet"))[0]
    frame = pl.read_parquet(path)
    changed = pl.when(pl.int_range(pl.len()) == 2).then(pl.lit(value, frame.schema[column])).otherwise(pl.col(column))
    frame.with_columns(changed.alias(column)).write_parquet(path)


def test_a_whole_city_is_read(city):
    assert read_city(city).records.registration.height == 40


@pytest.mark.parametrize(
    ("name", "column", "value", "told"),
    [
        ("payroll_months", "headcount", -3, "payroll_months: column headcount is negative in row 2"),
        ("invoice_months", "period", date(2031, 1, 1), "invoice_months: column period is 2031-01-01 in row 2, after"),
        ("meter_months", "known_on", None, "meter_months: column known_on is null in row 2"),
        ("payroll_months", "known_on", date(2020, 1, 1), "column known_on is 2020-01-01 in row 2, before period"),
        ("meter_months", "paid_on", date(2031, 1, 1), "before paid_on 2031-01-01: known before it happened"),
        ("truth", "hazard_12m", 1.5, "truth: column hazard_12m is not a probability in row 2"),
    ],
)
def test_an_impossible_value_is_named(city, name, column, value, told):
    change(city, name, column, value)
    with pytest.raises(CityError) as error:
        read_city(city)
    assert told in str(error.value)


def test_missing_files_columns_and_types_are_named(city):
    path = sorted((city / "tax_standing").glob("*.parquet"))[0]
    frame = pl.read_parquet(path)
    frame.with_columns(pl.col("arrears_days").cast(pl.String)).write_parquet(path)
    with pytest.raises(CityError, match=r"part-00000\.parquet: column arrears_days is String, expected Int32"):
        read_city(city)
    frame.drop("arrears_days").write_parquet(path)
    with pytest.raises(CityError, match="column arrears_days is absent"):
        read_city(city)
    path.write_text("no parquet")
    with pytest.raises(CityError, match=r"part-00000\.parquet: not readable as Parquet"):
        read_city(city)
    shutil.rmtree(city / "tax_standing")
    with pytest.raises(CityError, match="tax_standing: no Parquet file"):
        read_city(city)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (pl.lit(7), r"part-00000\.parquet: column kind is Int32, expected String"),
        (pl.lit(None, pl.String), "truth: column kind is null in row 0"),
    ],
)
def test_kinds_that_cannot_be_are_named(city, kind, told):
    path = sorted((city / "truth").glob("*.parquet"))[0]
    pl.read_parquet(path).with_columns(kind=kind).write_parquet(path)
    with pytest.raises(CityError, match=told):
        read_city(city)


def test_a_city_need_not_tell_kinds(city):
    assert read_city(city).kinds["firm"].n_unique() == 40
    for path in (city / "truth").glob("*.parquet"):
        pl.read_parquet(path).drop("kind").write_parquet(path)
    assert read_city(city).kinds is None


@pytest.mark.parametrize("text", ["", "[]", '{"first_period": "soon"}'])
def test_a_manifest_that_is_none(city, text):
    (city / "manifest.json").write_text(text)
    with pytest.raises(CityError, match=r"manifest\.json"):
        read_city(city)
