"""Leak checks on tables with the traps of real ones, and on tables without."""

import numpy as np
import polars as pl
import pytest

from creditlink.training.table.columns import typed_column
from creditlink.training.table.leaks import find_leaks
from tests.training.tables import loans, trapped

pytestmark = pytest.mark.pure


def typed(table):
    return pl.DataFrame([typed_column(series)[0] for series in table.iter_columns()])


def checked(table, **told):
    bad = table["bad"].cast(pl.Int8).to_numpy()
    return find_leaks(typed(table.drop("bad")), bad, **told)


def named(leaks, severity="stop"):
    return {leak.column for leak in leaks if leak.severity == severity}


class TestTraps:
    def test_every_column_made_after_the_outcome_is_named(self):
        found = checked(trapped())
        assert named(found) >= {"term", "term_days", "matures", "written_off_on", "state", "written_off"}
        assert "secured" in named(found, "warn")

    def test_and_no_other_column(self):
        found = checked(trapped())
        assert not (named(found) | named(found, "warn")) & {"income", "debt_ratio", "trade", "granted_on", "staff"}

    def test_a_rewritten_term_is_known_by_its_pattern_alone(self):
        [leak] = [x for x in checked(trapped().select("term", "bad")) if x.check == "outcome_pattern"]
        assert (leak.column, leak.severity) == ("term", "stop")
        assert "multiples of 12" in leak.message

    def test_rounder_because_larger_is_no_pattern(self):
        rng = np.random.default_rng(0)
        size = rng.lognormal(8, 1.5, 3000)
        amount = np.where(size > 5000, np.round(size, -3), np.round(size))
        bad = rng.random(3000) < np.where(size > 5000, 0.05, 0.3)
        assert checked(pl.DataFrame({"amount": amount, "bad": bad.astype(int)})) == []

    def test_a_flag_that_decides_some_bads_and_never_a_good_is_a_proxy(self):
        table = loans()
        bad = table["bad"].to_numpy()
        flag = bad * (np.random.default_rng(3).random(len(bad)) < 0.5)
        found = checked(table.with_columns(in_collection=pl.Series(flag)))
        assert [(x.column, x.check) for x in found if x.severity == "stop"] == [("in_collection", "target_proxy")]

    def test_a_date_after_the_day_of_the_row_is_named_with_its_first_row(self):
        table = loans(300).with_columns(decided_on=pl.col("granted_on").dt.offset_by("30d"))
        found = checked(table, as_of=table["granted_on"].dt.date())
        [leak] = [x for x in found if x.check == "after_as_of"]
        assert (leak.column, leak.severity) == ("decided_on", "warn")
        assert "row 1:" in leak.message

    def test_a_date_after_the_day_that_only_bads_have_stops(self):
        table = trapped()
        found = checked(table, as_of=table["granted_on"].dt.date())
        assert ("written_off_on", "after_as_of") in {(x.column, x.check) for x in found if x.severity == "stop"}


class TestExcluded:
    """A column is no safer because what it was made of is not learned from."""

    def made(self, table, *excluded):
        bad = table["bad"].cast(pl.Int8).to_numpy()
        columns = typed(table.drop("bad", "written_off_on", "state", "written_off", "term_days", "secured"))
        return find_leaks(columns.drop(excluded), bad, excluded=columns.select(excluded))

    @pytest.mark.parametrize("excluded", [("granted", "granted_on"), ("granted", "granted_on", "term"), ("term",)])
    def test_the_sum_of_a_leak_and_a_date_is_named_though_its_parts_are_excluded(self, excluded):
        stops = named(self.made(trapped(), *excluded))
        assert "matures" in stops
        assert not stops & {*excluded, "income", "debt_ratio", "staff"}

    def test_excluded_columns_are_never_named(self):
        assert named(self.made(trapped(), "term", "matures")) == set()


class TestNoFalseAlarm:
    @pytest.mark.parametrize("seed", range(4))
    def test_an_honest_table_gives_none(self, seed):
        assert checked(loans(seed=seed)) == []

    def test_a_strong_but_honest_score_gives_none(self):
        rng = np.random.default_rng(5)
        score = rng.normal(size=4000)
        bad = rng.random(4000) < 1 / (1 + np.exp(2 - 2 * score))
        assert checked(pl.DataFrame({"score": score, "bad": bad.astype(int)})) == []

    def test_missing_at_random_gives_none(self):
        table = loans()
        holes = pl.Series(np.random.default_rng(1).random(table.height) < 0.6)
        assert checked(table.with_columns(income=pl.when(holes).then(None).otherwise("income"))) == []

    def test_too_few_events_to_tell_give_none(self):
        table = trapped(200)
        table = pl.concat([table.filter(bad=0), table.filter(bad=1)[:8]])
        assert checked(table) == []


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 values for 2 rows"):
        find_leaks(pl.DataFrame({"a": [1.0, 2.0]}), np.zeros(3, np.int8))


def test_a_leak_says_what_it_is_about():
    [leak] = checked(trapped().select("state", "bad"))
    assert str(leak).startswith("column state: it is the outcome")
    assert leak.to_dict()["figure"] == 1.0
