"""Relief in a screening: the same records under a policy give other results, and never those of a run without."""

from __future__ import annotations

from datetime import date

import polars as pl

from creditlink.engine.facts.relief_policies import PAYMENTS, ReliefPolicy
from creditlink.screening.city.partition import screen_partition
from tests.screening.conftest import PARTS

EVERYTHING = ReliefPolicy(
    "ALL", "测试", "Test", "测试", tuple(PAYMENTS), (), (), date(2020, 1, 1), date(2030, 1, 1), None,
    date(2020, 1, 1), date(2030, 1, 1),
)  # fmt: skip


def test_a_policy_is_part_of_the_plan(town, make_plan, tmp_path):
    without, under = (make_plan(town, tmp_path, relief=policies) for policies in ((), (EVERYTHING,)))
    assert without.key == make_plan(town, tmp_path).key
    assert without.key != under.key


def test_points_under_relief_are_others_and_better_in_sum(town, make_plan, tmp_path):
    points = []
    for name, policies in (("without", ()), ("under", (EVERYTHING,))):
        made = make_plan(town, tmp_path / name, relief=policies)
        assert screen_partition(made, PARTS[0]).rejected is None
        points.append(pl.read_parquet(tmp_path / name / "firms" / PARTS[0])["points"])
    without, under = points
    assert (without != under).sum() > 0
    assert under.sum() > without.sum()
