"""Three small years: models learn from ripe loans alone, and are held against the truth that they never see."""

from __future__ import annotations

import io
import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console

from creditlink.cli.sandbox.sandbox import sandbox
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.model import load
from creditlink.kit.settings import ROOT
from creditlink.sandbox.city import write_city
from creditlink.sandbox.years.bank import BankPlan, decide_quarter
from creditlink.sandbox.years.report import show
from creditlink.sandbox.years.simulate import STEPS, YearsPlan, live_years, ripe
from creditlink.sandbox.years.world import QuarterDay, days_of
from creditlink.training.city import CityError, read_city
from creditlink.training.dataset import FEATURES
from creditlink.training.outcomes.fitting import LEAST_BADS
from creditlink.training.recalibration.outcomes import OutcomesUnusable

MODEL = ROOT / "models" / "city-2026g"
GENEROUS = BankPlan(ask=0.95, approve=0.9, by_lot=0.5)


@pytest.fixture(scope="module")
def risky(tmp_path_factory):
    """A small city whose firms go bad eight times as often as in the one that the first model knows."""
    folder = tmp_path_factory.mktemp("years") / "city"
    write_city(folder, firms=1000, months=57, seed=5, until=date(2026, 9, 1), hazard_times=8.0)
    return read_city(folder)


@pytest.fixture(scope="module")
def first():
    model = load(MODEL)
    return model, Reference.from_json(json.loads(model.contents["reference.json"]))


@pytest.fixture(scope="module")
def lived(risky, first):
    steps = []
    report = live_years(risky, *first, YearsPlan(3, GENEROUS, "by_lot"), step=steps.append)
    assert len(steps) == STEPS
    return report


class TestTheYears:
    def test_each_model_learns_from_more_loans_and_only_ripe_ones(self, lived):
        assert [one.model is None for one in lived.years] == [True, False, False, False]
        learned = [one.loans_learned for one in lived.years]
        assert learned[0] == 0 < learned[1] < learned[2] < learned[3]
        lent = [one.approved + one.by_lot for one in lived.years]
        # Of the last year's loans one quarter's are ripe when the last model learns.
        assert learned[3] < sum(lent)
        assert lived.years[-1].applicants == 0
        assert lived.years[1].bads_learned >= LEAST_BADS

    def test_the_last_model_knows_the_level_that_the_first_did_not(self, lived):
        after = lived.years[-1]
        assert after.first_model.ece > 0.03
        assert after.model.ece < 0.5 * after.first_model.ece
        assert after.model.mean_pd == pytest.approx(after.true_pd, rel=0.25)
        assert 0.5 < after.model.auc < after.best_auc

    def test_the_lot_measures_each_method_as_the_truth_does(self, lived):
        for one in lived.selection["methods"]:
            off = one["gap_of_declined"] - one["true_gap_of_declined"]
            assert abs(off) < 4 * one["error_of_gap"] + 0.03, one["method"]

    def test_intervals_from_outcomes_are_held_against_the_truth(self, lived):
        assert lived.level.within_interval >= 7  # nine of ten to be expected
        assert 0 < lived.level.width < 0.2

    def test_the_table_is_printed(self, lived):
        console = Console(record=True, width=120, file=io.StringIO())
        show(lived, console)
        text = console.export_text()
        assert f"{lived.years[-1].model.auc:.4f}" in text
        assert "after" in text


def day_of_firms(rows, as_of=date(2025, 3, 31), seed=0):
    rng = np.random.default_rng(seed)
    hazard = rng.uniform(0.01, 0.4, rows)
    frame = pl.DataFrame({"firm": np.arange(rows)}).with_columns(
        *(pl.lit(None, pl.Float64).alias(name) for name in FEATURES),
        *(pl.lit("x").alias(name) for name in ("entity_type", "region", "industry")),
    )
    return QuarterDay(as_of, frame, hazard, (rng.random(rows) < hazard).astype(np.int8))


class TestTheBank:
    def test_nobody_learns_what_became_of_a_firm_that_was_not_lent_to(self):
        day = day_of_firms(4000)
        done = decide_quarter(day, np.log(day.hazard), BankPlan(0.5, 0.6, 0.2), np.random.default_rng(1))
        rows = done.rows
        unlent = rows.filter(~pl.col("approved") & ~pl.col("by_lot"))
        assert unlent["is_bad"].null_count() == unlent.height > 0
        assert rows.filter(pl.col("approved") | pl.col("by_lot"))["is_bad"].null_count() == 0
        assert rows.filter(pl.col("approved") & pl.col("by_lot")).is_empty()
        assert rows.height == pytest.approx(2000, rel=0.1)
        assert rows["approved"].mean() == pytest.approx(0.6, abs=0.01)
        assert rows.filter(~pl.col("approved"))["by_lot"].mean() == pytest.approx(0.2, abs=0.05)

    def test_officers_see_more_than_the_score(self):
        day = day_of_firms(4000)
        done = decide_quarter(day, np.full(4000, -2.0), BankPlan(0.9, 0.5, 0.1), np.random.default_rng(1))
        approved = done.rows["approved"].to_numpy()
        assert done.hazard[approved].mean() < done.hazard[~approved].mean() - 0.02

    def test_outcomes_are_known_twelve_months_later_and_not_a_day_before(self):
        rng = np.random.default_rng(1)
        decided = [
            decide_quarter(day_of_firms(200, as_of), np.full(200, -2.0), BankPlan(), rng)
            for as_of in (date(2025, 3, 31), date(2025, 6, 30))
        ]
        assert set(ripe(decided, date(2026, 6, 29))[0].rows["as_of"]) == {date(2025, 3, 31)}
        assert ripe(decided, date(2026, 6, 30))[0].rows["as_of"].n_unique() == 2

    @pytest.mark.parametrize("name", ["ask", "approve", "by_lot"])
    def test_a_share_that_is_none_is_named(self, name):
        with pytest.raises(ValueError, match=f"{name}: 1.0 is not between 0 and 1"):
            BankPlan(**{name: 1.0})


class TestTheCommand:
    def test_too_few_bad_loans_say_what_is_needed(self, risky, first):
        with pytest.raises(OutcomesUnusable, match=r"are needed, .* more; make a city of more firms"):
            live_years(risky, *first, YearsPlan(3, BankPlan(ask=0.05), "by_lot"))

    def test_a_short_city_and_an_unknown_method_are_told(self, tmp_path, risky):
        folder = tmp_path / "short"
        write_city(folder, firms=20, months=40, seed=5, until=date(2026, 9, 1))
        with pytest.raises(CityError, match="3 years need a city of at least 57 months"):
            days_of(read_city(folder))
        answer = CliRunner().invoke(sandbox, ["years", "--city", str(risky.path), "--method", "wishing"])
        assert "'wishing': one of approved_only, augmentation" in answer.output
