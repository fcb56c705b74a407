"""Recalibrating a model with real outcomes: level, slope, interval, refusals, and the folder that comes of it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.training.train import train
from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, CalibrationError, sigmoid
from creditlink.engine.scoring.calibration.interval import IntervalTable
from creditlink.engine.scoring.calibration.known import ByKnown, Rising
from creditlink.engine.scoring.model import load
from creditlink.training.recalibration.adjustment import LEAST_BADS, fit_adjustment, held_out
from creditlink.training.recalibration.outcomes import OutcomesUnusable, RealOutcomes, outcomes_of, read_outcomes
from creditlink.training.recalibration.package import recalibrate
from creditlink.training.validation.metrics import ece
from tests.engine.scoring.folders import frame, write_folder
from tests.engine.scoring.indicators import DIRECTIONS, NAMES

pytestmark = pytest.mark.pure

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def real(firms, *, slope=1.0, level=0.0, seed=0, firm=None, weight=None):
    """Return outcomes whose truth is a line of what the model says."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-4, 1.3, firms)
    bad = (rng.random(firms) < sigmoid(slope * logit + level)).astype(np.int8)
    return RealOutcomes(logit, bad, np.ones(firms) if weight is None else weight, firm, None, None, "made up", "0" * 64)


class TestTheFit:
    def test_a_level_alone_is_found_within_its_error(self):
        found = fit_adjustment(real(30_000, level=np.log(2)))
        assert found.slope == 1.0
        assert abs(found.level - np.log(2)) < 3 * found.level_error
        assert 0.01 < found.level_error < 0.06
        assert found.p_value > 0.01

    def test_a_slope_comes_where_the_likelihood_asks_for_it(self):
        found = fit_adjustment(real(30_000, slope=0.7, level=-0.5))
        assert found.slope == pytest.approx(0.7, abs=0.06)
        assert found.p_value < 1e-6

    def test_it_is_judged_on_rows_that_it_was_not_fitted_to(self):
        told = real(20_000, level=np.log(2))
        logit = held_out(told)
        assert ece(told.is_bad, sigmoid(logit)) < 0.3 * ece(told.is_bad, sigmoid(told.logit))
        assert len(np.unique(np.round(logit - told.logit, 9))) == 5  # a level for each fifth

    def test_rows_of_one_firm_are_in_one_fold_and_count_as_one(self):
        firm = np.repeat(np.arange(5_000), 4)
        told = real(20_000, level=0.5, firm=firm)
        shifts = np.round(held_out(told) - told.logit, 9).reshape(5_000, 4)
        assert (shifts == shifts[:, :1]).all()
        assert told.bad_firms < told.is_bad.sum()
        assert told.bad_firms + told.good_firms == 5_000

    def test_rows_count_by_their_weight(self):
        told = real(20_000)
        heavy = replace(told, weight=np.where(told.is_bad == 1, 2.0, 1.0))
        assert fit_adjustment(heavy).level == pytest.approx(np.log(2), abs=0.1)

    def test_too_few_bads_are_refused_with_the_number_needed(self):
        told = real(30_000)
        few = told.chosen((told.is_bad == 0) | (np.cumsum(told.is_bad) <= 60))
        with pytest.raises(OutcomesUnusable, match=f"60 firms went bad: {LEAST_BADS} are needed, 40 more"):
            fit_adjustment(few)
        with pytest.raises(OutcomesUnusable, match="0 firms stayed good"):
            fit_adjustment(told.chosen(told.is_bad == 1))


