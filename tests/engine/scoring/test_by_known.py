"""A calibration with a map for each number of known categories, or for each set of them."""

import json

import numpy as np
import pytest

from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, CalibrationError, sigmoid
from creditlink.engine.scoring.calibration.known import ByKnown, Rising
from creditlink.training.fitting.calibrate import (
    LEAST_BADS,
    fit_by_known,
    fit_calibration,
    fit_drift,
    fit_rising,
)

pytestmark = pytest.mark.pure

ABSENCE = Absence({"tax": ("sales",), "utility": ("kwh",)}, {"tax": 0.25, "utility": 0.0})
KNOWN = ByKnown(("tax", "utility"), (Rising(1.0, -1.0), Rising(0.9, 0.0), Rising(0.5, 0.5)))
BENT = Rising(0.5, 0.5, ((-3.0, 0.25), (-1.0, -0.5)))
SETS = ByKnown(("tax", "utility"), (Rising(1.0, -1.0), Rising(0.9, 0.0), Rising(0.8, 0.1), BENT))
WHOLE = Calibration("platt", 1.0, 0.0, absence=ABSENCE, by_known=KNOWN)
FEATURES = ("sales", "kwh")
NAN = np.nan


def test_the_map_is_that_of_what_is_known():
    x = np.array([[1, 1], [1, NAN], [NAN, 1], [NAN, NAN]], np.float32)
    logit = WHOLE.logit_of(np.full(4, -2.0), FEATURES, x)
    # Two known, one known, one known and the shift of tax, none known and the shift of tax.
    np.testing.assert_allclose(logit, [-0.5, -1.8, -1.8 + 0.25, -3.0 + 0.25])


def test_of_sets_each_has_a_map_of_its_own():
    x = np.array([[1, 1], [1, NAN], [NAN, 1], [NAN, NAN]], np.float32)
    whole = Calibration("platt", 1.0, 0.0, absence=ABSENCE, by_known=SETS)
    logit = whole.logit_of(np.full(4, -2.0), FEATURES, x)
    # Both known: 0.5 x -2 + 0.5, and a quarter more for each unit beyond -3; then tax alone, utility alone, none.
    np.testing.assert_allclose(logit, [-0.5 + 0.25, -1.8, -1.5 + 0.25, -3.0 + 0.25])
    assert Calibration.from_json(whole.to_json()) == whole


@pytest.mark.parametrize("known", [KNOWN, SETS])
def test_every_map_rises_with_the_margin(known):
    margins = np.linspace(-9, 9, 50)
    for number in range(len(known.maps)):
        assert (np.diff(known.logit(margins, np.full(50, number))) > 0).all()


def test_a_bent_map_is_straight_between_its_bends():
    assert BENT.logit(np.array([-5.0, -3.0, -2.0, -1.0, 1.0])) == pytest.approx([-2.0, -1.0, -0.25, 0.5, 1.0])


def test_it_round_trips_and_the_level_moves_every_map():
    assert Calibration.from_json(WHOLE.to_json()) == WHOLE
    raised = WHOLE.with_level(0.1)
    assert raised.by_known is not None
    np.testing.assert_allclose([one.b for one in raised.by_known.maps], [-0.9, 0.1, 0.6])
    assert raised.b == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ([[1, 0], [1, 0]], "2 for 2 categories"),
        ([[1, 0]] * 5, "5 for 2 categories, 3 or 4 are needed"),
        ([[1, 0], [0, 0], [1, 0]], "by_known maps.1: [0.0, 0.0]: every slope must be above 0"),
        ([[1, 0], [1, float("nan")], [1, 0]], "by_known maps.1: [1.0, nan]: every number must be finite"),
        ([[1, 0], [1, 0, [[-1, -1.5]]], [1, 0]], "by_known maps.1: [1.0, 0.0, [[-1.0, -1.5]]]: every slope"),
        ([[1, 0], [1, 0, [[2, 0.1], [1, 0.1]]], [1, 0]], "bends must ascend"),
        ([[1, 0], [1, 0, [[2, 0.1], [2, 0.1]]], [1, 0]], "bends must ascend"),
        ([[1, 0], [1, 0, [[float("inf"), 0.1]]], [1, 0]], "every number must be finite"),
        ([[1, 0], [1, 0, [2, 0.1]], [1, 0]], "not a list of bends"),
        ([[1, 0], [1, 0, [[2, True]]], [1, 0]], "not a list of bends"),
        ([[1, 0], [1, 0, "bends"], [1, 0]], "not a list of bends"),
        ([[1, 0], [1], [1, 0]], "not a pair of numbers"),
        ([[1, 0], ["1", 0], [1, 0]], "not a pair of numbers"),
        ([[1, 0], [True, 0], [1, 0]], "not a pair of numbers"),
        ("maps", "an object with categories and maps"),
    ],
)
def test_a_wrong_one_is_refused_by_name(maps, said):
    fields = json.loads(WHOLE.to_json()) | {"by_known": {"categories": ["tax", "utility"], "maps": maps}}
    with pytest.raises(CalibrationError, match=r"calibration") as refused:
        Calibration.from_json(json.dumps(fields))
    assert said in str(refused.value)


