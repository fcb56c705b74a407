"""A model of outcomes alone: what it reads, how it is judged, what its folder says, and what it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from creditlink.engine.features.withhold import without
from creditlink.engine.profile.live_model import live_from
from creditlink.engine.scoring import settings as score_settings
from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.engine.scoring.model import load
from creditlink.kit.settings import ROOT, load_settings
from creditlink.training.outcomes.fitting import LEAST_BADS, fit_outcomes, refuse_few
from creditlink.training.outcomes.package import train_on_outcomes
from creditlink.training.outcomes.validation import auc_interval, rate_interval, validate_outcomes
from creditlink.training.recalibration.outcomes import OutcomesUnusable
from creditlink.training.validation import metrics
from tests.training.outcomes.firms import made_up, shuffled

pytestmark = pytest.mark.pure

PARENT = "models/city-2026g"
NOW = datetime(2027, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def learned():
    """Applicants, their true hazards, and the model of them."""
    applicants, hazard = made_up(3000)
    model = fit_outcomes(applicants.features, applicants.is_bad, applicants.firm, seed=1)
    return applicants, hazard, model


class TestTheModel:
    def test_comes_near_the_best_on_other_firms(self, learned):
        others, hazard = made_up(3000, seed=5)
        pd_12m = learned[2].pd(others.features)
        best = metrics.expected_auc(hazard, hazard)
        assert metrics.expected_auc(hazard, pd_12m) > 0.5 + 0.75 * (best - 0.5)
        assert metrics.ece(hazard, pd_12m) < 0.02

    def test_judges_each_row_by_a_booster_that_did_not_see_its_firm(self, learned):
        applicants, _, model = learned
        again = model.unseen_logit(applicants.features, applicants.firm)
        assert again == pytest.approx(model.held_out_logit, abs=1e-6)
        mixed = shuffled(applicants)
        blind = fit_outcomes(mixed.features, mixed.is_bad, mixed.firm, seed=1, withheld=False)
        # Nothing is there to learn: an in-sample figure would not say so.
        assert metrics.auc(mixed.is_bad, blind.held_out) == pytest.approx(0.5, abs=0.05)

    def test_taking_a_category_away_moves_no_pd_in_the_mean(self, learned):
        applicants, _, model = learned
        before = model.pd(applicants.features).mean()
        for category in ("tax", "social_security", "utility"):
            gone = model.pd(without(applicants.features, [category])).mean()
            assert gone == pytest.approx(before, rel=0.12), category

    def test_reads_nothing_of_the_citys_outcomes(self, learned):
        assert "industry_default_rate" not in learned[2].names

    def test_few_bad_firms_are_refused_with_the_number_needed(self):
        bad = np.zeros(1000, np.int8)
        bad[:40] = 1
        with pytest.raises(OutcomesUnusable, match=f"40 firms went bad: {LEAST_BADS} are needed, 10 more"):
            refuse_few(bad, np.arange(1000))
        with pytest.raises(OutcomesUnusable, match="20 firms went bad"):
            refuse_few(bad, np.arange(1000) // 2)  # two rows of one firm are one
        with pytest.raises(OutcomesUnusable, match="0 firms stayed good"):
            refuse_few(np.ones(200, np.int8), np.arange(200))


class TestTheValidation:
    def test_the_interval_of_an_auc_holds_the_expected_one(self, learned):
        applicants, hazard, model = learned
        found = auc_interval(applicants.is_bad, model.held_out_logit, applicants.firm)
        assert found["low"] < metrics.expected_auc(hazard, model.held_out_logit) < found["high"]
        assert found["value"] == pytest.approx(metrics.auc(applicants.is_bad, model.held_out_logit))
        few, score = applicants.is_bad[:600], model.held_out_logit[:600]
        wider = auc_interval(few, score, applicants.firm[:600])
        assert wider["high"] - wider["low"] > 1.5 * (found["high"] - found["low"])

    def test_rows_of_one_firm_count_as_one(self):
        rng = np.random.default_rng(0)
        score, firm = rng.normal(0, 1, 400), np.arange(400)
        bad = (rng.random(400) < sigmoid(score - 1)).astype(np.int8)
        once = auc_interval(bad, score, firm)
        copied = auc_interval(np.tile(bad, 5), np.tile(score, 5), np.tile(firm, 5))
        assert copied["high"] - copied["low"] == pytest.approx(once["high"] - once["low"], rel=0.15)

    def test_the_interval_of_a_rate_is_exact(self):
        assert rate_interval(0, 20)["high"] == pytest.approx(1 - 0.05 ** (1 / 20))
        assert rate_interval(0, 20)["low"] == 0.0
        assert rate_interval(20, 20)["high"] == 1.0

    def test_says_who_is_missing_and_how_each_part_fares(self, learned):
        applicants, _, model = learned
        found = validate_outcomes(model, applicants)
        assert sum(one["rows"] for one in found["tenths"]) == found["rows"] == 3000
        assert {one["segment"] for one in found["segments"]} == {"sole_trader", "company", "4406", "C"}
        assert [one["quarter"] for one in found["quarters"]] == ["2025Q1", "2025Q2", "2025Q3", "2025Q4"]
        assert found["counts"]["bad"] == found["bads"]
        assert found["mean_pd"] == pytest.approx(found["bad_rate"]["value"], abs=0.005)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "loans-2027a"
    applicants, _ = made_up(2000, approve=0.9)
    told = train_on_outcomes(ROOT / PARENT, applicants, out, seed=1, purposes=("underwriting",), created_at=NOW)
    return out, applicants, told


class TestTheFolder:
    def test_is_served_like_any_model(self, folder):
        out, applicants, (manifest, _) = folder
        scores = load(out).score(applicants.features)
        assert scores.pd_low is None  # outcomes do not show a firm's own probability
        assert manifest["outcomes"]["rows"] == int(applicants.known.sum())
        known = applicants.labelled()
        assert metrics.auc(known.is_bad, scores.pd_12m[applicants.known]) > 0.7

    def test_makes_reasons_and_levers_by_the_rules_in_use(self, folder):
        rules = load_settings({}).parsed("score.toml", score_settings.parse)
        live = live_from(load(folder[0]), rules)
        assert live.purposes == ("underwriting",)
        assert not live.reference.default_rate

    def test_holds_no_default_rate_of_the_city(self, folder):
        reference = json.loads((folder[0] / "reference.json").read_text())
        assert reference["default_rate"] == {}
        assert reference["spread"]

    def test_card_and_data_sheet_say_what_was_measured_and_who_is_missing(self, folder):
        out, _, (manifest, figures) = folder
        card, sheet = (out / "card.md").read_text(), (out / "datasheet.md").read_text()
        assert f"{figures['auc']['value']:.4f}" in card
        assert "profiles of this model state none" in card
        assert "| declined | 200 |" in sheet
        assert manifest["outcomes"]["sha256"] in sheet

    def test_nothing_is_overwritten(self, folder):
        with pytest.raises(FileExistsError):
            train_on_outcomes(ROOT / PARENT, folder[1], folder[0], seed=1, purposes=("underwriting",), created_at=NOW)
