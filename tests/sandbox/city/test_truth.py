"""What the city says is true of its firms, and that the records are noisy views of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from creditlink.sandbox.city import latent, write_city
from creditlink.sandbox.city.economy import Calendar
from creditlink.sandbox.city.hazard import HazardTable
from creditlink.sandbox.city.write import merge_coverage

pytestmark = pytest.mark.pure

Frame = Callable[[str], pl.DataFrame]


@pytest.fixture(scope="module")
def lives() -> pl.DataFrame:
    """20,000 firms' hazard at a snapshot and whether they defaulted within the year, without their records."""
    calendar = Calendar(date(2026, 10, 1), 48)
    table = HazardTable(calendar)
    snapshot = int(calendar.snapshots[-1])
    parts = []
    for block in range(10):
        firms = latent.draw_firms(7, block, calendar, latent.COVERAGE)
        paths = latent.draw_paths(firms, calendar)
        rows = latent.truth(firms, paths, calendar, table)
        now = rows.snapshot == snapshot
        month = paths.default_month[rows.index]
        bad = (month > snapshot) & (month <= snapshot + 12)
        parts.append(pl.DataFrame({"hazard": rows.hazard_12m[now], "bad": bad[now]}))
    return pl.concat(parts).filter(~pl.col("hazard").is_nan())


class TestHazard:
    def test_the_city_is_as_hard_as_reality(self, lives):
        """The best that any model could reach, from the true hazard itself."""
        assert 0.85 < roc_auc_score(lives["bad"], lives["hazard"]) < 0.93

    def test_about_three_firms_in_a_hundred_default_in_a_year(self, lives):
        assert 0.02 < lives["hazard"].mean() < 0.04

    def test_as_many_default_as_the_hazard_says_from_the_safest_to_the_riskiest(self, lives):
        lives = lives.sort("hazard")
        for group in np.array_split(np.arange(lives.height), 5):
            expected, seen = lives[group]["hazard"].sum(), lives[group]["bad"].sum()
            assert abs(seen - expected) < 3.5 * np.sqrt(expected + 1)


class TestKinds:
    def test_every_kind_is_there_at_its_share(self, frame: Frame):
        truth = frame("truth").unique("firm")
        counts = dict(truth.group_by("kind").len().iter_rows())
        for kind in latent.KINDS:
            assert counts[kind.name] / truth.height == pytest.approx(kind.share, rel=0.35), kind.name

    def test_only_manipulators_inflate_a_source_and_each_one_does(self, frame: Frame):
        truth = frame("truth").with_columns(inflates=pl.col("inflates").is_not_null())
        assert truth.select(((pl.col("kind") == "manipulator") == pl.col("inflates")).all()).item()

    def test_a_shell_sells_without_staff_or_power(self, frame: Frame):
        sales, staff, power = _usual(frame)
        assert sales["shell"] > 0.3 * sales["healthy"]
        assert staff["shell"] <= 1 < staff["healthy"]
        assert power["shell"] < 0.1 * power["healthy"]

    def test_a_manipulator_declares_more_than_its_power_and_staff_would_make(self, frame: Frame):
        sales, _, power = _usual(frame)
        inflated = sales["manipulator"] / power["manipulator"]
        assert inflated > 1.5 * sales["distressed"] / power["distressed"]

    def test_a_dormant_firm_hardly_trades(self, frame: Frame):
        months = frame("invoice_months").filter(pl.col("direction") == "output").group_by("firm").len()
        by_kind = months.join(frame("truth").unique("firm"), on="firm").group_by("kind").agg(pl.col("len").median())
        traded = dict(by_kind.iter_rows())
        assert traded["dormant"] < 0.4 * traded["healthy"]


def _usual(frame: Frame) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return the median firm's declared sales, headcount and kWh by kind; manipulators only where they inflate tax."""
    kinds = frame("truth").unique("firm").filter(pl.col("inflates").fill_null("tax") == "tax").select("firm", "kind")

    def median(rows: pl.DataFrame, column: str) -> dict[str, float]:
        usual = rows.group_by("firm").agg(pl.col(column).cast(pl.Float64).mean()).join(kinds, on="firm")
        return dict(usual.group_by("kind").agg(pl.col(column).median()).iter_rows())

    meters = frame("meter_months").filter(pl.col("kind") == "electricity").rename({"kind": "meter"})
    return (
        median(frame("vat_declarations"), "taxable_sales_fen"),
        median(frame("payroll_months"), "headcount"),
        median(meters, "usage"),
    )


