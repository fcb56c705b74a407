"""What must hold of the champion that is committed: its directions, its reasons, its parts."""

import numpy as np
import polars as pl
import pytest

from creditlink.engine.explanation.coverage import without_each
from creditlink.engine.explanation.ranking import rank
from creditlink.engine.explanation.reasons import reasons_for
from creditlink.engine.features.catalogue import BY_NAME, CATALOGUE
from creditlink.engine.features.withhold import TAKEN, blanked, repooled
from creditlink.engine.profile.improvements import improvements_of
from creditlink.engine.vocabulary import GRADES
from creditlink.kit.settings import load_settings
from creditlink.profiles.serving.live import load_live

pytestmark = pytest.mark.pure

OPTIONAL = sorted(set(TAKEN) - {"registration"})


@pytest.fixture(scope="module")
def live():
    return load_live(load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}))


@pytest.fixture(scope="module")
def x(live):
    """Firms made of values that occur: of each indicator, something between two tenths of all firms."""
    rng = np.random.default_rng(4)
    out = np.full((400, len(live.model.features)), np.nan, np.float32)
    for column, name in enumerate(live.model.features):
        tenths = live.model.peers.tenths(None, None, name)
        out[:, column] = np.interp(rng.random(400) * 8, np.arange(9), tenths) if tenths else np.nan
    out[rng.random(out.shape) < 0.15] = np.nan
    return repooled(out, live.model.features)


def scored(live, x, **how):
    return live.model.score_matrix(np.asfortranarray(x, dtype=np.float32), **how)


def test_every_monotone_direction_holds_on_a_grid(live, x):
    checked = 0
    for column, name in enumerate(live.model.features):
        direction, cuts = BY_NAME[name].direction, live.levers.cuts.get(column)
        if not direction or cuts is None:
            continue
        grid = np.unique(np.concatenate([cuts, np.nextafter(cuts, -np.inf)]).astype(np.float32))
        rows = np.repeat(x[:40], len(grid), axis=0)
        rows[:, column] = np.tile(grid, 40)
        pd_12m = scored(live, rows).pd_12m.reshape(40, len(grid))
        assert (np.diff(pd_12m, axis=1) * direction >= 0).all(), name
        checked += 1
    assert checked > 40


def with_parts(live, features):
    """Return features, and of those that pool others the others: a pool is improved by its parts."""
    pooled = [part for feature in features if CATALOGUE[feature].pool for part in CATALOGUE[feature].pool.parts]
    return [*features, *(live.model.features.index(part) for part in pooled)]


def test_improving_a_named_reason_lowers_the_pd(live, x):
    scores = scored(live, x)
    told = rank(scores, live.reasons, limit=1)
    better, rows = x.copy(), np.flatnonzero(told.lead[:, 0] >= 0)
    moved = []
    for row in rows:
        for feature in with_parts(live, np.flatnonzero(live.reasons.group_of == told.group[row, 0])):
            direction, cuts = CATALOGUE[feature].direction, live.levers.cuts.get(int(feature))
            if direction and cuts is not None and not np.isnan(x[row, feature]):
                extreme = np.nextafter(cuts[0], -np.inf) if direction > 0 else cuts[-1]
                better[row, feature] = (min if direction > 0 else max)(x[row, feature], extreme)
        if (better[row] != x[row])[~np.isnan(x[row])].any():
            moved.append(row)
    fell = scored(live, repooled(better, live.model.features)).pd_12m[moved] - scores.pd_12m[moved]
    assert len(moved) > 200
    assert (fell <= 0).all()
    assert (fell < 0).mean() > 0.98


def test_tiny_noise_does_not_reshuffle_the_reasons(live, x):
    noise = 1 + np.random.default_rng(1).normal(0, 1e-6, x.shape)
    # Counts, and shares of all or nothing, are exact: only what is measured is noisy.
    noisy = np.where(x == np.round(x), x, x * noise).astype(np.float32)
    one, other = (rank(scored(live, m), live.reasons, limit=4) for m in (x, noisy))
    assert (one.group == other.group).all(axis=1).mean() > 0.98
    assert (one.group == -1).mean() < 0.5


def test_base_contributions_and_calibration_are_the_points_whatever_is_absent(live, x):
    for absent in ((), ("tax",), tuple(OPTIONAL)):
        known = x
        for category in absent:
            known = blanked(known, live.model.features, category)
        s = scored(live, known)
        total = s.points_base + s.points_contributions.sum(axis=1) + s.points_calibration
        np.testing.assert_allclose(total, s.points_exact, atol=1e-6)


def test_the_score_without_a_category_is_the_score_of_a_firm_that_refused_it(live, x):
    points = scored(live, x[:20]).points
    of_all = without_each(live.model, x[:20], categories=OPTIONAL, points=points, settings=live.rules.scorable)
    for row in range(20):
        s = scored(live, x[row : row + 1])
        (found,) = without_each(
            live.model, x[row : row + 1], categories=OPTIONAL, points=s.points, settings=live.rules.scorable
        )
        assert found == of_all[row]  # of one as of many, to the bit
        known = {live.model.features[column] for column in np.flatnonzero(~np.isnan(x[row]))}
        assert [one.category for one in found] == [category for category in OPTIONAL if known & set(TAKEN[category])]
        for one in found:
            if one.points is None:
                continue
            alone = scored(live, blanked(x[row : row + 1], live.model.features, one.category))
            assert one.points == int(alone.points[0])
            assert one.points_gained == int(s.points[0]) - one.points
    nothing = np.full((1, x.shape[1]), np.nan, np.float32)
    how = {"points": np.array([600]), "settings": live.rules.scorable}
    assert without_each(live.model, nothing, categories=OPTIONAL, **how) == [()]


def test_a_firm_is_not_scored_without_its_only_category(live, x):
    only_tax = x[:1].copy()
    for category in OPTIONAL:
        if category != "tax":
            only_tax = blanked(only_tax, live.model.features, category)
    how = {"points": np.array([600]), "settings": live.rules.scorable}
    (found,) = without_each(live.model, only_tax, categories=["tax"], **how)
    assert [(one.category, one.points, one.grade) for one in found] == [("tax", None, None)]


def test_improvements_of_many_firms_hold_and_some_can_be_made(live, x):
    plans = 0
    for row in x[:30]:
        values = {n: None if np.isnan(v) else float(v) for n, v in zip(live.model.features, row, strict=True)}
        told = improvements_of(values, industry="C30", live=live).to_dict()
        for plan in told["plans"]:
            after = row.copy()
            for change in plan["changes"]:
                after[live.model.features.index(change["indicator"])] = change["after"]
            again = scored(live, repooled(after[None, :], live.model.features))
            assert (str(again.grade[0]), int(again.points[0])) == (plan["grade"], plan["points"])
            assert GRADES.index(plan["grade"]) < GRADES.index(told["grade"])
            plans += 1
    assert plans > 10


def test_an_interval_holds_its_pd_and_a_reason_compares_with_peers(live, x):
    s = scored(live, x)
    assert (s.pd_low <= s.pd_12m).all()
    assert (s.pd_12m <= s.pd_high).all()
    features = pl.DataFrame({n: x[:, k].astype(float) for k, n in enumerate(live.model.features)}).fill_nan(None)
    told = reasons_for(
        s, features, live.model, live.reasons, settings=live.rules.reasons, industries=["C30"] * 400, missing=[{}] * 400
    )
    compared = [r.comparison for firm in told for r in firm.adverse if r.kind == "indicator"]
    assert {c.peers for c in compared if c} >= {"C/micro"}
    assert all(c is None or c.firms >= 20 for c in compared)