class TestTheNewCalibration:
    ABSENCE = Absence({"tax": ("a",), "utility": ("b",)}, {"tax": 0.3})
    KNOWN = ByKnown(("tax", "utility"), (Rising(1.0, 0.0), Rising(0.9, 0.1), Rising(1.1, -0.1), Rising(1.0, 0.2)))

    @pytest.mark.parametrize(
        "parent",
        [
            Calibration("platt", 0.9, 0.2),
            Calibration("beta", 0.8, 1.1, 0.3),
            Calibration("platt", 0.9, 0.2, absence=ABSENCE, by_known=KNOWN),
        ],
    )
    def test_it_is_the_same_line_of_every_firms_log_odds(self, parent):
        margin = np.linspace(-6, 2, 40)
        x = np.ones((40, 2), np.float32)
        x[::3, 0], x[::4, 1] = np.nan, np.nan
        before, after = (c.logit_of(margin, ("a", "b"), x) for c in (parent, parent.rescaled(0.8, 0.7)))
        np.testing.assert_allclose(after, 0.8 * before + 0.7, atol=1e-12)
        assert Calibration.from_json(parent.rescaled(0.8, 0.7).to_json()) == parent.rescaled(0.8, 0.7)
        with pytest.raises(CalibrationError, match="slope"):
            parent.rescaled(0.0, 1.0)

    def test_the_interval_keeps_each_firms_bin_and_grows_by_the_error(self):
        table = IntervalTable(0.9, (0.02,), (("a",),), (((-1.0, 0.5), (-0.2, 0.0)),) * 2)
        moved = table.rescaled(1.0, np.log(2), 0.1)
        x, logit = np.ones((2, 1), np.float32), np.log([0.019 / 0.981, 0.021 / 0.979])
        for before, after in zip(table.of(["a"], x, logit), moved.of(["a"], x, logit + np.log(2)), strict=True):
            at, new = np.log(before / (1 - before)) - logit, np.log(after / (1 - after)) - logit - np.log(2)
            np.testing.assert_allclose(np.abs(new), np.hypot(at, 1.6449 * 0.1), atol=1e-4)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("models") / "parent", names=NAMES, monotone_constraints=DIRECTIONS)


def table_of(model, rows, level=0.7, seed=1):
    features = frame(rows, NAMES, missing=0.2)
    logit = np.log(1 / (1 / model.score(features).pd_12m - 1))
    bad = (np.random.default_rng(seed).random(rows) < sigmoid(logit + level)).astype(np.int8)
    return features.with_columns(
        pl.Series("is_bad", bad), firm=pl.int_range(rows).cast(pl.String), as_of=pl.lit(date(2025, 9, 30))
    ), logit


class TestTheFolder:
    def test_the_trees_are_the_same_bytes_and_the_pds_what_was_fitted(self, parent, tmp_path):
        model = load(parent)
        table, logit = table_of(model, 2_000)
        table.write_parquet(tmp_path / "outcomes.parquet")
        out = tmp_path / "portfolio"
        done = CliRunner().invoke(
            train, ["recalibrate", str(parent), "--outcomes", str(tmp_path / "outcomes.parquet"), "--out", str(out)]
        )
        assert done.exit_code == 0, done.output
        new, told = load(out), json.loads((out / "recalibration.json").read_text())
        assert (out / "model.ubj").read_bytes() == (parent / "model.ubj").read_bytes()
        recalibration = new.manifest["recalibration"]
        assert (recalibration["parent"], recalibration["rows"]) == (model.model_id, 2_000)
        assert (recalibration["since"], recalibration["bads"]) == ("2025-09-30", int(table["is_bad"].sum()))
        pd_12m = new.score(table.select(NAMES)).pd_12m
        expected = recalibration["slope"] * logit + recalibration["level"]
        np.testing.assert_allclose(np.log(pd_12m / (1 - pd_12m)), expected, atol=1e-6)
        assert pd_12m.mean() == pytest.approx(table["is_bad"].mean(), rel=1e-3)
        assert told["after"]["ece"] < told["before"]["ece"]
        card = (out / "card.md").read_text()
        assert card.startswith("# portfolio\n")
        assert recalibration["outcomes_sha256"] in card

    def test_a_model_is_never_overwritten(self, parent, tmp_path):
        told = real(20_000, level=0.5)
        with pytest.raises(FileExistsError, match="never overwritten"):
            recalibrate(parent, told, tmp_path, created_at=NOW)
        done = CliRunner().invoke(train, ["recalibrate", str(parent), "--outcomes", __file__, "--out", str(tmp_path)])
        assert done.exit_code == 2
        assert list(tmp_path.iterdir()) == []

    def test_too_few_bads_write_nothing(self, parent, tmp_path):
        (tmp_path / "few.csv").write_text("is_bad,pd_12m\n" + "1,0.02\n" * 3 + "0,0.02\n" * 500)
        done = CliRunner().invoke(
            train,
            ["recalibrate", str(parent), "--outcomes", str(tmp_path / "few.csv"), "--out", str(tmp_path / "new")],
        )
        assert done.exit_code == 1
        assert "3 firms went bad: 100 are needed, 97 more" in done.output
        assert [path.name for path in tmp_path.iterdir()] == ["few.csv"]


