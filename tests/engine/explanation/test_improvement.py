import json

import numpy as np
import pytest

from creditlink.engine.explanation.improvement import PLANS, improvements
from creditlink.engine.explanation.levers import coherent, levers_of, settle
from creditlink.engine.explanation.ranking import reason_book
from creditlink.engine.scoring.calibration.calibration import Calibration
from creditlink.engine.scoring.model import load
from creditlink.engine.scoring.peers import TENTHS
from creditlink.engine.vocabulary import GRADES
from tests.engine.scoring.folders import frame, write_folder
from tests.engine.scoring.indicators import CATALOGUE, DIRECTIONS, GROUPS, NAMES

pytestmark = pytest.mark.pure


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    firms = frame(2000, NAMES, missing=0.2)
    tenths = {n: [2000, *np.nanquantile(firms[n].to_numpy(), TENTHS).tolist()] for n in NAMES}
    peers = json.dumps({"rows": {"*": tenths}}).encode()
    folder = tmp_path_factory.mktemp("models") / "improve"
    calibration = Calibration("platt", 0.9, -3.5)  # so that every grade occurs
    files = {"peers.json": peers}
    return load(
        write_folder(folder, names=NAMES, calibration=calibration, monotone_constraints=DIRECTIONS, files=files)
    )


@pytest.fixture(scope="module")
def levers(model):
    return levers_of(model, reason_book(model.features, CATALOGUE, GROUPS))


@pytest.fixture(scope="module")
def found(model, levers):
    x = model.matrix(frame(150, NAMES, seed=5, missing=0.2))
    return [(row, improvements(model, levers, row, industry="C26", size=None)) for row in np.ascontiguousarray(x)]


def changed(row, plan):
    after = row.copy()
    for change in plan.changes:
        assert change.before == pytest.approx(float(row[NAMES.index(change.indicator)]))
        after[NAMES.index(change.indicator)] = change.after
    return after


def test_every_plan_raises_the_grade_when_the_changed_firm_is_scored(model, found):
    plans = 0
    for row, answer in found:
        assert len(answer.plans) <= PLANS
        for plan in answer.plans:
            scored = model.score_matrix(np.asfortranarray(changed(row, plan)[None, :]))
            assert str(scored.grade[0]) == plan.grade
            assert int(scored.points[0]) == plan.points
            assert GRADES.index(plan.grade) < GRADES.index(answer.grade)
            assert plan.points <= answer.best_points
            plans += 1
    assert plans > 30


def test_only_what_can_be_acted_on_moves_and_only_the_safer_way(model, found):
    best = {n: model.peers.tenths(None, None, n) for n in NAMES}
    for _, answer in found:
        for plan in answer.plans:
            assert plan.changes
            for change in plan.changes:
                indicator = CATALOGUE[change.indicator]
                assert indicator.actionable
                assert (change.after - change.before) * indicator.direction < 0
                # No further than a tenth of the peers already are, but for rounding to a number that can be said.
                reach = best[change.indicator][0 if indicator.direction > 0 else -1]
                assert (reach - change.after) * indicator.direction <= 1.0


def test_no_change_of_a_plan_can_be_left_out(model, levers, found):
    for row, answer in found:
        for plan in answer.plans:
            for left_out in plan.changes:
                after = changed(row, plan)
                after[NAMES.index(left_out.indicator)] = left_out.before
                scored = model.score_matrix(np.asfortranarray(after[None, :]))
                still = GRADES.index(str(scored.grade[0])) < GRADES.index(answer.grade)
                assert not (still and coherent(levers, after.astype(float)))


def test_missing_values_stay_missing_and_the_least_effort_comes_first(found):
    for row, answer in found:
        efforts = [plan.effort for plan in answer.plans]
        assert efforts == sorted(efforts)
        assert not any(np.isnan(row[NAMES.index(c.indicator)]) for plan in answer.plans for c in plan.changes)


def test_the_best_grade_needs_nothing(model, levers):
    x = np.array(model.matrix(frame(400, NAMES, seed=9, missing=0.0)))
    best = x[np.argmin(model.score_matrix(np.asfortranarray(x)).pd_12m)]
    loose = model.scale.__class__(pd_bounds=(0.9, 0.92, 0.94, 0.96, 0.98))
    relaxed = model.__class__(**{**vars(model), "scale": loose})
    answer = improvements(relaxed, levers, best, industry=None, size=None)
    assert (answer.grade, answer.target, answer.plans) == ("A+", None, ())


def test_out_of_reach_is_said_as_no_plan(model, levers):
    x = np.array(model.matrix(frame(50, NAMES, seed=3, missing=0.0)))
    strict = model.__class__(
        **{**vars(model), "scale": model.scale.__class__(pd_bounds=(1e-9, 2e-9, 3e-9, 4e-9, 5e-9))}
    )
    for row in x[:5]:
        answer = improvements(strict, levers, row, industry=None, size=None)
        assert (answer.grade, answer.target, answer.plans) == ("E", "D", ())
        assert answer.best_points >= answer.points


def test_a_value_settles_where_the_trees_see_no_difference(levers):
    late = NAMES.index("late")
    cuts = levers.cuts[late].astype(float)
    assert settle(levers, late, 5.0, 0.0) < cuts[cuts > 0][0]
    assert settle(levers, late, float(cuts[0]) - 1.0, float(cuts[0]) - 2.0) == float(cuts[0]) - 1.0
    sales = NAMES.index("sales_growth")
    up = settle(levers, sales, -9.0, 9.0)
    assert np.float32(up) >= levers.cuts[sales][-1]
    assert up == round(up, 4)


def test_the_same_firm_gets_the_same_plans(model, levers, found):
    row, answer = found[0]
    assert improvements(model, levers, row, industry="C26", size=None) == answer
    json.dumps(answer.to_dict(), allow_nan=False)
