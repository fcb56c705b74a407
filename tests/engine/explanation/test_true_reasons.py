"""What reasons say of the committed champion, on firms of a city under many consents: moving a value as said helps."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from creditlink.engine.explanation.reasons import reasons_for
from creditlink.engine.features.withhold import repooled, without
from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.engine.vocabulary import CATEGORIES, SUPPLIES
from creditlink.kit.settings import load_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.city import write_city
from creditlink.training.city import read_city
from creditlink.training.dataset import FEATURES, LACKING, plan_for, read_day

pytestmark = pytest.mark.pure

REFUSED = ((), ("tax",), ("social_security",), ("utility",), ("public_credit", "contract"))


@pytest.fixture(scope="module")
def live():
    return load_live(load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}))


@pytest.fixture(scope="module")
def firms(live, tmp_path_factory):
    """Yield the indicators of the firms of a city that have a score, with something refused or lacking."""
    folder = tmp_path_factory.mktemp("reasons") / "city"
    write_city(folder, firms=250, months=34, seed=54, until=date(2026, 10, 1))
    city = read_city(folder)
    day = read_day(city, plan_for(city.snapshots, city.first_period).test, live.reference)
    cases = [without(day.rows(), list(refused)) for refused in REFUSED]
    cases.append(day.rows(LACKING, seed=1))
    every = pl.concat(cases)
    return every.filter(pl.Series(scorable(every, live.rules.scorable)))


@pytest.fixture(scope="module")
def told(live, firms):
    features = firms.select(FEATURES)
    return reasons_for(
        live.model.score(features), features, live.model, live.reasons, settings=live.rules.reasons,
        industries=firms["industry"].to_list(), missing=[{}] * firms.height,
    )  # fmt: skip


def test_moving_the_named_indicator_as_said_moves_pd_as_said(live, firms, told):
    names, matrix = live.model.features, live.model.matrix(firms.select(FEATURES))
    medians = live.model.peers
    rows, signs, moves = [], [], []
    for place, firm in enumerate(told):
        for adverse, reasons in ((1, firm.adverse), (-1, firm.strengths)):
            for reason in reasons:
                if reason.direction == 0:
                    continue
                feature, safer = names.index(reason.indicator), -reason.direction
                tenths = medians.tenths(None, None, reason.indicator)
                ends = (tenths[0], tenths[-1], 0.0) if tenths else (0.0,)
                goal = safer * adverse * max(safer * adverse * end for end in ends)
                if safer * adverse * (goal - reason.value) <= 0:
                    continue  # already beyond what a tenth of the firms reach
                moved = matrix[place].copy()
                moved[feature] = goal
                rows += [matrix[place], moved]
                signs.append(adverse)
                moves.append((feature, goal))
    # Rows are compared within one pass: a part that moves takes its pools along, a pool that is named moves by itself.
    pooled = repooled(np.array(rows, np.float32, order="F"), names)
    for place, (feature, goal) in enumerate(moves):
        pooled[2 * place + 1, feature] = goal
    scored = live.model.score_matrix(pooled).pd_12m.reshape(-1, 2)
    better = (scored[:, 0] - scored[:, 1]) * np.array(signs)
    assert len(better) > 1500
    wrong = {names[moves[k][0]] for k in np.flatnonzero(better < -1e-12)}
    assert wrong == set()
    assert (better > 0).mean() > 0.9


def test_missing_values_are_told_last_and_seldom(live, told):
    lasting = [
        place == len(firm.adverse) - 1
        for firm in told
        for place, reason in enumerate(firm.adverse)
        if reason.kind == "missing"
    ]
    assert all(lasting)
    assert len(lasting) < 0.02 * sum(len(firm.adverse) for firm in told)


def test_every_sentence_names_who_the_peers_are_and_none_an_absent_source(told):
    sentences = [reason.sentence_en for firm in told for reason in (*firm.adverse, *firm.strengths)]
    assert len(sentences) > 2000
    compared = [one for one in sentences if " median of " in one]
    assert compared
    assert all("firms of the synthetic city" in one for one in compared)
    assert not [one for one in sentences if "Sole trader: no" in one or "has no record" in one or " 1 points" in one]


def test_a_refused_category_is_in_no_reason(live, firms):
    features = without(firms.select(FEATURES), ["utility"])
    found = reasons_for(
        live.model.score(features), features, live.model, live.reasons, settings=live.rules.reasons,
        industries=firms["industry"].to_list(),
        missing=[dict.fromkeys(("utility", *SUPPLIES), "not_granted")] * firms.height,
    )  # fmt: skip
    assert {r.category for firm in found for r in (*firm.adverse, *firm.strengths)} <= set(CATEGORIES) - {"utility"}