class TestTheFile:
    def write(self, tmp_path, content):
        path = tmp_path / "outcomes.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def test_each_form_says_the_same(self, parent, tmp_path):
        model = load(parent)
        table, logit = table_of(model, 50)
        margin = model.score(table.select(NAMES)).margin
        plain = pl.DataFrame({"is_bad": table["is_bad"], "pd_12m": sigmoid(logit), "margin": margin})
        for columns in (["is_bad", "pd_12m"], ["is_bad", "margin"]):
            path = self.write(tmp_path, plain.select(columns).write_csv())
            np.testing.assert_allclose(read_outcomes(path, model).logit, logit, atol=1e-6)
        path = self.write(tmp_path, table.write_csv())
        np.testing.assert_allclose(read_outcomes(path, model).logit, logit, atol=1e-6)

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
    @pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
    def test_any_encoding_and_line_end(self, parent, tmp_path, encoding, end):
        text = end.join(["firm;as_of;is_bad;pd_12m", "甲;2025-03-31;1;0.2", "乙;;0;0.01", ""])
        read = read_outcomes(self.write(tmp_path, text.encode(encoding)), load(parent))
        assert read.is_bad.tolist() == [1, 0]
        assert (read.since, read.until, read.bad_firms) == (date(2025, 3, 31), date(2025, 3, 31), 1)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "lacks the column is_bad"),
            ("is_bad,pd_12m\n", "holds no row"),
            ("is_bad,pd_12m\n2,0.1\n", "field 'is_bad': value 2.0: 0 or 1"),
            ("is_bad,pd_12m\n,0.1\n", "field 'is_bad': value None: 0 or 1"),
            ("is_bad,pd_12m\n1,1\n", "field 'pd_12m': value 1.0"),
            ("is_bad,pd_12m\n1,nan\n", "line 2: field 'pd_12m': value 'nan'"),
            ("is_bad,margin\n1,1e999\n", "line 2: field 'margin': value '1e999'"),
            ("is_bad,pd_12m,weight\n1,0.1,0\n", "field 'weight': value 0.0"),
            ("is_bad,pd_12m,as_of\n1,0.1,2025-02-30\n", "line 2: field 'as_of': value '2025-02-30'"),
            ("is_bad,pd_12m,firm\n1,0.1,a\0b\n", "line 2"),
            ("is_bad,pd_12m,firm,as_of\n1,0.1,a,2025-01-01\n0,0.1,a,2025-01-01\n", "firm 'a' is there twice"),
            ("is_bad,pd_12m,firm\n1,0.1,\n", "field 'firm': value None"),
            ("is_bad,pd_12m\n1,0.1,3\n", "has 3 fields, the header has 2"),
            ("is_bad,sales\n1,3\n", "needs a column pd_12m, margin, or every indicator of .*; of its indicators"),
            ("is_bad,is_bad\n1,1\n", "names this column twice"),
        ],
    )
    def test_what_is_wrong_is_named(self, parent, tmp_path, content, message):
        with pytest.raises(OutcomesUnusable, match=rf"(?s)outcomes\.csv: .*{message}"):
            read_outcomes(self.write(tmp_path, content), load(parent))

    def test_another_kind_of_file_is_refused(self, parent, tmp_path):
        (tmp_path / "outcomes.parquet").write_bytes(b"PAR1 no")
        with pytest.raises(OutcomesUnusable, match=r"outcomes\.parquet: "):
            read_outcomes(tmp_path / "outcomes.parquet", load(parent))
        with pytest.raises(OutcomesUnusable, match=r"must end in \.csv, \.parquet"):
            read_outcomes(tmp_path / "outcomes.xls", load(parent))
        zoned = pl.DataFrame({"is_bad": [1], "pd_12m": [0.1], "as_of": [NOW]})
        zoned.write_parquet(tmp_path / "outcomes.parquet")
        with pytest.raises(OutcomesUnusable, match="column as_of is Datetime"):
            read_outcomes(tmp_path / "outcomes.parquet", load(parent))
        with pytest.raises(OutcomesUnusable, match="column is_bad is String, not numbers"):
            outcomes_of(pl.DataFrame({"is_bad": ["1"], "pd_12m": [0.1]}), load(parent), source="x", sha256="")
