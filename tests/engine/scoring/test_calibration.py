import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, CalibrationError, sigmoid

MARGINS = np.linspace(-30, 30, 601)


@given(a=st.floats(0.01, 5), b=st.floats(-5, 5))
def test_platt_is_a_line_and_round_trips(a, b):
    calibration = Calibration("platt", a, b)
    assert np.allclose(calibration.logit(MARGINS), a * MARGINS + b)
    assert Calibration.from_json(calibration.to_json()) == calibration


@given(a=st.floats(0.01, 5), b=st.floats(0.01, 5), c=st.floats(-5, 5))
def test_beta_is_increasing_and_round_trips(a, b, c):
    calibration = Calibration("beta", a, b, c)
    assert (np.diff(calibration.logit(MARGINS)) > 0).all()
    assert Calibration.from_json(calibration.to_json()) == calibration


def test_beta_with_equal_parameters_is_platt():
    beta = Calibration("beta", 1.3, 1.3, -0.2)
    assert np.allclose(beta.logit(MARGINS), Calibration("platt", 1.3, -0.2).logit(MARGINS))


def test_identity_gives_the_margin_and_pd_its_sigmoid():
    assert (Calibration.identity().logit(MARGINS) == MARGINS).all()
    assert np.allclose(Calibration.identity().pd(MARGINS), 1 / (1 + np.exp(-MARGINS)))
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "spline", "a": 1, "b": 0}, "kind: 'spline'"),
        ({"kind": "platt", "a": 0, "b": 0}, "a: 0"),
        ({"kind": "platt", "a": "1", "b": 0}, "a: '1'"),
        ({"kind": "platt", "a": 1, "b": float("nan")}, "b: nan"),
        ({"kind": "platt", "a": 1, "b": 0, "c": 1}, "c: 1"),
        ({"kind": "platt", "a": 1}, "b: missing"),
        ({"kind": "beta", "a": -1, "b": 1}, "a, b: -1"),
        ([1, 2], "an object"),
        ({"kind": "platt", "a": 1, "b": 0, "refusals": {"tax": 0.1}}, "refusals: shifts by cause are not read"),
        ({"kind": "platt", "a": 1, "b": 0, "absence": {"shifts": {}}}, "absence: an object"),
        (
            {"kind": "platt", "a": 1, "b": 0, "absence": {"evidence": {"tax": ["sales"]}, "shifts": {"tax": "x"}}},
            "absence shifts.tax: 'x'",
        ),
        (
            {"kind": "platt", "a": 1, "b": 0, "absence": {"evidence": {"tax": ["sales"]}, "shifts": {"water": 0.1}}},
            "absence shifts.water: 'water' has no evidence",
        ),
    ],
)
def test_a_wrong_calibration_names_the_field(fields, message):
    with pytest.raises(CalibrationError, match=message):
        Calibration.from_json(json.dumps(fields))


def test_text_that_is_not_json_is_refused():
    with pytest.raises(CalibrationError, match="not JSON"):
        Calibration.from_json("{")


def test_extra_keys_are_let_pass():
    text = json.dumps({"kind": "platt", "a": 1.5, "b": 0.5, "fitted_on": 1200})
    assert Calibration.from_json(text) == Calibration("platt", 1.5, 0.5)


def test_a_shift_is_added_where_nothing_of_a_category_is_known():
    evidence = {"tax": ("sales", "late"), "utility": ("usage",)}
    absence = Absence(evidence, {"tax": 0.5, "utility": -1.0, "tax+utility": 2.0})
    calibration = Calibration("platt", 1.0, 0.25, absence=absence)
    assert Calibration.from_json(calibration.to_json()) == calibration
    nan = np.nan
    x = np.array([[1, 1, 1], [nan, 1, 1], [nan, nan, 1], [1, 1, nan], [nan, nan, nan]], np.float32)
    found = calibration.logit_of(np.zeros(5), ("sales", "late", "usage"), x)
    assert found.tolist() == [0.25, 0.25, 0.75, -0.75, 1.75]
    assert calibration.with_level(1.0).logit(0.0) == 1.25
