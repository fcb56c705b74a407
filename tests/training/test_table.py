"""Roles, and what no run begins with; then the trainer itself on small tables."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from creditlink.training.table.columns import typed_column
from creditlink.training.table.file import RawTable, TableError
from creditlink.training.table.model import Encoder, TableParameters, fit_table
from creditlink.training.table.run import Trainer, cross_validate, figures, later_rows, out_of_time
from creditlink.training.table.table import Roles, prepare
from creditlink.training.validation import metrics
from tests.training.tables import loans

pytestmark = pytest.mark.pure

QUICK = Trainer(TableParameters(rounds=30, patience=10, eta=0.2))


def raw(table):
    return RawTable("book.csv", pl.DataFrame([typed_column(s)[0] for s in table.iter_columns()]), ())


def ready(table, folds=5, **roles):
    return prepare(raw(table), Roles(**{"target": "bad"} | roles), folds=folds)


def told(table):
    return " | ".join(str(f) for f in table.findings)


class TestPrepare:
    @pytest.mark.parametrize(
        ("change", "roles", "message"),
        [
            ({"bad": pl.lit(0)}, {}, "column bad is 0 in every row"),
            ({"bad": pl.lit(None)}, {}, "column bad: every value is missing"),
            ({"bad": pl.int_range(pl.len()) % 3}, {}, "column bad is not binary: it holds 3 values (0, 1, 2), row 3"),
            ({"bad": (pl.int_range(pl.len()) < 3).cast(int)}, {}, "column bad has 3 events, too few for 5 folds"),
            ({}, {"target": "Bad"}, "there is no column 'Bad'; there are bad"),
            ({}, {"weights": "weight"}, "there is no column 'weight'"),
            ({}, {"exclude": ("nothing",)}, "there is no column 'nothing'"),
            ({}, {"time": "trade"}, "column trade: 'building' in row 1 is neither a date nor a number"),
            ({"staff": pl.lit(2020)}, {"time": "staff"}, "column staff holds one point in time only"),
            ({}, {"weights": "trade"}, "column trade holds text or dates, not weights"),
            ({"w": pl.int_range(pl.len()) - 4}, {"weights": "w"}, "column w: the weight in row 1 is -4, not positive"),
            ({}, {"event": "2"}, "column bad never holds the event '2', but 0 and 1"),
        ],
    )
    def test_refuses_with_column_and_row(self, change, roles, message):
        with pytest.raises(TableError) as error:
            ready(loans(120).with_columns(**change), **roles)
        assert str(error.value).startswith("book.csv: ")
        assert message in str(error.value)

    def test_row_labels_are_never_learned_from_and_told(self):
        table = loans(120).with_row_index("loan")
        labelled = replace(raw(table), row_labels=("loan",))
        data = prepare(labelled, Roles(target="bad"), folds=5)
        assert "loan" not in data.columns.columns
        assert "column loan: left out: numbers or labels the rows" in told(data)
        assert prepare(labelled, Roles(target="bad", ids=("loan",)), folds=5).left_out["loan"] == "id"

    def test_the_first_text_that_is_no_time_is_blamed(self):
        days = ["2020-06-18", "2020-05-14", "soon", "later", *["2020-01-14"] * 116]
        with pytest.raises(TableError, match="column day: 'soon' in row 3 is neither a date nor a number"):
            ready(loans(120).with_columns(day=pl.Series(days[:3] + ["x"] * 60 + days[4:61])), time="day")

    def test_no_column_left(self):
        with pytest.raises(TableError, match="no column is left"):
            ready(loans(120).select("bad", nothing=pl.lit(1)))

    def test_no_column_left_says_why(self):
        with pytest.raises(TableError, match=r"no column is left to learn from \(nothing: constant: 1 in every row\)"):
            ready(loans(120).select("bad", nothing=pl.lit(1)))

    def test_useless_columns_are_left_out_and_told(self):
        table = ready(
            loans(120).with_columns(
                nothing=pl.lit(None, pl.Float64),
                one=pl.lit(7),
                loan_id=pl.int_range(pl.len()) * 17 + 4,
                remark=pl.format("remark {}", pl.int_range(pl.len())),
                row=pl.int_range(pl.len()),
            )
        )
        assert table.left_out == {
            "bad": "target",
            "nothing": "every value is missing",
            "one": "constant: 7 in every row",
            "loan_id": "id: another whole number in every row",
            "remark": "id: another value in every row",
            "row": "id: another whole number in every row",
        }
        assert {f.column for f in table.findings} == set(table.left_out) - {"bad"}

    def test_missing_targets_are_left_out_and_counted(self):
        table = ready(loans(120).with_columns(bad=pl.when(pl.int_range(pl.len()) != 9).then("bad")))
        assert len(table.is_bad) == 119
        assert "column bad: target missing, rows left out (first in row 10)" in told(table)

    @pytest.mark.parametrize(
        ("values", "event"),
        [((1, 2), "2"), (("good", "bad"), "bad"), (("P I F", "CHGOFF"), "CHGOFF"), (("a", "b"), "b")],
    )
    def test_two_other_values_are_taken_as_the_outcome_and_told(self, values, event):
        book = loans(120)
        outcome = book["bad"].replace_strict([0, 1], list(values))
        table = ready(book.with_columns(bad=outcome))
        assert table.event == event
        assert table.is_bad.tolist() == book["bad"].to_list()
        assert f"{event} is taken as the event" in told(table)

    def test_the_event_can_be_named(self):
        table = ready(loans(120), event="0")
        assert table.is_bad.sum() == 120 - loans(120)["bad"].sum()

    def test_infinite_and_missing_times(self):
        book = loans(200).with_columns(granted_on=pl.when(pl.int_range(pl.len()) > 3).then("granted_on"))
        table = ready(book, time="granted_on")
        assert "time missing: not judged out of time (first in row 1)" in told(table)
        earlier, later, _ = later_rows(table)
        assert not {0, 1, 2, 3} & {*earlier, *later}


class TestEncoder:
    def test_a_level_never_seen_is_missing_and_many_levels_become_rates(self):
        rng = np.random.default_rng(0)
        town = rng.integers(0, 80, 3000)
        bad = (rng.random(3000) < 0.1 + 0.8 * (town < 30)).astype(np.int8)
        states = [f"s{k}" for k in rng.integers(0, 64, 3000)]
        columns = pl.DataFrame({"state": states, "town": [f"t{k}" for k in town]})
        encoder, x = Encoder.fit(columns, bad, seed=1)
        assert encoder.types == ("c", "q")
        assert metrics.auc(bad, x[:, 1]) > 0.85
        unseen = encoder.encode(pl.DataFrame({"state": ["z"], "town": ["elsewhere"]}))
        assert np.isnan(unseen[0, 0])
        assert unseen[0, 1] == pytest.approx(bad.mean(), abs=1e-6)

    def test_no_rows_own_outcome_is_in_its_rate(self):
        rng = np.random.default_rng(0)
        columns = pl.DataFrame({"town": [f"t{k}" for k in rng.integers(0, 400, 1000)]})
        bad = (rng.random(1000) < 0.3).astype(np.int8)
        _, x = Encoder.fit(columns, bad, seed=1)
        assert abs(metrics.auc(bad, x[:, 0]) - 0.5) < 0.06


class TestFit:
    def test_monotone_where_told(self):
        book = ready(loans(400))
        model = fit_table(
            book.columns,
            book.is_bad,
            weight=book.weight,
            group=book.group,
            directions={"debt_ratio": 1, "income": -1},
            parameters=QUICK.parameters,
            seed=1,
        )
        grid = book.columns[:1].select(pl.all().repeat_by(50).explode()).with_columns(debt_ratio=np.linspace(0, 1, 50))
        assert np.all(np.diff(model.margin(grid)) >= 0)
        assert np.ptp(model.margin(grid)) > 0

    @pytest.mark.parametrize("leaf_wise", [False, True])
    def test_what_columns_contribute_adds_up_whatever_the_members_are(self, leaf_wise):
        if leaf_wise:
            pytest.importorskip("lightgbm", reason="the training extra is not installed")
        rng = np.random.default_rng(2)
        book = loans(600).with_columns(
            state=pl.Series([f"s{k}" for k in rng.integers(0, 51, 600)]), zero=rng.random(600)
        )
        table = ready(book)
        model = Trainer(QUICK.parameters, {"debt_ratio": 1}, leaf_wise=leaf_wise)(table, np.arange(500), 1)
        held = table.columns[500:].with_columns(pl.when(pl.int_range(pl.len()) % 3 != 0).then("state"))
        found = model.explain(held)
        assert found.margin == pytest.approx(model.margin(held), abs=2e-5)
        assert found.base_value + found.contributions.sum(axis=1) == pytest.approx(found.margin, abs=1e-12)
        again = Trainer(QUICK.parameters, {"debt_ratio": 1}, leaf_wise=leaf_wise)(table, np.arange(500), 1)
        assert np.array_equal(again.explain(held).contributions, found.contributions)

    def test_depth_has_an_end(self):
        with pytest.raises(ValueError, match="max_depth: 40"):
            TableParameters(max_depth=40)


class TestJudge:
    def test_held_out_figures_are_honest(self):
        book = ready(loans(900))
        found = cross_validate(book, QUICK, folds=4, seed=1)
        assert 0.68 < found["auc"] < 0.9
        assert found["ece"] < 0.06
        assert (found["rows"], found["folds"], len(found["auc_of_folds"])) == (900, 4, 4)
        shuffled = loans(900).with_columns(pl.col("bad").shuffle(seed=1))
        assert abs(cross_validate(ready(shuffled), QUICK, folds=4, seed=1)["auc"] - 0.5) < 0.08

    def test_the_same_seed_gives_the_same_figures_whatever_the_workers(self):
        book = ready(loans(300))
        assert cross_validate(book, QUICK, folds=3, seed=4) == cross_validate(book, QUICK, folds=3, seed=4, workers=3)

    def test_out_of_time_learns_from_the_older_rows_only(self):
        book = ready(loans(600), time="granted_on")
        seen = {}

        def spy(table, rows, seed):
            seen["newest"] = table.as_of.gather(rows).max()
            return QUICK(table, rows, seed)

        found = out_of_time(book, spy, seed=1)
        assert str(seen["newest"]) < found["first"]
        assert found["rows"] + found["rows_before"] == 600
        assert "granted_on" not in book.columns.columns

    def test_a_later_part_without_events_is_refused(self):
        book = loans(300).with_columns(year=pl.when(pl.col("bad") == 1).then(2020).otherwise(2021))
        with pytest.raises(TableError, match=r"before time 2021 there are .* events in"):
            later_rows(ready(book, time="year"))

    def test_equal_weights_are_no_weights_and_a_weight_of_two_is_a_row_twice(self):
        rng = np.random.default_rng(1)
        bad, pds = (rng.random(200) < 0.3).astype(np.int8), rng.random(200)
        once, two = np.ones(200), np.where(np.arange(200) < 50, 2.0, 1.0)
        twice = figures(np.append(bad, bad[:50]), np.append(pds, pds[:50]), np.ones(250))
        weighted = figures(bad, pds, two)
        assert figures(bad, pds, once)["auc"] == metrics.auc(bad, pds)
        for name in ("auc", "ks", "brier", "mean_pd", "event_rate"):
            assert weighted[name] == pytest.approx(twice[name])
        assert weighted["ece"] == pytest.approx(twice["ece"], abs=0.02)
