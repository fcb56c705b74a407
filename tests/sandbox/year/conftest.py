"""One small year, computed once for all tests of this folder."""

from __future__ import annotations

from datetime import date

import pytest

from creditlink.kit.settings import load_settings
from creditlink.sandbox.city import write_city
from creditlink.sandbox.year.simulate import PlannedYear, YearPlan, plan_year

PLAN = {"requests": 36, "lenders": 4, "seed": 3, "follow": 3}


@pytest.fixture(scope="session")
def year_city(tmp_path_factory):
    """A city of 36 months, with firms enough to ask."""
    folder = tmp_path_factory.mktemp("year") / "city"
    write_city(folder, firms=400, months=36, seed=5, until=date(2026, 6, 1))
    return folder


@pytest.fixture(scope="session")
def planned(year_city) -> PlannedYear:
    return plan_year(YearPlan(year_city, **PLAN), load_settings({}))