class TestCoverage:
    def test_each_source_knows_its_share_of_the_firms(self, frame: Frame):
        firms = frame("registration").height
        meters = frame("meter_months")
        seen = {
            "tax": frame("vat_declarations")["firm"].n_unique(),
            "social_security": frame("payroll_months")["firm"].n_unique(),
            **dict(meters.group_by("kind").agg(pl.col("firm").n_unique()).iter_rows()),
        }
        for source, share in latent.COVERAGE.items():
            if source in seen:
                assert seen[source] / firms == pytest.approx(share, abs=0.05), source

    def test_few_meters_where_the_utility_shares_few(self, tmp_path):
        write_city(tmp_path / "c", firms=2000, months=8, seed=3, until=date(2026, 10, 1), coverage={"utility": 0.046})
        meters = pl.read_parquet(tmp_path / "c" / "meter_months" / "*.parquet").filter(kind="electricity")
        assert 0.03 < meters["firm"].n_unique() / 2000 < 0.06

    def test_utility_sets_the_three_meters_in_proportion(self):
        shares = merge_coverage({"utility": 0.046})
        assert shares["electricity"] == 0.046
        assert shares["water"] == pytest.approx(0.046 * 0.8)
        assert shares["tax"] == latent.COVERAGE["tax"]


class TestShockAndRelief:
    def test_sales_fall_in_the_shock_and_come_back(self, city: tuple[Path, dict[str, Any]], frame: Frame):
        begin, end = (date.fromisoformat(day) for day in city[1]["shock"])
        sold = (
            frame("invoice_months")
            .filter((pl.col("direction") == "output") & (pl.col("amount_fen") > 0))
            .unique(["firm", "period"], keep="first")
        )
        total = dict(sold.group_by("period").agg(pl.col("amount_fen").log().mean()).iter_rows())

        def against_other_years(month: date) -> float:
            others = [v for day, v in total.items() if day.month == month.month and not begin <= day < end]
            return total[month] - float(np.mean(others))

        falls = [against_other_years(day) for day in total if begin <= day < end]
        assert -0.6 < float(np.mean(falls)) < -0.12

    def test_relief_halves_contributions_for_its_months_and_no_others(self, city, frame: Frame):
        begin, end = (date.fromisoformat(day) for day in city[1]["relief"])
        rows = frame("payroll_months").filter(pl.col("base_fen") > 0)
        rate = pl.col("due_fen") / pl.col("base_fen")
        inside = pl.col("period").is_between(begin, end, closed="left")
        assert rows.filter(inside).select(rate.min(), rate.max().alias("most")).row(0) == pytest.approx(
            (0.1675, 0.1675), abs=1e-3
        )
        assert rows.filter(~inside).select(rate.min(), rate.max().alias("most")).row(0) == pytest.approx(
            (0.335, 0.335), abs=1e-3
        )


def test_stress_shows_in_utilities_before_social_security_and_tax(frame: Frame):
    """The share of bills paid late in the quarter before a default."""
    fell = frame("truth").unique("firm").filter(pl.col("default_on").is_not_null()).select("firm", "default_on")
    late = {}
    for name, paid in (("meter_months", "paid_on"), ("payroll_months", "paid_on"), ("vat_declarations", "filed_on")):
        rows = frame(name).sort("known_on").unique(["firm", "period"], keep="last").join(fell, on="firm")
        if "months" in rows.columns:
            rows = rows.with_columns(pl.col("period").dt.offset_by(pl.format("{}mo", pl.col("months") - 1)))
        ahead = (pl.col("default_on") - pl.col("period")).dt.total_days()
        rows = rows.filter(ahead.is_between(31, 31 + 92))
        late[name] = rows.select((pl.col(paid).is_null() | (pl.col(paid) > pl.col("due_on"))).mean()).item()
    assert late["meter_months"] > late["payroll_months"] > late["vat_declarations"] > 0.1
