from dataclasses import replace

import numpy as np
import pytest

from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, sigmoid
from creditlink.engine.scoring.calibration.interval import IntervalTable
from creditlink.engine.scoring.model import ModelFolderError, load
from tests.engine.scoring.folders import NAMES, frame, write_folder

pytestmark = pytest.mark.pure

TABLE = IntervalTable(
    level=0.9,
    bounds=(0.02, 0.1),
    evidence=(("sales",), ("headcount", "late")),
    offsets=tuple(((-1.0 - k, 0.5), (-0.5, 0.5 + k), (0.0, 0.0)) for k in (2, 9, 1, 0)),
)


def test_offsets_are_added_by_evidence_and_band():
    x = np.full((3, len(NAMES)), np.nan, np.float32)
    x[1, NAMES.index("late")] = 1.0
    x[2, :3] = 1.0
    logit = np.log(np.array([0.01, 0.05, 0.5]) / (1 - np.array([0.01, 0.05, 0.5])))
    assert TABLE.known(NAMES, x).tolist() == [0, 2, 3]
    low, high = TABLE.of(NAMES, x, logit)
    np.testing.assert_allclose(low, sigmoid(logit + np.array([-3.0, -0.5, 0.0])))
    np.testing.assert_allclose(high, sigmoid(logit + np.array([0.5, 1.5, 0.0])))


def test_every_score_lies_within_its_interval_and_what_is_written_is_read(tmp_path):
    assert IntervalTable.from_json(TABLE.to_json()) == TABLE
    scores = load(write_folder(tmp_path / "m", files={"interval.json": TABLE.to_json().encode()})).score(frame(300))
    assert (scores.pd_low <= scores.pd_12m).all()
    assert (scores.pd_12m <= scores.pd_high).all()
    assert scores.take(7).pd_low == scores.pd_low[7]
    assert load(write_folder(tmp_path / "plain")).score(frame(3)).pd_low is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": 1.5}, "level"),
        ({"offsets": [[[0, 0]] * 3] * 2}, "4 are expected"),
        ({"offsets": [[[0, 0]] * 2] * 4}, "2 bins, 3"),
        ({"offsets": [[[0.1, 0.2]] * 3] * 4}, "point itself"),
        ({"evidence": None}, "NoneType"),
    ],
)
def test_a_damaged_table_is_refused_by_name(tmp_path, change, message):
    import json

    members = json.loads(TABLE.to_json()) | change
    with pytest.raises(ModelFolderError, match=rf"interval.json.*{message}"):
        load(write_folder(tmp_path / "m", files={"interval.json": json.dumps(members).encode()}))


def test_what_is_absent_shifts_points_through_calibration_alone(tmp_path):
    absence = Absence({"tax": ("sales",), "utility": ("usage",)}, {"tax": 0.25, "utility": -0.1})
    plain = Calibration("platt", 0.9, -0.4)
    firms = frame(200, missing=0.3)
    without = load(write_folder(tmp_path / "plain", calibration=plain)).score(firms)
    model = load(write_folder(tmp_path / "m", calibration=replace(plain, absence=absence)))
    assert model.calibration.absence == absence
    shifted = model.score(firms)
    logit = 0.25 * firms["sales"].is_null().to_numpy() - 0.1 * firms["usage"].is_null().to_numpy()
    assert len(set(logit)) == 4
    np.testing.assert_allclose(shifted.points_exact - without.points_exact, logit * without.points_per_logit, atol=1e-9)
    np.testing.assert_array_equal(shifted.contributions, without.contributions)
    np.testing.assert_allclose(
        shifted.points_base + shifted.points_contributions.sum(axis=1) + shifted.points_calibration,
        shifted.points_exact,
        atol=1e-6,
    )


def test_absence_that_looks_at_no_feature_is_refused_by_name(tmp_path):
    strange = Calibration("platt", 0.9, -0.4, absence=Absence({"tax": ("rumours",)}, {"tax": 0.1}))
    with pytest.raises(ModelFolderError, match=r"calibration.json: absence reads rumours"):
        load(write_folder(tmp_path / "m", calibration=strange))
