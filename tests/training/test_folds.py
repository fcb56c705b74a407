"""Which rows belong together, and folds that keep them so and stay even."""

import numpy as np
import polars as pl
import pytest

from creditlink.training.table.columns import typed_column
from creditlink.training.table.file import RawTable, TableError
from creditlink.training.table.folds import folds_of
from creditlink.training.table.model import TableParameters
from creditlink.training.table.run import Trainer, cross_validate, even_cuts
from creditlink.training.table.table import Roles, prepare
from creditlink.training.validation import metrics
from tests.training.tables import few_values, loans

pytestmark = pytest.mark.pure

QUICK = Trainer(TableParameters(rounds=30, patience=10, eta=0.2))


def ready(table, folds=5, **roles):
    raw = RawTable("book.csv", pl.DataFrame([typed_column(s)[0] for s in table.iter_columns()]), ())
    return prepare(raw, Roles("bad", **roles), folds=folds)


def told(table):
    return " | ".join(str(f) for f in table.findings)


class TestEqualRows:
    def test_as_few_values_make_them_are_different_cases(self):
        table, true = few_values()
        book = ready(table)
        sizes = [len(held) for _, held in folds_of(book.is_bad, book.group, 5, seed=1)]
        assert max(sizes) - min(sizes) < 5
        found = cross_validate(book, QUICK, folds=5, seed=1)
        assert found["ece"] < 0.03  # .40 when all firms without a record shared a fold
        assert found["auc"] == pytest.approx(metrics.auc(book.is_bad, true), abs=0.03)  # .71

    def test_a_single_column_of_many_levels_teaches(self):
        rng = np.random.default_rng(0)
        level = rng.integers(0, 150, 3000)
        table = pl.DataFrame({"branch": [f"b{k}" for k in level], "bad": (level % 3 == 0) & (rng.random(3000) < 0.7)})
        assert cross_validate(ready(table), QUICK, folds=3, seed=1)["auc"] > 0.8

    def test_copies_share_a_fold_and_are_counted(self):
        book = loans(100)
        table = ready(pl.concat([book, book[:20]]))
        assert [(f.row, f.count) for f in table.findings] == [(1, 40)]
        assert "copies of rows, which share a fold: 20 patterns of up to 2 rows, none with both outcomes" in told(table)
        for rest, held in folds_of(table.is_bad, table.group, 5, seed=1):
            assert not set(table.group[rest]) & set(table.group[held])
            assert {i for i in range(20) if i in held} == {i - 100 for i in held if i >= 100}

    def test_a_table_that_stands_twice_teaches_no_row_its_own_outcome(self):
        book = loans(300).with_columns(pl.col("bad").shuffle(seed=1))
        found = cross_validate(ready(pl.concat([book, book, book])), QUICK, folds=4, seed=1)
        assert found["auc"] == pytest.approx(0.5, abs=0.08)

    def test_both_outcomes_of_a_pattern_are_told(self):
        book = loans(100)
        turned = book[:3].with_columns(bad=1 - pl.col("bad"))
        assert "3 patterns of up to 2 rows, 3 with both outcomes" in told(ready(pl.concat([book, turned])))
        many = pl.concat([book, *[turned[:1], book[:1]] * 2])
        assert "1 pattern of up to 5 rows, 1 with both outcomes" in told(ready(many))

    def test_an_id_says_that_they_are_different(self):
        book = pl.concat([loans(100), loans(100)[:20]])
        book = book.with_columns(loan=pl.format("L{}", pl.int_range(pl.len())))
        table = ready(book, ids=("loan",))
        assert len(set(table.group)) == 120
        assert "equal rows under different ids, taken as different cases: 20 patterns" in told(table)
        same = book.with_columns(loan=pl.format("L{}", pl.int_range(pl.len()) % 100))
        assert "equal rows" not in told(ready(same, ids=("loan",)))


class TestIds:
    def test_rows_of_one_id_share_a_fold_and_are_counted(self):
        book = loans(150).with_columns(loan_id=pl.Series([f"L{i // 2 if i < 6 else i}" for i in range(150)]))
        table = ready(book, ids=("loan_id",))
        assert "column loan_id: duplicate ids: L0 stands in more than one row" in told(table)
        assert len(set(table.group)) == 147

    def test_rows_joined_by_several_ids_are_one_group(self):
        firm = ["A", "A", "B", None, None, *[f"f{k}" for k in range(115)]]
        owner = [1, 2, 2, 3, 3, *range(10, 125)]
        table = ready(loans(120).with_columns(firm=pl.Series(firm), owner=pl.Series(owner)), ids=("firm", "owner"))
        assert len(set(table.group[:3])) == len(set(table.group[3:5])) == 1
        assert len(set(table.group)) == 117

    @pytest.mark.parametrize("bad_share", [0.05, 0.5])
    def test_folds_of_groups_are_even_in_rows_and_events(self, bad_share):
        rng = np.random.default_rng(3)
        group = rng.integers(0, 400, 6000) ** 2 // 400
        is_bad = (rng.random(6000) < bad_share).astype(np.int8)
        cuts = folds_of(is_bad, group, 10, seed=1)
        assert sorted(np.concatenate([held for _, held in cuts])) == list(range(6000))
        assert all(not set(group[rest]) & set(group[held]) for rest, held in cuts)
        for kind in (0, 1):
            held = [int((is_bad[h] == kind).sum()) for _, h in cuts]
            assert max(held) <= 1.25 * np.mean(held)

    def test_every_group_may_have_both_outcomes(self):
        is_bad = np.tile([0, 0, 1], 40).astype(np.int8)
        assert len(folds_of(is_bad, np.arange(120) // 12, 5, seed=1)) == 5


class TestUneven:
    def dealers(self, share):
        dealer = ["D" if k < 400 * share else f"d{k}" for k in range(400)]
        return ready(loans(400).with_columns(dealer=pl.Series(dealer)), ids=("dealer",))

    def test_even_ones_are_not_told_of(self):
        assert even_cuts(self.dealers(0.2), 5, seed=1)[1] == []

    def test_uneven_ones_are_told_with_figures(self):
        [finding] = even_cuts(self.dealers(0.4), 5, seed=1)[1]
        assert "one of 5 holds" in finding.message
        assert (finding.row, finding.count > 40) == (1, True)

    def test_one_that_is_most_of_the_table_is_refused(self):
        with pytest.raises(TableError, match=r"one of 5 holds .* belong together \(the first is row 1\)"):
            even_cuts(self.dealers(0.7), 5, seed=1)

    def test_too_few_groups_are_refused(self):
        table = ready(loans(120).with_columns(branch=pl.int_range(pl.len()) % 3), ids=("branch",))
        with pytest.raises(TableError, match=r"book\.csv: the rows fall into too few different ones for 5 folds"):
            even_cuts(table, 5, seed=1)
