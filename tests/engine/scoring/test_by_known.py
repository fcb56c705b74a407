"""A calibration with a map for each number of known categories."""

import json

import numpy as np
import pytest

from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, CalibrationError, sigmoid
from creditlink.engine.scoring.calibration.known import ByKnown
from creditlink.training.fitting.calibrate import LEAST_BADS, fit_by_known, fit_calibration

pytestmark = pytest.mark.pure

ABSENCE = Absence({"tax": ("sales",), "utility": ("kwh",)}, {"tax": 0.25, "utility": 0.0})
KNOWN = ByKnown(("tax", "utility"), ((1.0, -1.0), (0.9, 0.0), (0.5, 0.5)))
WHOLE = Calibration("platt", 1.0, 0.0, absence=ABSENCE, by_known=KNOWN)
FEATURES = ("sales", "kwh")
NAN = np.nan


def test_the_map_is_that_of_what_is_known():
    x = np.array([[1, 1], [1, NAN], [NAN, 1], [NAN, NAN]], np.float32)
    logit = WHOLE.logit_of(np.full(4, -2.0), FEATURES, x)
    # Two known, one known, one known and the shift of tax, none known and the shift of tax.
    np.testing.assert_allclose(logit, [-0.5, -1.8, -1.8 + 0.25, -3.0 + 0.25])


def test_every_map_rises_with_the_margin():
    margins = np.linspace(-9, 9, 50)
    for number in range(3):
        assert (np.diff(KNOWN.logit(margins, np.full(50, number))) > 0).all()


def test_it_round_trips_and_the_level_moves_every_map():
    assert Calibration.from_json(WHOLE.to_json()) == WHOLE
    raised = WHOLE.with_level(0.1)
    assert raised.by_known is not None
    np.testing.assert_allclose([b for _, b in raised.by_known.maps], [-0.9, 0.1, 0.6])
    assert raised.b == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ([[1, 0], [1, 0]], "2 for 2 categories"),
        ([[1, 0], [0, 0], [1, 0]], "by_known maps.1: 0.0"),
        ([[1, 0], [1, float("nan")], [1, 0]], "by_known maps.1"),
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


def test_each_count_gets_the_map_of_its_firms_and_thin_ones_that_of_all():
    rng = np.random.default_rng(3)
    n = 60_000
    gone = {"tax": rng.random(n) < 0.4, "utility": rng.random(n) < 0.02}
    counts = KNOWN.count(gone)
    margin = rng.normal(-2.5, 1.5, n)
    slope = np.where(counts == 2, 0.6, 1.3)
    bad = (rng.random(n) < sigmoid(slope * margin)).astype(np.int8)
    overall = fit_calibration(margin, bad)
    fitted = fit_by_known(overall, margin, bad, ABSENCE, KNOWN, gone).by_known
    assert fitted is not None
    assert fitted.maps[2][0] == pytest.approx(0.6, abs=0.05)
    assert fitted.maps[1][0] == pytest.approx(1.3, abs=0.08)
    assert int(bad[counts == 0].sum()) < LEAST_BADS
    assert fitted.maps[0] == (overall.a, overall.b)