def test_it_needs_the_evidence_of_absence():
    with pytest.raises(CalibrationError, match="by_known: needs kind platt"):
        Calibration("platt", 1.0, 0.0, by_known=KNOWN)


def test_each_set_gets_the_map_of_its_firms_and_thin_ones_that_of_all():
    rng = np.random.default_rng(3)
    n = 60_000
    gone = {"tax": rng.random(n) < 0.4, "utility": rng.random(n) < 0.02}
    places = SETS.place(gone)
    margin = rng.normal(-2.5, 1.5, n)
    slope = np.where(places == 3, 0.6, 1.3)
    bad = (rng.random(n) < sigmoid(slope * margin)).astype(np.int8)
    overall = fit_calibration(margin, bad)
    fitted = fit_by_known(overall, margin, bad, ABSENCE, SETS, gone).by_known
    assert fitted is not None
    where = np.array([-3.0, -1.0])
    assert np.diff(fitted.maps[3].logit(where)) / 2 == pytest.approx(0.6, abs=0.05)
    assert np.diff(fitted.maps[2].logit(where)) / 2 == pytest.approx(1.3, abs=0.08)
    assert int(bad[places == 0].sum()) < LEAST_BADS
    assert fitted.maps[0] == Rising(overall.a, overall.b)


class TestFitRising:
    def test_it_bends_where_outcomes_do(self):
        rng = np.random.default_rng(5)
        margin = rng.normal(-3.0, 1.6, 150_000)
        true = np.where(margin < -3, 1.3, 0.7) * (margin + 3) - 3
        fitted = fit_rising(margin, (rng.random(margin.size) < sigmoid(true)).astype(np.int8))
        where = np.array([-5.0, -4.0, -3.0, -1.0, 0.0])
        assert fitted.logit(where) == pytest.approx(np.where(where < -3, 1.3, 0.7) * (where + 3) - 3, abs=0.2)

    def test_few_bads_make_a_straight_one(self):
        rng = np.random.default_rng(6)
        margin = rng.normal(-3.0, 1.5, 5000)
        bad = (rng.random(margin.size) < sigmoid(margin)).astype(np.int8)
        fitted, straight = fit_rising(margin, bad), fit_calibration(margin, bad)
        assert fitted.bends == ()
        assert (fitted.a, fitted.b) == pytest.approx((straight.a, straight.b), abs=0.02)

    def test_it_never_falls_though_outcomes_do(self):
        rng = np.random.default_rng(7)
        margin = rng.normal(0.0, 1.0, 20_000)
        bad = (rng.random(margin.size) < sigmoid(-margin)).astype(np.int8)
        fitted = fit_rising(margin, bad)
        assert (np.diff(fitted.logit(np.linspace(-5, 5, 60))) > 0).all()

    def test_only_goods_are_refused(self):
        with pytest.raises(ValueError, match="is_bad: calibration needs goods and bads"):
            fit_rising(np.zeros(5), np.zeros(5, np.int8))


class TestFitDrift:
    """Four years of outcomes whose risk rises by a tenth a year, and more among the safe."""

    rng = np.random.default_rng(11)
    years = -rng.integers(1, 5, 400_000).astype(np.float64)
    margin = rng.normal(-3.0, 1.5, years.size)
    drifting = years * (0.1 - 0.05 * (margin + 3.0))
    bad = (rng.random(years.size) < sigmoid(margin + drifting)).astype(np.int8)

    def test_it_finds_what_time_did(self):
        found = fit_drift(self.margin, self.bad, self.years)
        # The most extreme of 400,000 margins, four years back, is off by a few hundredths a year.
        assert np.abs(found - self.drifting).max() < 0.35
        assert np.abs(found - self.drifting).mean() < 0.06
        assert np.corrcoef(found, self.drifting)[0, 1] > 0.99

    def test_the_map_without_it_is_that_of_the_day(self):
        drift = fit_drift(self.margin, self.bad, self.years)
        fitted = fit_rising(self.margin, self.bad, drift)
        where = np.array([-5.0, -3.0, -1.0])
        assert fitted.logit(where) == pytest.approx(where, abs=0.12)
        blind = fit_rising(self.margin, self.bad)
        assert (blind.logit(where) < where - 0.1)[:2].all()
        straight = fit_calibration(self.margin, self.bad, drift=drift)
        assert straight.logit(where) == pytest.approx(where, abs=0.12)

    def test_what_chance_could_have_made_is_not_carried_on(self):
        steady = (self.rng.random(self.years.size) < sigmoid(self.margin)).astype(np.int8)
        assert np.abs(fit_drift(self.margin, steady, self.years, repeats=12)).max() < 0.1
        few = slice(0, 3000)
        assert not fit_drift(self.margin[few], steady[few], self.years[few], repeats=200).any()
