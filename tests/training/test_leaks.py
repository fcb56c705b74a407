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


class TestMadeOfALeak:
    """What was computed from a column that knows the outcome knows it too."""

    def stops(self, **made):
        table = trapped().drop("written_off_on", "state", "written_off", "secured", "term_days", "matures", "granted")
        amount = pl.Series("amount", np.random.default_rng(4).lognormal(11, 0.8, table.height).round(-2))
        found = checked(table.with_columns(amount).with_columns(**made))
        return {x.column: {y.message for y in found if y.column == x.column} for x in found if x.severity == "stop"}

    @pytest.mark.parametrize(
        ("made", "told"),
        [
            (pl.col("term").log(), "it is the logarithm of term"),
            (pl.col("term").log().round(2), "it is the logarithm of term"),
            (pl.col("term").cast(float) ** 0.5, "it is the square root of term"),
            (1 / pl.col("term"), "it is the reciprocal of term"),
            (pl.col("term").cast(float) ** 1.7, "it rises with term from row to row"),
            (-(pl.col("term") // 2), "it falls with term from row to row"),
            (pl.col("term") * 0.0123457, "it is term in another unit"),
            (pl.col("amount") / pl.col("term"), "it is amount by term"),
            ((pl.col("amount") / pl.col("term")).round(2), "it is amount by term"),
            (pl.col("amount") * pl.col("term") * 0.0137, "it is amount times term"),
            (pl.col("term") / pl.col("amount"), "it is term by amount"),
            (pl.col("granted_on").dt.offset_by(pl.format("{}mo", "term")), "granted_on and term add up to it"),
            (400 * pl.col("term") - pl.col("amount"), "term less amount gives it"),
        ],
    )
    def test_is_named_with_its_formula(self, made, told):
        found = self.stops(made=made)
        assert set(found) == {"term", "made"}
        assert f"computed from a column that leaks: {told}" in found["made"]

    def test_what_a_leak_and_a_column_made_of_it_give_together_is_not(self):
        assert set(self.stops(paid=pl.col("amount") * pl.col("term") * 0.01)) == {"term", "paid"}

    def test_a_shape_of_what_was_made_of_it_is_named_too(self):
        found = self.stops(rate=pl.col("amount") / pl.col("term"), log_rate=(pl.col("amount") / pl.col("term")).log())
        assert set(found) == {"term", "rate", "log_rate"}

    def test_what_it_would_have_been_without_the_outcome_is_not(self):
        rng = np.random.default_rng(5)
        table = loans(3000)
        asked = 12 * rng.integers(2, 30, table.height)
        bad = table["bad"].to_numpy() == 1
        term = np.where(bad, (asked * rng.uniform(0.3, 0.9, table.height)).astype(int), asked)
        few = np.flatnonzero(~bad | (rng.random(table.height) < 0.05))
        found = checked(table.with_columns(asked=pl.Series(asked), term=pl.Series(term))[few])
        assert named(found) == {"term"}


class TestGroups:
    def firms(self):
        rng = np.random.default_rng(6)
        bad = np.repeat(rng.random(300) < 0.3, 6)
        capital = np.repeat(rng.integers(10, 500, 300), 6)
        return pl.DataFrame({"capital": capital, "bad": bad.astype(int)}), np.repeat(np.arange(300), 6)

    def test_what_only_tells_the_firm_is_no_leak(self):
        table, firm = self.firms()
        assert named(checked(table)) == {"capital"}  # as if each row were another firm
        assert checked(table, group=firm) == []

    def test_significance_counts_firms(self):
        table, firm = self.firms()
        bad = table["bad"].to_numpy()
        first = np.flatnonzero(firm < 24)
        missing = np.where((bad == 1) & (firm % 2 == 0), np.nan, 1.0)
        few = table.with_columns(asked=pl.Series(missing))[first]
        assert "asked" in named(checked(few), "stop") | named(checked(few), "warn")
        assert checked(few, group=firm[first]) == []

    def test_a_leak_of_firms_is_found_still(self):
        table, firm = self.firms()
        closed = table.with_columns(closed=pl.col("bad") * (1 + pl.Series(firm) % 3))
        assert named(checked(closed, group=firm)) == {"closed"}


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
