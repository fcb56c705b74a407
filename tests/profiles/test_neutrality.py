"""Absence of a category is neutral, whatever its cause: on a city that the champion never saw."""

from datetime import date

import numpy as np
import pytest

from creditlink.engine import vocabulary
from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_SCHEMAS, OPTIONAL_CATEGORIES, RecordSet, empty
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.profile.pipeline import profile_many
from creditlink.engine.profile.snapshot import snapshot
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.city import write_city
from creditlink.sandbox.neutrality import CAUSES, shifts
from creditlink.training.city import read_city

pytestmark = pytest.mark.pure

FITTED = 0.012
"""Standard error, of the mean PD, of the shifts themselves: they are means over the firms they were fitted on."""


@pytest.fixture(scope="module")
def live():
    return load_live(load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}))


@pytest.fixture(scope="module")
def book():
    return compile_book([], BY_NAME, matching_settings(ROOT / "config"))


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("neutral") / "city"
    write_city(folder, firms=1200, months=34, seed=12, until=date(2026, 10, 1))
    return read_city(folder)


def test_no_cause_moves_the_mean_pd_and_no_cause_is_dearer_than_another(city, live, book):
    found = shifts(city, live, book)
    assert {(row["category"], row["cause"]) for row in found} == {(c, k) for c in OPTIONAL_CATEGORIES for k in CAUSES}
    for category in OPTIONAL_CATEGORIES:
        rows = [row for row in found if row["category"] == category]
        assert len({(row["points_goods"], row["points_bads"], row["shift"]) for row in rows}) == 1, category
        one = rows[0]
        assert abs(one["shift"]) <= 3 * np.hypot(one["error"], FITTED * one["mean_pd"]), (category, one)
        # Goods lose and bads gain no more than what is no longer seen of them says.
        assert abs(one["shift_bads"]) <= abs(one["implied_bads"]) + 3 * one["error"] / one["mean_pd"] ** 0.5, one


def test_no_reason_speaks_of_what_is_absent_and_none_can_be_acted_on(city, live, book):
    firms = city.records.registration["firm"][:25]
    whole = {name: city.records.frame(name) for name in FRAME_SCHEMAS}
    whole = {name: frame.filter(frame["firm"].is_in(firms.implode())) for name, frame in whole.items()}
    for category in sorted(OPTIONAL_CATEGORIES):
        records = RecordSet(**whole | {name: empty(name) for name in CATEGORY_FRAMES[category]})
        told = []
        for cause in (*CAUSES, "timeout", "denied", "pending"):
            granted = frozenset(OPTIONAL_CATEGORIES) - {category} if cause == "not_granted" else None
            made = profile_many(records, as_of=date(2026, 9, 30), live=live, book=book, granted=granted)
            shots = [snapshot(made, i, live=live, missing={category: cause}) for i in range(len(firms))]
            told.append([(shot.points, shot.pd_12m, shot.grade, shot.summary["reasons"]) for shot in shots])
            words = vocabulary.CAUSES[cause]
            for shot in shots:
                for reason in shot.summary["reasons"]:
                    assert reason["kind"] != "missing" or (reason["category"], reason["actionable"]) != (category, True)
                    assert reason["kind"] != "missing" or reason["category"] != category
                    assert words[0] not in reason["sentence_zh"]
                    assert words[1] not in reason["sentence_en"]
        assert all(one == told[0] for one in told), category


def test_a_firm_without_records_of_a_category_gains_nothing_by_refusing_it(city, live, book):
    here = {"as_of": date(2026, 9, 30), "live": live, "book": book}
    firms = city.records.registration["firm"][:300]
    whole = {name: city.records.frame(name) for name in FRAME_SCHEMAS}
    records = RecordSet(**{name: frame.filter(frame["firm"].is_in(firms.implode())) for name, frame in whole.items()})
    unstaffed = ~firms.is_in(records.payroll_months["firm"].implode()).to_numpy()
    assert unstaffed.sum() > 40
    granting = profile_many(records, **here).scores.points[unstaffed]
    refusing = RecordSet(
        **{name: records.frame(name) for name in FRAME_SCHEMAS} | {"payroll_months": empty("payroll_months")}
    )
    opened = frozenset(OPTIONAL_CATEGORIES) - {"social_security"}
    assert (profile_many(refusing, granted=opened, **here).scores.points[unstaffed] == granting).all()
