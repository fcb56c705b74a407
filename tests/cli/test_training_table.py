"""`creditlink train table`: what it prints, and what stops it."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.training import table as table_command
from creditlink.cli.training.train import train
from creditlink.training.table.model import TableParameters
from creditlink.training.table.run import Trainer
from tests.training.tables import loans, trapped

pytestmark = pytest.mark.pure


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(
        table_command, "Trainer", lambda **how: Trainer(TableParameters(rounds=20, patience=5, eta=0.2), **how)
    )


@pytest.fixture
def run(tmp_path):
    def called(table, *words):
        path = tmp_path / "book.csv"
        table.write_csv(path)
        return CliRunner().invoke(train, ["table", str(path), "--target", "bad", *words])

    return called


def test_a_report_as_json(run):
    done = run(loans(400), "--folds", "3", "--time", "granted_on", "--riskier", "debt_ratio", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["cross_validated"]["folds"] == 3
    assert report["out_of_time"]["first"] > "2021"
    assert report["columns"] == {"income": "number", "debt_ratio": "number", "trade": "category", "staff": "number"}
    assert (report["stopped"], report["leaks"], report["warnings"]) == (False, [], [])


def test_a_leak_stops_the_run_with_the_columns_name(run):
    done = run(trapped(600), "--json")
    assert done.exit_code == 3
    assert "column term: " in done.stderr
    report = json.loads(done.stdout)
    assert report["stopped"]
    assert "cross_validated" not in report
    assert "term" in {leak["column"] for leak in report["leaks"]}


def test_leaks_are_allowed_by_name_or_dropped(run):
    traps = ("term", "term_days", "matures", "written_off_on", "state", "written_off")
    done = run(trapped(400), "--folds", "2", "--drop-leaks", "--allow-leak", "term", "--json")
    report = json.loads(done.stdout)
    assert "term" in report["columns"]
    assert set(report["left_out"]) >= set(traps) - {"term"}
    assert run(trapped(400), "--folds", "2", "--exclude", *traps).exit_code == 0


@pytest.mark.parametrize(
    "words",
    [("--exclude", "income", "staff"), ("--exclude", "income,staff"), ("--exclude", "income", "--exclude", "staff")],
)
def test_columns_can_be_listed_in_every_usual_way(run, words):
    report = json.loads(run(loans(200), "--folds", "2", *words, "--json").stdout)
    assert sorted(report["columns"]) == ["debt_ratio", "granted_on", "trade"]


def test_options_may_stand_before_the_file(tmp_path):
    loans(200).write_parquet(tmp_path / "b.parquet")
    words = ["table", "--exclude", "income", str(tmp_path / "b.parquet"), "--target", "bad", "--folds", "2"]
    assert CliRunner().invoke(train, words).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--riskier", "trade"), "column trade holds categories"),
        (("--riskier", "income", "--safer", "income"), "cannot be both"),
        (("--allow-leak", "Incom"), "there is no column 'Incom'; there are income"),
        (("--time", "staff", "--weights", "nothing"), "there is no column 'nothing'"),
    ],
)
def test_wrong_columns_end_before_any_work(run, monkeypatch, words, told):
    monkeypatch.setattr(table_command, "cross_validate", lambda *_, **__: pytest.fail("work began"))
    done = run(loans(200), *words)
    assert done.exit_code == 1
    assert told in done.output


def test_an_unreadable_file_is_one_line(tmp_path):
    (tmp_path / "x.csv").write_text("")
    done = CliRunner().invoke(train, ["table", str(tmp_path / "x.csv"), "--target", "bad"])
    assert done.exit_code == 1
    assert done.output == "Error: x.csv: the file is empty\n"


def test_the_challenger_is_judged_on_the_same_folds(run):
    pytest.importorskip("optbinning", reason="the training extra is not installed")
    done = run(loans(400), "--folds", "2", "--challenger", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["challenger"]["cross_validated"]["rows"] == report["cross_validated"]["rows"]
    assert report["challenger"]["cross_validated"]["auc"] > 0.65


def test_findings_are_told_to_people(run):
    book = loans(200).with_columns(same=pl.lit(3))
    told = run(book, "--folds", "2").stdout
    assert "warning: column same: left out: constant: 3 in every row" in told


def test_leaf_wise_boosters_need_the_extra(run, monkeypatch):
    monkeypatch.setattr(table_command, "find_spec", lambda _: None)
    done = run(loans(200), "--folds", "2", "--leaf-wise")
    assert (done.exit_code, done.stderr.count("training extra")) == (1, 1)


def test_the_columns_that_move_most_are_named(run):
    done = run(loans(400), "--folds", "2", "--json")
    influence = json.loads(done.stdout)["cross_validated"]["influence"]
    assert list(influence)[:2] in (["debt_ratio", "income"], ["income", "debt_ratio"])
    assert "moved most by: " in run(loans(400), "--folds", "2").stdout


def test_uneven_folds_are_told_or_refused(run):
    dealers = [pl.when(pl.int_range(pl.len()) < n).then(0).otherwise(pl.int_range(pl.len())) for n in (160, 300)]
    told = run(loans(400).with_columns(dealer=dealers[0]), "--id", "dealer", "--json")
    assert any("folds are uneven" in str(w["message"]) for w in json.loads(told.stdout)["warnings"])
    refused = run(loans(400).with_columns(dealer=dealers[1]), "--id", "dealer")
    assert refused.exit_code == 1
    assert "one of 5 holds" in refused.stderr
