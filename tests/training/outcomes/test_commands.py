"""The commands that learn from outcomes: what they print, and how they refuse."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from creditlink.cli.training.train import train
from creditlink.kit.settings import ROOT
from creditlink.training.labelled import write
from tests.training.outcomes.firms import made_up

pytestmark = pytest.mark.pure

MODEL = str(ROOT / "models" / "city-2026g")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    out = tmp_path_factory.mktemp("applicants") / "applicants.parquet"
    write(made_up(800, approve=0.7, by_lot=0.4, level=-1.0)[0].rows, out)
    return str(out)


def run(*arguments):
    return CliRunner().invoke(train, list(map(str, arguments)))


def test_selection_tells_known_from_assumed(file):
    report = json.loads(run("selection", "--applicants", file, "--json").stdout)
    assert report["known"]["applicants"] == 800
    assert report["known"]["by_lot"] > 30
    assert {one["assumes"] for one in report["methods"] if one["method"] == "by_lot"} == {
        "nothing: declined firms that were lent to by lot stand for all declined ones"
    }
    assert all(one["true_ece"] is None for one in report["methods"])


def test_cutoffs_are_told_in_yuan(file):
    answer = run("cutoffs", "--applicants", file, "--amount", "500000", "--margin-bps", 400, "--loss-bps", 4000)
    assert answer.exit_code == 0, answer.output
    assert "a loan breaks even at PD 0.0909; declined firms by lot count for all declined" in answer.output


def test_a_model_folder_is_written_once(file, tmp_path):
    out = tmp_path / "loans-2027a"
    done = run("outcomes", MODEL, "--applicants", file, "--out", out)
    assert "held out" in done.output, done.output
    assert {"outcomes.json", "card.md", "datasheet.md", "model.ubj"} <= {one.name for one in out.iterdir()}
    again = run("outcomes", MODEL, "--applicants", file, "--out", out)
    assert "a model is never overwritten" in again.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("selection",), "give either --applicants FILE or --from-database"),
        (("cutoffs", "--amount", "0"), "amount_fen: 0 is not between"),
        (("alternatives", "--segment", "region"), "region: 1 segments have"),
        (("alternatives", "--segment", "weather"), "'weather' is not one of"),
    ],
)
def test_what_cannot_be_is_one_line(file, arguments, told):
    given = arguments if arguments == ("selection",) else (*arguments, "--applicants", file)
    answer = run(*given)
    assert answer.exit_code != 0
    assert told in answer.output
    assert "Traceback" not in answer.output
